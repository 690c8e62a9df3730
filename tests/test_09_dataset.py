"""Chapter 9: a loader by hand is torch's, what workers cost, and what repeats itself in them."""

import os
import time
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    default_collate,
    random_split,
)


def test_our_dataset_is_the_ready_made_one(chapter):
    names = chapter.names
    assert len(names["train_dataset"]) == len(names["ready_made"]) == 80
    for ours, theirs in zip(names["train_dataset"], names["ready_made"], strict=True):
        assert len(ours) == len(theirs) == 2
        assert all(map(torch.equal, ours, theirs))


def test_tensors_of_more_than_one_element_are_not_compared_by_double_equals(chapter):
    ambiguous = "Boolean value of Tensor with more than one value is ambiguous"
    assert chapter.names["ambiguous"] == ambiguous
    with pytest.raises(RuntimeError, match=ambiguous):
        assert torch.ones(2) == torch.ones(2)
    assert torch.ones(1) == torch.ones(1)


def test_a_list_is_a_dataset_and_an_iterable_one_has_no_numbers():
    batches = list(DataLoader([1, 2, 3], batch_size=2))
    assert [batch.tolist() for batch in batches] == [[1, 2], [3]]
    assert not hasattr(IterableDataset, "__len__")


def test_a_million_photographs(chapter):
    assert chapter.names["gigabytes"] == (602.112, 0.009633792)
    assert "a million photographs: 602 GB, a batch of 16: 0.010 GB\n" in chapter.output


# --- the loader by hand


def same(one, other):
    """Tell whether two batches are of the same kinds, types, shapes and numbers, all through."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        alike = type(one) is type(other) and len(one) == len(other)
        return alike and all(map(same, one, other))
    return one == other


def all_epochs(start_epoch, breaks):
    """Return the batches of several epochs; epoch n is left after breaks[n] batches."""
    batches = []
    for stop in breaks:
        for number, batch in enumerate(start_epoch(), 1):
            batches.append(batch)
            if number == stop:
                break
    return batches


@settings(deadline=None, derandomize=True, database=None, max_examples=150)
@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    shuffle=st.booleans(),
    seeds=st.tuples(st.integers(0, 2**63 - 1), st.none() | st.integers(0, 2**63 - 1)),
    breaks=st.lists(st.none() | st.integers(1, 5), min_size=1, max_size=4),
)
def test_the_loader_by_hand(chapter, size, batch_size, shuffle, seeds, breaks):
    """The same batches, over several epochs, some of them left early, and as much drawn."""
    dataset = TensorDataset(torch.randn(size, 3), torch.arange(size))
    loader_by_hand, runs = chapter.names["loader_by_hand"], []
    for name in ("theirs", "ours"):
        torch.manual_seed(seeds[0])
        generator = None if seeds[1] is None else torch.Generator().manual_seed(seeds[1])
        if name == "theirs":
            loader = DataLoader(dataset, batch_size, shuffle=shuffle, generator=generator)
            batches = all_epochs(loader.__iter__, breaks)
        else:
            start = partial(loader_by_hand, dataset, batch_size, shuffle, generator)
            batches = all_epochs(start, breaks)
        states = [torch.get_rng_state()] + ([generator.get_state()] if generator else [])
        runs.append((batches, states))
    assert same(*(batches for batches, _ in runs))
    assert same(*(states for _, states in runs))
    if breaks == [None]:
        numbers = torch.cat([batch[1] for batch in runs[1][0]])
        assert sorted(numbers.tolist()) == list(range(size))


def test_loader_by_hand_shuffles_only_when_asked_and_anew_each_time(chapter):
    loader, dataset = chapter.names["loader_by_hand"], list(range(20))
    assert torch.cat(list(loader(dataset, 6))).tolist() == dataset
    first, second = (torch.cat(list(loader(dataset, 6, shuffle=True))).tolist() for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == dataset


LEAVES = {
    "float": st.floats(allow_nan=False),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "str": st.sampled_from(["", "a", "é b"]),  # for st.text() a table of all letters is made first
    "NumPy number": st.floats(width=32, allow_nan=False).map(np.float32),
    "NumPy float64": st.floats(allow_nan=False).map(np.float64),
    "array": st.integers(0, 9).map(lambda n: np.full((2, 3), n)),
    "tensor": st.integers(0, 9).map(lambda n: torch.full((3,), float(n))),
    "number in a tensor": st.integers(0, 9).map(torch.tensor),
}


@st.composite
def examples(draw):
    """Return a list of examples of one shape: a leaf, or a tuple, list or dict of such."""
    shapes = st.recursive(
        st.sampled_from(list(LEAVES)),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: ("tuple", parts))
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: ("list", parts))
            | st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
                lambda parts: ("dict", parts)
            )
        ),
        max_leaves=4,
    )

    def one(shape):
        if isinstance(shape, str):
            return draw(LEAVES[shape])
        kind, parts = shape
        if kind == "dict":
            return {name: one(part) for name, part in parts.items()}
        return (tuple if kind == "tuple" else list)(one(part) for part in parts)

    shape = draw(shapes)
    return [one(shape) for _ in range(draw(st.integers(1, 4)))]


@settings(deadline=None, derandomize=True, database=None, max_examples=100)
@given(batch=examples())
def test_collate_by_hand(chapter, batch):
    assert same(chapter.names["collate_by_hand"](batch), default_collate(batch))


def test_collate_by_hand_refuses_what_torch_refuses(chapter):
    for example in (None, object(), {1, 2}):
        for collate in (chapter.names["collate_by_hand"], default_collate):
            with pytest.raises(TypeError):
                collate([example])
    with pytest.raises(TypeError, match=r"^cannot make a batch of NoneType$"):
        chapter.names["collate_by_hand"]([None])


def test_the_loaders_of_the_page_agree(chapter):
    names = chapter.names
    for seed in (7, None):
        theirs, ours = names["epochs"][seed, "theirs"], names["epochs"][seed, "ours"]
        assert [len(batch[0]) for batch in ours] == [30, 30, 20] * 3
        assert same(theirs, ours)
        assert not torch.equal(ours[0][0], ours[3][0])
        assert names["next_draws"][seed, "theirs"] == names["next_draws"][seed, "ours"]
    assert chapter.output.count("18 of 18 tensors equal, the next draw True\n") == 2


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


def test_random_split_is_a_permutation_cut_in_two(chapter):
    assert chapter.names["same_split"]
    for seed in range(20):
        torch.manual_seed(seed)
        order = torch.randperm(30).tolist()
        torch.manual_seed(seed)
        parts = random_split(range(30), [17, 4, 9])
        assert [part.indices for part in parts] == [order[:17], order[17:21], order[21:]]


# --- workers


def test_what_a_worker_costs_and_when_it_pays(chapter):
    names = chapter.names
    assert (names["start_costs"], names["trip_costs"], names["pays"]) == (True, True, True)
    assert chapter.output.count("longer: True\n") + chapter.output.count("more: True\n") == 3


class Noted(Dataset):
    """Four examples; notes which process reads each, and reads slowly after the first epoch."""

    def __init__(self, folder):
        self.folder, self.read = folder, 0

    def __getitem__(self, index):
        (self.folder / f"{os.getpid()}").touch()
        self.read += 1
        time.sleep(0.02 if self.read > 4 else 0)
        return index

    def __len__(self):
        return 4


def test_the_stopwatch_reads_what_it_says(chapter, tmp_path):
    epoch_seconds = chapter.names["epoch_seconds"]
    first, later = epoch_seconds(Noted(tmp_path), batch_size=2, workers=0, step=0)
    assert first < later and later >= 0.08
    assert [file.name for file in tmp_path.iterdir()] == [str(os.getpid())]
    first, later = epoch_seconds([0, 1, 2, 3], batch_size=2, workers=0, step=0.01)
    assert first >= 0.02 and later >= 0.02


def test_its_workers_last(chapter, tmp_path):
    chapter.names["epoch_seconds"](Noted(tmp_path), batch_size=2, workers=1, step=0)
    (process,) = tmp_path.iterdir()
    assert process.name != str(os.getpid())


def test_slow_pairs_are_the_same_pairs_and_slow(chapter):
    x = torch.arange(20.0).reshape(20, 1)
    slow = chapter.names["SlowPairs"](x, -x)
    start = time.perf_counter()
    assert len(slow) == 20 and same(slow[3], (x[3], -x[3]))
    assert time.perf_counter() - start >= 0.02


def test_copied_generator_repeats_itself_over_workers_and_epochs(chapter):
    own = chapter.names["own_numbers"]
    assert own[0:2] == own[2:4]
    assert own[:8] == own[8:]
    assert len(set(own)) == 4


def test_global_generator_and_the_fix_do_not_repeat(chapter):
    assert len(set(chapter.names["global_numbers"])) > 12
    assert len(set(chapter.names["fixed_numbers"])) > 12


def test_workers_that_last_go_on_and_still_come_in_pairs(chapter):
    own, lasting = chapter.names["own_numbers"], chapter.names["lasting_numbers"]
    assert lasting[:8] == own[:8]
    assert not set(lasting[8:]) & set(own)
    assert lasting[8:10] == lasting[10:12] and lasting[12:14] == lasting[14:16]
    fresh = np.random.default_rng(42)
    assert [int(fresh.integers(1000)) for _ in range(8)] == lasting[0:2] + lasting[4:6] + (
        lasting[8:10] + lasting[12:14]
    )


class Global(Dataset):
    """Eight numbers from NumPy's global generator."""

    def __getitem__(self, index):
        return np.random.randint(1000)

    def __len__(self):
        return 8


class Restore:
    """Undo the seeding of a worker, as if torch were older than 1.9."""

    def __init__(self):
        self.state = np.random.get_state()

    def __call__(self, worker):
        """Give the worker the state that it would have had."""
        np.random.set_state(self.state)


def test_without_the_seeding_the_global_generator_repeats_itself_too():
    loader = DataLoader(Global(), batch_size=2, num_workers=2, worker_init_fn=Restore())
    numbers = [int(number) for _ in range(2) for batch in loader for number in batch]
    assert numbers[:2] == numbers[2:4] and numbers[:8] == numbers[8:]
    assert len(set(numbers)) <= 4


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_with_four_workers_each_number_comes_four_times(chapter):
    loader = DataLoader(chapter.names["RandomNumbers"](), batch_size=2, num_workers=4)
    own = [int(number) for _, batch in loader for number in batch]
    assert own[0:2] == own[2:4] == own[4:6] == own[6:8]
