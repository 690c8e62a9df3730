"""Chapter 12: two processes with half a batch each have the gradient of the whole batch."""

import contextlib
import itertools
import os
import queue
import signal
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DistributedSampler

ALL_ROWS = list(range(100))


def by_formula(chapter, rows):
    """Return the gradient of the mean squared error over some rows, derived by hand, in NumPy.

    The mean goes over rows and both outputs. Ten weights come first, then the two biases.
    """
    x, y = (tensor.cpu().numpy().astype(float)[rows] for tensor in chapter.names["dataset"].tensors)
    layer = chapter.names["model"].linear
    weight, bias = (p.detach().cpu().numpy() for p in (layer.weight, layer.bias))
    slope = 2 * (x @ weight.T + bias - y) / y.size
    return np.concatenate([(slope.T @ x).ravel(), slope.sum(axis=0)])


def test_the_model_sees_three_batches_of_thirty_and_a_rest_of_ten(chapter):
    assert chapter.names["sizes"] == [30, 30, 30, 10]
    assert chapter.output.count("the model sees 30 rows") == 3
    assert chapter.output.count("the model sees 10 rows") == 1


def test_the_data_are_100_rows_of_five_features(chapter):
    assert [tuple(part.shape) for part in chapter.names["dataset"].tensors] == [(100, 5), (100, 2)]


def test_one_device_leaves_data_parallel_out_and_says_so(golden):
    assert "nothing for DataParallel to do" in golden.output


def test_the_gradient_of_one_process_is_the_formula(golden):
    expected = by_formula(golden, ALL_ROWS)
    np.testing.assert_allclose(golden.names["whole"], expected, rtol=1e-4, atol=1e-6)


def test_the_shards_are_disjoint_even_and_cover_the_rows(chapter):
    first, second = (report["rows"] for report in chapter.names["reports"])
    assert len(first) == len(second) == 50
    assert set(first).isdisjoint(second)
    assert set(first) | set(second) == set(ALL_ROWS)


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_saw_its_shard_only(chapter, rank):
    report = chapter.names["reports"][rank]
    assert report["rank"] == rank
    assert report["sizes"] == [50, 50]
    expected = by_formula(chapter, report["rows"])
    np.testing.assert_allclose(report["own"], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(expected - by_formula(chapter, ALL_ROWS)).max() > 0.01


@pytest.mark.parametrize("rank", [0, 1])
def test_ddp_gives_each_process_the_gradient_of_the_whole_batch(golden, rank):
    averaged = golden.names["reports"][rank]["averaged"]
    torch.testing.assert_close(torch.tensor(averaged), golden.names["whole"])
    expected = by_formula(golden, ALL_ROWS)
    np.testing.assert_allclose(averaged, expected, rtol=1e-4, atol=1e-6)


def test_both_processes_step_from_the_weights_of_rank_0(golden):
    first, second = (report["weights"] for report in golden.names["reports"])
    assert first == second
    layer = golden.names["model"].linear  # seeded as rank 0 is; it took no step
    start = torch.cat([layer.weight.flatten(), layer.bias]).detach().numpy()
    expected = start - 0.1 * by_formula(golden, ALL_ROWS)
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-6)


def test_an_even_cut_makes_sum_and_average_agree(golden):
    whole = by_formula(golden, ALL_ROWS)
    for gradient in golden.names["by_hand"][50]:
        np.testing.assert_allclose(gradient, whole, rtol=1e-4, atol=1e-6)


def test_an_uneven_cut_spoils_the_average_and_not_the_sum(golden):
    summed, averaged = golden.names["by_hand"][60]
    whole = by_formula(golden, ALL_ROWS)
    parts = by_formula(golden, ALL_ROWS[:60]) + by_formula(golden, ALL_ROWS[60:])
    np.testing.assert_allclose(summed, whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(averaged, parts / 2, rtol=1e-4, atol=1e-6)
    assert np.abs(averaged.numpy() - whole).max() > 0.01


def test_the_parts_of_a_summed_loss_add_up(golden):
    whole = 200 * by_formula(golden, ALL_ROWS)  # 100 rows of 2 outputs
    np.testing.assert_allclose(golden.names["whole_of_sum"], whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sum(golden.names["parts_of_sum"]), whole, rtol=1e-4, atol=1e-4)


def test_three_shards_repeat_two_rows_or_leave_one_out(golden):
    shards, short = golden.names["shards"], golden.names["short_shards"]
    assert [len(shard) for shard in shards] == [34, 34, 34]
    assert sorted(row for shard in shards for row in shard) == [0, 0, 1, 1, *range(2, 100)]
    assert [len(shard) for shard in short] == [33, 33, 33]
    assert sorted(row for shard in short for row in shard) == ALL_ROWS[:99]
    expected = by_formula(golden, [*ALL_ROWS, 0, 1])
    np.testing.assert_allclose(golden.names["padded"], expected, rtol=1e-4, atol=1e-6)


# --- built by hand


def in_threads(monkeypatch, size, work):
    """Call work(rank) in a thread for each rank of a world; return the results in order.

    torch.distributed is played by queues: neighbours send to each other, and to reduce is to wait
    for all.
    """
    where, lines = threading.local(), {}
    for pair in itertools.product(range(size), repeat=2):
        lines[pair] = queue.Queue()
    meeting, table = threading.Barrier(size, timeout=20), [None] * size

    def exchange(operations):
        for operation in operations:
            if operation.op is dist.isend:
                lines[where.rank, operation.peer].put(operation.tensor.clone())
        for operation in operations:
            if operation.op is dist.irecv:
                operation.tensor.copy_(lines[operation.peer, where.rank].get(timeout=20))
        return []

    def all_reduce(tensor):
        table[where.rank] = tensor.clone()
        meeting.wait()
        tensor.copy_(sum(table))
        meeting.wait()

    def run(rank):
        where.rank = rank
        return work(rank)

    operation = namedtuple("Operation", "op tensor peer")
    monkeypatch.setattr(dist, "get_rank", lambda: where.rank)
    monkeypatch.setattr(dist, "get_world_size", lambda: size)
    monkeypatch.setattr(dist, "P2POp", operation)
    monkeypatch.setattr(dist, "batch_isend_irecv", exchange)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(size=st.integers(1, 6), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_ring_by_hand_sums_in_every_process(chapter, size, n, seed):
    ring_all_reduce, bytes_sent = chapter.names["ring_all_reduce"], chapter.names["bytes_sent"]
    vectors = torch.randn(size, n, generator=torch.Generator().manual_seed(seed)).double()
    before = vectors.clone()
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = in_threads(monkeypatch, size, lambda rank: ring_all_reduce(vectors[rank]))
    for total, _ in found:
        torch.testing.assert_close(total, before.sum(dim=0), rtol=1e-12, atol=1e-12)
        assert torch.equal(total, found[0][0])  # the same bits everywhere
    assert torch.equal(vectors, before)
    pieces = [len(piece) for piece in torch.zeros(n).tensor_split(size)]
    for rank, (_, sent) in enumerate(found):
        assert sent == sum(pieces[(rank - step) % size] for step in range(2 * (size - 1)))
    if n % size == 0:
        assert {sent for _, sent in found} == {bytes_sent(n, size) / 4}


@settings(deadline=None, derandomize=True, database=None, max_examples=20)
@given(size=st.integers(1, 5), seed=st.integers(0, 99))
def test_average_gradients_is_the_mean_over_the_processes(chapter, size, seed):
    torch.manual_seed(seed)
    models = [nn.Linear(3, 2).double() for _ in range(size)]
    for model in models:
        model(torch.randn(4, 3).double()).square().sum().backward()
    expected = [sum(grads) / size for grads in zip(*map(gradients, models), strict=True)]
    average_gradients = chapter.names["average_gradients"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        in_threads(monkeypatch, size, lambda rank: average_gradients(models[rank]))
    for model in models:
        torch.testing.assert_close(gradients(model), expected, rtol=1e-12, atol=1e-12)


def gradients(model):
    """Return copies of a model's gradients."""
    return [parameter.grad.clone() for parameter in model.parameters()]


def test_by_hand_by_ddp_and_by_formula_the_average_is_the_same(golden):
    expected = by_formula(golden, ALL_ROWS)
    for report in golden.names["reports"]:
        np.testing.assert_allclose(report["by_hand"], report["averaged"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(report["averaged"], expected, rtol=0, atol=1e-12)
    for key in ("hand_apart", "ddp_apart", "line_apart", "losses_apart"):
        assert golden.names[key] < 1e-12, key


def test_ddp_overwrites_buffers_at_each_forward_pass(chapter):
    (first, first_later), (second, second_later) = (r["buffers"] for r in chapter.names["reports"])
    assert first != second
    assert first_later == second_later == first


# --- a whole training


def by_numpy(batches, start):
    """Return weight and bias after SGD with momentum over batches of (x, y), in NumPy."""
    weight, bias = start
    speed = np.zeros(2)
    for x, y in batches:
        error = weight * x + bias - y
        speed = 0.5 * speed + np.array([(2 * error * x).mean(), (2 * error).mean()])
        weight, bias = np.array([weight, bias]) - 0.1 * speed
    return [weight, bias]


def test_two_processes_train_as_one_with_twice_the_batch_in_numpy(golden):
    dataset = golden.names["line_datasets"]()[0]
    x, y = (tensor.numpy() for tensor in dataset.tensors)
    sampler = DistributedSampler(dataset, num_replicas=1, rank=0)
    batches = []
    for epoch in range(golden.names["LAST_EPOCH"]):
        sampler.set_epoch(epoch)
        rows = np.array(list(sampler))
        batches += [(x[rows[i : i + 16]], y[rows[i : i + 16]]) for i in range(0, 80, 16)]
    torch.manual_seed(42)
    start = [parameter.item() for parameter in nn.Linear(1, 1).parameters()]
    expected = by_numpy(batches, start)
    for report in golden.names["reports"]:
        np.testing.assert_allclose(report["line"]["end"], expected, rtol=1e-12)
    np.testing.assert_allclose(golden.names["end"], expected, rtol=1e-12)


def test_the_killed_run_went_on_and_ended_at_the_same_bits(chapter):
    epochs, steps = chapter.names["LAST_EPOCH"], 80 // 16
    kill_at, reports = chapter.names["KILL_AT"], chapter.names["reports"]
    assert steps < kill_at < epochs * steps
    assert kill_at % steps not in (0, 1)  # in the middle of an epoch
    for part in chapter.names["resumed"]:
        assert part["end"] == reports[0]["line"]["end"] == reports[1]["line"]["end"]
        assert len(part["losses"]) == epochs - kill_at // steps


def test_train_line_goes_on_from_its_checkpoint(chapter, tmp_path):
    train_line, dataset = chapter.names["train_line"], chapter.names["line_datasets"]()[0]
    sampler = DistributedSampler(dataset, num_replicas=1, rank=0)
    ends = []
    for path, life in (("a.pt", [None]), ("b.pt", [12, None]), ("c.pt", [1, 7, 100, None])):
        for call in life:
            torch.manual_seed(42)
            model = nn.Sequential(nn.Linear(1, 1)).double()
            loss_fn = Dies(call) if call else nn.MSELoss()
            with contextlib.suppress(InterruptedError):
                train_line(model, sampler, 16, loss_fn, tmp_path / path)
        ends.append([parameter.item() for parameter in model.parameters()])
    assert ends[0] == ends[1] == ends[2]
    np.testing.assert_allclose(ends[0], chapter.names["end"], rtol=1e-12)


class Dies(nn.MSELoss):
    """The mean squared error, and an exception at one of its calls."""

    def __init__(self, call):
        super().__init__()
        self.left = call

    def forward(self, yhat, y):
        """Return the loss, or raise."""
        self.left -= 1
        if self.left == 0:
            raise InterruptedError
        return super().forward(yhat, y)


def test_killed_at_kills_at_that_call_and_not_before(chapter, monkeypatch):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    loss_fn = chapter.names["KilledAt"](3)
    ones = torch.ones(2)
    for expected in (0, 0, 1, 1):
        assert loss_fn(ones, 3 * ones).item() == 4
        assert len(killed) == expected
    assert killed == [(os.getpid(), signal.SIGKILL)]


# --- what travels, and when it pays


def test_what_ddp_hands_over_and_what_gloo_sends(chapter):
    for report in chapter.names["reports"]:
        traffic = report["traffic"]
        assert traffic["handed_over"] == [[110, 440], [1_001_000, 4_004_000]]
        assert traffic["sent"] == 12
        assert traffic["apart"] < 1e-12
        if traffic["written"] is not None and chapter.device == "cpu":
            assert 0 < traffic["written"] - 4_000_000 < 10_000


def test_a_ring_sends_less_than_twice_the_numbers(chapter):
    bytes_sent = chapter.names["bytes_sent"]
    sizes = [bytes_sent(1000, processes) for processes in range(1, 100)]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert sizes[1] == 4000
    assert sizes[-1] < 8000


def test_two_processes_pay_for_the_wide_layer_only(golden):
    assert golden.names["pays"] == [False, True]


# --- evaluation


def test_sums_and_counts_give_the_loss_that_padding_spoils(golden):
    assert golden.names["unpadded_loss"] == pytest.approx(golden.names["exact_loss"], rel=1e-5)
    assert abs(golden.names["padded_loss"] - golden.names["exact_loss"]) > 0.005
    assert sum(golden.names["counts"]) == 200
