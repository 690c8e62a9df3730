"""09_padded: write a function that makes a batch of sequences of different lengths.

pad(examples) takes a list of pairs: a tensor of the shape (length,), and a whole number, the label.
It returns three tensors: a table, a mask, and the labels as whole numbers. The table has the type
of the sequences and a row for each. All rows are as long as the longest sequence; after a
sequence's own numbers come zeros. The mask is of the same shape: True at a sequence's own numbers,
False after them. A sequence may hold zeros itself, or nothing at all, and it stays as it is. A
loader calls your function to collate if it gets it as collate_fn.
"""

import torch
from torch import Tensor
from torch.utils.data import DataLoader


def pad(examples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sequences as one table, a mask of their own numbers, and the labels."""
    raise NotImplementedError("pad is still to be written")


# --- The check. Leave the rest as it is.
def check() -> None:
    """Load sequences of whole numbers and of others, in batches, and look at each row."""
    whole = [[4, 0, 2], [7], [], [5, 6, 0, 0], [0, 1], [3, 3], [0], [8, 9, 1, 2, 3, 4, 0]]
    for numbers, size in ((whole, 3), (whole, 1), ([[0.5, *row, 0.25] for row in whole[::-1]], 5)):
        kind = torch.int64 if numbers is whole else torch.float64
        examples = [(torch.tensor(row, dtype=kind), 40 - i) for i, row in enumerate(numbers)]
        loader, first = DataLoader(examples, size, collate_fn=pad), 0
        for batch in loader:
            three = isinstance(batch, tuple | list) and len(batch) == 3
            three = three and all(isinstance(one, Tensor) for one in batch)
            assert three, "pad should return three tensors: a table, a mask and the labels"
            (table, mask, labels), rows = batch, numbers[first : first + size]
            shape, longest, lengths = tuple(table.shape), max(map(len, rows)), [*map(len, rows)]
            found = f"lengths {lengths}: the table's shape is {shape}"
            assert shape == (len(rows), longest), f"{found}, not ({len(rows)}, {longest})"
            assert table.dtype == kind, f"sequences of {kind} make a table of {table.dtype}"
            assert mask.dtype == torch.bool, f"the mask is of {mask.dtype}, not of torch.bool"
            also = tuple(mask.shape)
            assert also == shape, f"the table's shape is {shape}, the mask's {also}"
            for row, line, own in zip(rows, table.tolist(), mask.tolist(), strict=True):
                should = [*row, *[0] * (longest - len(row))]
                assert line == should, f"the row of {row} is {line}"
                right = own == [i < len(row) for i in range(longest)]
                assert right, f"the mask of {row} is True at {sum(own)} of {longest} places"
            should = [40 - i for i in range(first, first + len(rows))]
            assert labels.tolist() == should, f"the labels are {labels.tolist()}, not {should}"
            assert not labels.is_floating_point(), f"the labels are of {labels.dtype}"
            first += size
        after = [sequence.tolist() for sequence, _ in examples]
        assert after == numbers, "a sequence is not what it was before pad was called"


import sys
import traceback
from collections.abc import Callable


def run_check(exercise: str, check: Callable[[], None]) -> None:
    """Say in one line whether an exercise is done; if it is not, end with status 1."""
    verdict = "done"
    try:
        check()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == check.__code__.co_filename][-1]
        problem = f"{type(error).__name__}: {error}, in line {here.lineno}"
        if isinstance(error, AssertionError) and frames[-1].name == "check":
            problem = str(error)
        elif here.name == "check":
            problem = f"the check stopped at {problem}"
        else:
            problem = f"your code raised {problem}"
        verdict = f"not yet: {' '.join(problem.split())}"
    print(f"{exercise}: {verdict}")
    if verdict != "done" and not hasattr(sys, "ps1"):  # a notebook goes on
        sys.exit(1)


if __name__ == "__main__":
    run_check("09_padded", check)
