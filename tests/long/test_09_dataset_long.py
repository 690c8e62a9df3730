"""Chapter 9, again: what a worker shares, for which a process has to import torch."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset


class Marks(Dataset):
    """Marks, in a tensor and in an array, the numbers that it was asked for."""

    def __init__(self):
        self.tensor, self.array = torch.zeros(4), np.zeros(4)

    def __getitem__(self, index):
        self.tensor[index] = self.array[index] = 1
        return index

    def __len__(self):
        return 4


@pytest.mark.parametrize(("method", "marked"), [("fork", (0, 0)), ("spawn", (4, 0))])
def test_a_worker_has_a_copy_but_a_spawned_one_shares_tensors(method, marked):
    marks = Marks()
    assert len(list(DataLoader(marks, num_workers=1, multiprocessing_context=method))) == 4
    assert (int(marks.tensor.sum()), int(marks.array.sum())) == marked
