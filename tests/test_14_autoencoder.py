"""Chapter 14: the autoencoder beats PCA, its versions are one, a resumed run is the run."""

import copy
import re
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from conftest import ROOT

RAW = ROOT / "data" / "MNIST" / "raw"


@pytest.fixture(scope="module")
def images():
    """Return training and test images as rows of bytes, read without PyTorch."""
    return [
        np.frombuffer((RAW / name).read_bytes(), np.uint8, offset=16).reshape(-1, 784)
        for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
    ]


@pytest.fixture(scope="module")
def saved(chapter):
    """Return the checkpoint that the run left."""
    return torch.load(chapter.folder / "checkpoints" / "autoencoder.pt", weights_only=True)


def newest_run():
    """Return the folder that the last run wrote for TensorBoard."""
    folders = [path for path in (ROOT / "runs").iterdir() if path.is_dir()]
    return max(folders, key=lambda folder: folder.stat().st_mtime)


def layers(sizes):
    """Return linear layers of these sizes with ReLU between them."""
    parts = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def test_twenty_epochs_are_no_worse_than_the_yardstick(chapter):
    losses, val_losses = chapter.names["losses"], chapter.names["val_losses"]
    assert len(losses) == len(val_losses) == 20
    assert val_losses[-1] == pytest.approx(0.00961, abs=1e-5)  # the original's loop: 0.0136
    assert f"test MSE of {val_losses[-1]:.5f}" in chapter.output


def test_the_printed_loss_is_that_of_the_saved_network_on_the_real_test_set(saved, images):
    """The network is built here again, from the text, and the loss taken in NumPy."""
    encoder = layers([784, 128, 64, 32])
    decoder = layers([32, 64, 128, 784])
    for name, part in (("encoder.", encoder), ("decoder.", decoder)):
        entries = {k.removeprefix(name): v for k, v in saved["model"].items() if name in k}
        part.load_state_dict(entries)
    test = images[1] / 255
    with torch.no_grad():
        output = decoder(encoder(torch.tensor(test, dtype=torch.float32))).sigmoid().numpy()
    assert np.mean((output - test) ** 2) == pytest.approx(saved["val_losses"][-1], rel=1e-4)


def test_pca_s_yardstick_is_the_one_the_post_names(chapter):
    assert chapter.names["pca_mse"] == pytest.approx(0.01683, abs=5e-6)
    assert "PCA with 32 components: test MSE 0.01683\n" in chapter.output


def test_clipped_pca_is_the_stricter_yardstick_and_the_test_images_are_easier(chapter):
    assert chapter.names["clipped_mse"] == pytest.approx(0.01521, abs=5e-6)
    assert chapter.names["pca_errors"]["training"] == pytest.approx(0.01724, abs=5e-6)
    assert chapter.names["val_losses"][-1] < 2 / 3 * chapter.names["clipped_mse"]


def test_the_training_loss_is_measured_again_after_the_last_epoch(golden, saved):
    train_mse = golden.names["train_mse"]
    assert saved["val_losses"][-1] < train_mse < saved["losses"][-1]
    assert train_mse == pytest.approx(0.00968, abs=1e-5)
    assert 0 < golden.names["easier"] < golden.names["pca_easier"]


def test_adam_updates_in_one_pass(chapter):
    _, optimizer, *_ = chapter.names["set_up"](0, torch.rand(2, 784), torch.device("cpu"))
    assert optimizer.defaults["fused"]
    assert optimizer.param_groups[0]["lr"] == 3e-3


def test_the_drawn_network_has_its_vectors_and_layers(chapter):
    model = chapter.names["SequentialAutoencoder"]()
    source = chapter.names["network_graph"](model.encoder, model.decoder).source
    sizes = [int(n) for n in re.findall(r'^\t\d \[label="?(?:\w+\n)?(\d+)', source, re.MULTILINE)]
    assert sizes == [784, 128, 64, 32, 64, 128, 784]
    edges = re.findall(r'-> \d \[label="?(\w+(?:\n\w+)?)', source)
    assert [edge.split("\n") for edge in edges] == [
        *[["Linear", "ReLU"]] * 2,
        ["Linear"],
        *[["Linear", "ReLU"]] * 2,
        ["Linear", "Sigmoid"],
    ]


def test_kept_neighbours_is_the_share_of_the_ten_nearest(chapter):
    points = np.arange(40.0)[:, None] ** 2
    kept = chapter.names["kept_neighbours"]
    assert kept(points, points) == pytest.approx(1)
    others = np.random.default_rng(3).permutation(points)
    nearest = [
        [set(np.argsort(np.abs(p[:, 0] - q), kind="stable")[1:11]) for q in p[:, 0]]
        for p in (points, others)
    ]
    by_hand = np.mean([len(a & b) / 10 for a, b in zip(*nearest, strict=True)])
    assert kept(points, others) == pytest.approx(by_hand, abs=0.02)


def test_tsne_keeps_about_half_of_the_ten_nearest(golden):
    assert golden.names["kept"]["2 by t-SNE"] == pytest.approx(0.51, abs=0.006)
    assert "of the ten nearest 51% are still among the ten nearest" in golden.output


def test_the_pixels_know_the_digits_as_well_as_the_code(golden):
    agreement = golden.names["agreement"]
    assert abs(agreement["784 pixels"] - agreement["32 dimensions"]) < 0.01
    assert agreement["32 by PCA"] > agreement["32 dimensions"]


def test_both_versions_are_one_function_when_they_share_weights(chapter):
    assert chapter.names["after"] == 0
    assert chapter.names["before"] > 0.01
    version1, version2 = (copy.deepcopy(chapter.names[f"version{n}"]).cpu() for n in (1, 2))
    with torch.no_grad():
        for number, parameter in enumerate(version1.parameters()):
            parameter.copy_(torch.randn(parameter.shape) * (0.1 + 0.02 * number))
        for mine, its in zip(version2.parameters(), version1.parameters(), strict=True):
            mine.copy_(its)
        x = torch.rand(50, 784)
        assert torch.equal(version1(x), version2(x))
        assert version2.encoder(x).shape == (50, 32)
        assert version2.encoder(x).min() < 0  # no activation on the code


def test_the_output_lies_in_the_range_of_the_data(chapter):
    with torch.no_grad():
        for version in ("version1", "version2"):
            output = copy.deepcopy(chapter.names[version]).cpu()(torch.randn(50, 784) * 100)
            assert output.min() >= 0
            assert output.max() <= 1


def test_to_img_changes_the_shape_and_nothing_else(chapter):
    x = torch.linspace(-1, 2, 3 * 784).reshape(3, 784)
    picture = chapter.names["to_img"](x)
    assert picture.shape == (3, 1, 28, 28)
    assert torch.equal(picture.flatten(1), x)


def test_the_wrong_formula_shows_black_as_grey(chapter, images):
    test = images[1] / 255
    wrong = np.mean((0.5 * (test + 1) - test) ** 2)
    assert chapter.names["shown_mse"] == pytest.approx(wrong, rel=1e-4)
    assert "black is 0 and shown as 0.5" in chapter.output


def test_an_epoch_sees_every_row_once_in_an_order_of_its_own(chapter):
    rows = torch.arange(1000)
    order = torch.Generator().manual_seed(3)
    loader = chapter.names["WholeBatches"](rows, order)
    assert len(loader) == 4
    assert all(x is y for x, y in loader)
    first, second = ([x for x, _ in loader] for _ in range(2))
    assert [len(batch) for batch in first] == [256] * 3 + [232]
    assert [len(x) for x, _ in chapter.names["WholeBatches"](rows, size=500)] == [500, 500]
    first, second = torch.cat(first), torch.cat(second)
    assert torch.equal(first.sort().values, rows)
    assert torch.equal(second.sort().values, rows)
    assert not torch.equal(first, second)
    assert not torch.equal(first, rows)
    in_order = chapter.names["WholeBatches"](rows)
    assert torch.equal(torch.cat([x for x, _ in in_order]), rows)


def test_each_digit_stands_over_its_reconstruction(chapter):
    x = torch.arange(6.0).repeat_interleave(784).reshape(6, 784)
    grid = chapter.names["image_pairs"](x, x + 10, columns=3)
    middle = grid[0, 15::30, 15::30]  # 28 pixels and 2 of border
    assert middle.tolist() == [[0, 1, 2], [10, 11, 12], [3, 4, 5], [13, 14, 15]]


def test_the_optimizer_is_adam_at_three_thousandths(chapter, saved):
    optimizer = chapter.names["optimizer"]
    assert type(optimizer) is torch.optim.Adam
    (group,) = saved["optimizer"]["param_groups"]
    assert group["lr"] == 3e-3
    assert {state["step"].item() for state in saved["optimizer"]["state"].values()} == {20 * 235}


def test_the_checkpoint_is_whole_and_plain(chapter, saved):
    assert set(saved) == {"epoch", "model", "optimizer", "order", "losses", "val_losses"}
    assert saved["epoch"] == 20
    assert saved["losses"] == chapter.names["losses"]
    assert all(type(loss) is float for loss in saved["losses"] + saved["val_losses"])
    assert not list((chapter.folder / "checkpoints").glob(".*"))


def test_the_run_goes_on_from_its_checkpoint_bit_for_bit(chapter):
    names = chapter.names
    assert names["went_on"] == names["never_stopped"]
    assert names["gap"] == 0
    assert len(names["went_on"]) == 10
    assert names["forgot_order"] != names["never_stopped"]


def test_going_on_from_it_anew_gives_the_losses_that_the_run_had(golden, saved, images):
    """From the file alone: nothing that the run left in memory."""
    x_train = torch.from_numpy(images[0].copy()) / 255
    model, optimizer, loader, order = golden.names["set_up"](9, x_train, torch.device("cpu"))
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    order.set_state(saved["order"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the script did: the last bits hang on it
    try:
        losses = golden.names["next_steps"](model, optimizer, loader)
    finally:
        torch.set_num_threads(threads)
    assert losses == golden.names["never_stopped"]


def test_label_agreement_counts_nearest_neighbours(chapter):
    points = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]])
    labels = np.array([1, 1, 2, 3, 4, 4])
    assert chapter.names["label_agreement"](points, labels) == pytest.approx(4 / 6)


def test_the_picture_keeps_the_neighbours_that_a_projection_loses(chapter):
    agreement = chapter.names["agreement"]
    assert chapter.names["embedding"].shape == (2_000, 2)
    assert agreement["32 dimensions"] > 0.9
    assert agreement["2 by t-SNE"] > 0.9
    assert agreement["2 by PCA"] < 0.6


def test_each_colour_is_its_digit_s(chapter):
    """Ten groups of points with the sizes that the labels have, in the order of the digits."""
    counts = np.bincount(chapter.names["some_labels"], minlength=10)
    drawn = [len(group.get_offsets()) for group in chapter.names["axes"].collections]
    assert drawn == counts.tolist()


def test_tensorboard_can_read_the_run(chapter, saved):
    run = newest_run()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run), size_guidance={"histograms": 0, "images": 0}).Reload()
    by_tag = {tag: [e.value for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert set(by_tag) == {"loss/training", "loss/test", "learning rate"}
    np.testing.assert_allclose(by_tag["loss/training"], saved["losses"], rtol=1e-6)
    np.testing.assert_allclose(by_tag["loss/test"], saved["val_losses"], rtol=1e-6)
    np.testing.assert_allclose(by_tag["learning rate"], [3e-3] * 20, rtol=1e-6)
    assert [e.step for e in events.Images("digits and reconstructions")] == [5, 10, 15, 20]
    assert set(events.Tags()["histograms"]) == set(saved["model"])
    assert [e.step for e in events.Histograms("encoder.0.weight")] == [5, 10, 15, 20]


def test_the_profile_is_in_a_file_and_its_counts_are_the_text_s(golden):
    run = newest_run()
    assert "Self CPU" in (run / "profile.txt").read_text()
    calls = golden.names["calls"]
    assert (calls["aten::addmm"], calls["aten::mm"], calls["aten::index"]) == (60, 110, 10)
    assert re.search(r"^aten::addmm +60 calls$", golden.output, re.MULTILINE)


def test_the_times_are_in_a_file_and_not_in_the_log(chapter):
    times = chapter.names["times"]
    assert len(times) >= 10
    text = (newest_run() / "times.txt").read_text()
    assert text == "".join(f"{taken * 1000:8.1f} ms: {what}\n" for what, taken in times.items())
    assert " ms" not in chapter.output


def test_the_textbook_s_road_gives_the_same_batches(chapter, images):
    """Against the bytes themselves, in the order that the chapter's own loader has."""
    from torchvision.datasets import MNIST  # whose import takes two seconds

    dataset = chapter.names["OneByOne"](MNIST(ROOT / "data", train=False))
    loader = chapter.names["textbook_loader"](dataset, 7, workers=0)
    assert isinstance(loader, DataLoader)
    order = torch.Generator().manual_seed(7)
    whole = torch.from_numpy(images[1].copy()) / 255
    ours = chapter.names["WholeBatches"](whole, order)
    assert len(loader) == len(ours) == 40
    for (x, y), (mine, _) in islice(zip(loader, ours, strict=True), 3):
        assert torch.equal(x, mine)
        assert torch.equal(y, mine)


def test_both_roads_give_the_same_losses(golden):
    first, *others = golden.names["first_losses"].values()
    assert len(first) == 10
    assert others
    assert all(found == first for found in others)


def test_fused_adam_changes_the_calls_and_not_the_result(golden):
    assert golden.names["updates"] == {"plain": 120, "fused": 10}
    ends = golden.names["ends"]
    assert (ends["plain"] - ends["fused"]).abs().max() < 1e-4
    assert ends["fused"].abs().max() > 0.05


def test_larger_batches_learn_less_from_the_same_images(golden):
    worth = golden.names["worth"]
    assert worth[64, 3e-3] < worth[128, 3e-3] < worth[256, 3e-3] < worth[512, 3e-3]
    assert worth[256, 3e-3] < worth[256, 1e-3]


def test_the_bare_products_are_those_of_a_training_step(chapter):
    """Counted by hand: forward, for each weight, and for each input but the image."""
    sizes = [784, 128, 64, 32, 64, 128, 784]
    each = [a * b for a, b in pairwise(sizes)]
    assert chapter.names["counted"] == [3 * sum(each) - each[0]] * 2


def test_an_epoch_that_asks_for_no_loss_is_the_same_epoch(chapter):
    names, x, epochs = chapter.names, torch.rand(600, 784), {}
    for way in ("with", "without"):
        model, optimizer, batches, _ = names["set_up"](1, x, torch.device("cpu"))
        if way == "with":
            step = names["make_train_step"](model, nn.MSELoss(), optimizer)
            loss = names["train_epoch"](step, batches, torch.device("cpu"))
        else:
            loss = names["epoch_without_waiting"](model, nn.MSELoss(), optimizer, batches)
        epochs[way] = loss, nn.utils.parameters_to_vector(model.parameters())
    assert epochs["with"][0] == pytest.approx(epochs["without"][0], rel=1e-5)
    assert torch.equal(epochs["with"][1], epochs["without"][1])


def test_the_curves_are_drawn_on_a_logarithmic_and_a_linear_scale(chapter):
    figure = chapter.names["plot_train_val"]([0.3, 0.2], [0.25, 0.1], 0.15)
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]
    for axes in figure.axes:
        training, test, yardstick = (list(line.get_ydata()) for line in axes.lines)
        assert (training, test, yardstick) == ([0.3, 0.2], [0.25, 0.1], [0.15, 0.15])
        assert list(axes.lines[0].get_xdata()) == [1, 2]


def test_epochs_are_read_from_the_environment(chapter, monkeypatch):
    for text, expected in (("3", 3), ("007", 7), ("", 20)):
        monkeypatch.setenv("EPOCHS", text)
        assert chapter.names["pick_epochs"](20) == expected
    monkeypatch.delenv("EPOCHS")
    assert chapter.names["pick_epochs"](20) == 20


@pytest.mark.parametrize("text", ["0", "abc", "1.5", "-3"])
def test_a_wrong_number_of_epochs_is_one_line_and_status_2(chapter, monkeypatch, capsys, text):
    monkeypatch.setenv("EPOCHS", text)
    with pytest.raises(SystemExit, match="2"):
        chapter.names["pick_epochs"](20)
    assert capsys.readouterr() == ("", f"EPOCHS={text}: not a positive whole number\n")
