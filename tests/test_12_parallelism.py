"""Chapter 12: two processes with half a batch each have the gradient of the whole batch."""

import numpy as np
import pytest
import torch

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
