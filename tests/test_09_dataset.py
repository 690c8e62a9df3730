"""Chapter 9: datasets, loaders, and the random numbers that repeat themselves in workers."""

import numpy as np
import torch


def test_our_dataset_is_the_ready_made_one(chapter):
    names = chapter.names
    assert len(names["train_dataset"]) == len(names["ready_made"]) == 80
    for ours, theirs in zip(names["train_dataset"], names["ready_made"], strict=True):
        assert ours == theirs


def test_data_stay_on_the_cpu_and_come_in_five_batches_of_16(chapter):
    names = chapter.names
    assert names["x_train_cpu"].device == torch.device("cpu")
    assert [len(x) for x, _ in names["train_loader"]] == [16] * 5


def test_loader_shuffles_anew_and_loses_nothing(chapter):
    loader = chapter.names["train_loader"]
    first, second = (torch.cat([x for x, _ in loader]).flatten() for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)


def test_mini_batch_loop_arrives(chapter):
    names = chapter.names
    assert len(names["losses"]) == 1000
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9690, 1.0235), atol=0.03)


def test_random_split_is_80_20_and_shares_nothing(chapter):
    parts = chapter.names["train_part"].indices, chapter.names["val_part"].indices
    assert [len(part) for part in parts] == [80, 20]
    assert sorted(parts[0] + parts[1]) == list(range(100))


def test_copied_generator_repeats_itself_over_workers_and_epochs(chapter):
    own = chapter.names["own_numbers"]
    assert own[0:2] == own[2:4]
    assert own[:8] == own[8:]
    assert len(set(own)) == 4


def test_global_generator_and_the_fix_do_not_repeat(chapter):
    assert len(set(chapter.names["global_numbers"])) > 12
    assert len(set(chapter.names["fixed_numbers"])) > 12
