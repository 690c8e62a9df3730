"""Appendix: each variant of the autoencoder does what it says, and the table is the run's."""

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from conftest import POST, ROOT, TANGLED, chapter_of

RAW = ROOT / "data" / "MNIST" / "raw"


@pytest.fixture(scope="module")
def test_images():
    """Return the test images, as bytes, and their digits, read without PyTorch."""
    images = np.frombuffer((RAW / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    digits = np.frombuffer((RAW / "t10k-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    return images.reshape(-1, 784), digits


@pytest.fixture(scope="module")
def x_test(test_images):
    """Return the test images as the script has them."""
    return torch.from_numpy(test_images[0].copy()) / 255


def on_cpu(chapter, name):
    """Return a copy of a model that the run left."""
    return copy.deepcopy(chapter.names[name]).cpu()


def weights_of(model):
    """Return how many multiplications the linear layers of a model make for one image."""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    return sum(layer.weight.numel() for layer in layers)


def test_dense_is_the_network_of_chapter_14(chapter):
    torch.manual_seed(3)
    mine = chapter.names["dense"]()
    torch.manual_seed(3)
    theirs = chapter_of(TANGLED / "14_autoencoder.py").names["SequentialAutoencoder"]()
    assert list(mine.state_dict()) == list(theirs.state_dict())
    x = torch.rand(5, 784)
    assert torch.equal(mine(x), theirs(x))


@pytest.mark.parametrize("width", [2, 32])
def test_the_code_is_as_wide_as_asked(chapter, width):
    assert chapter.names["dense"](width).encoder(torch.rand(3, 784)).shape == (3, width)


def test_fit_is_adam_in_shuffled_batches_that_see_every_row_once_an_epoch(chapter):
    """Against the plain optimizer, fed with the batches that the loss function was given."""
    torch.manual_seed(1)
    model = torch.nn.Linear(3, 3)
    twin = copy.deepcopy(model)
    x, labels = torch.rand(300, 3), torch.arange(300)
    batches = []

    def loss_of(model, x, labels):
        batches.append((x, labels))
        return F.mse_loss(model(x), x)

    seconds = chapter.names["fit"](model, x, labels, 2, loss_of)
    assert seconds > 0
    assert [len(batch) for batch, _ in batches] == [64, 64, 64, 64, 44] * 2
    seen = torch.cat([numbers for _, numbers in batches])
    for epoch in (seen[:300], seen[300:]):
        assert torch.equal(epoch.sort().values, labels)
        assert not torch.equal(epoch, labels)
    assert not torch.equal(seen[:300], seen[300:])
    optimizer = torch.optim.Adam(twin.parameters(), lr=3e-3)
    for batch, numbers in batches:
        assert torch.equal(batch, x[numbers])
        optimizer.zero_grad()
        F.mse_loss(twin(batch), batch).backward()
        optimizer.step()
    for mine, its in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-7)


def test_schedulers_are_stepped_after_each_batch(chapter):
    """Ten batches in two epochs: the cosine is at zero, the one cycle past its peak and down."""
    for name, end in (("cosine", 0), ("one_cycle", 4e-8)):
        optimizers, rates = [], []

        def make_and_keep(optimizer, name=name, optimizers=optimizers):
            optimizers.append(optimizer)
            return chapter.names[name](10 if name == "cosine" else 11)(optimizer)

        def loss_of(model, x, labels, optimizers=optimizers, rates=rates):
            rates.append(optimizers[0].param_groups[0]["lr"])
            return F.mse_loss(model(x), x)

        model, x = torch.nn.Linear(3, 3), torch.rand(300, 3)
        chapter.names["fit"](model, x, torch.arange(300), 2, loss_of, make_and_keep)
        signs = np.sign(np.diff(rates)).tolist()
        rising = signs.index(-1)
        assert signs == [1] * rising + [-1] * (9 - rising)
        assert (rising > 0) == (name == "one_cycle")
        assert max(rates) == pytest.approx(3e-3 if name == "cosine" else 0.01, rel=0.1)
        assert optimizers[0].param_groups[0]["lr"] == pytest.approx(end, abs=1e-9)


def test_measure_counts_multiplications_and_parameters(chapter):
    model = chapter.names["dense"]()
    row = chapter.names["measure"](model, torch.rand(4, 784), 7, 1.5)
    assert row["multiplications"] == weights_of(model) == 221184
    assert row["parameters"] == 222384
    assert (row["epochs"], row["seconds"]) == (7, 1.5)
    conv = chapter.names["measure"](chapter.names["convolutional"](), torch.rand(4, 784), 1, 1.0)
    # A convolution multiplies once per filter weight and place; a transposed one per input place
    by_hand = 196 * 8 * 9 + 49 * 16 * 8 * 9 + 784 * 32 * 2 + 49 * 16 * 8 * 16 + 196 * 8 * 16
    assert conv["multiplications"] == by_hand


def test_the_rows_are_those_of_the_models_that_the_run_left(chapter, x_test):
    models = {
        "as in chapter 14": "plain",
        "linear": "linear",
        "denoising": "denoising",
        "tied weights": "tied",
        "convolutional": "by_filters",
        "one cycle": "scheduled",
        "names the digit": "naming",
        "a code of 2": "flat",
    }
    for row, name in models.items():
        model = on_cpu(chapter, name)
        with torch.no_grad():
            parts = [model.decoder(model.encoder(part)) for part in x_test.split(500)]
        error = ((torch.cat(parts) - x_test).double() ** 2).mean().item()
        assert chapter.names["results"][row]["test MSE"] == pytest.approx(error, rel=1e-4), row
        parameters = sum(p.numel() for p in model.parameters())
        assert chapter.names["results"][row]["parameters"] == parameters


def test_the_linear_one_meets_pca_from_above(golden, x_test):
    assert 0 < golden.names["above"][1] < 0.001 < 0.1 < golden.names["above"][0]
    images = np.frombuffer((RAW / "train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    half = images.reshape(-1, 784)[:30_000] / np.float32(255)
    half -= half.mean(axis=0, dtype=float)
    left_out = np.linalg.eigvalsh((half.T @ half / 30_000).astype(float))[:-32].sum() / 784
    assert golden.names["pca_error"]["training"] == pytest.approx(left_out, abs=5e-6)
    assert golden.names["pca_error"]["test"] == pytest.approx(0.0168, abs=5e-5)


def test_the_penalty_is_the_mean_of_the_code_times_its_weight(chapter):
    model, x = chapter.names["dense"](), torch.rand(6, 784)
    losses = [chapter.names["sparse_loss"](weight)(model, x, None).item() for weight in (0, 2)]
    mean = model.encoder(x).abs().mean().item()
    assert losses[1] - losses[0] == pytest.approx(2 * mean, rel=1e-4)
    assert losses[0] == pytest.approx(F.mse_loss(model(x), x).item())


def test_the_penalty_makes_zeros_in_the_numbers_that_are_in_use(golden, x_test):
    zeros, unused = golden.names["zeros"], golden.names["unused"]
    assert golden.names["in_use"][0.001] > golden.names["in_use"][0.0] + 0.05
    with torch.no_grad():
        code = on_cpu(golden, "sparse").encoder(x_test)
    assert (code == 0).double().mean().item() == pytest.approx(zeros[0.001], abs=1e-4)
    assert code.min() == 0
    assert sum(not row.any() for row in code.T.numpy()) == unused[0.001]
    assert zeros[0.001] / 2 < unused[0.001] / 32 <= zeros[0.001]  # most zeros are dead numbers
    used = code[:, code.any(dim=0)]
    share = (used == 0).double().mean().item()
    assert golden.names["in_use"][0.001] == pytest.approx(share, abs=1e-4)


def test_noise_is_clipped_and_the_target_is_clean(chapter):
    x = torch.full((50, 784), 0.5)
    noisy = chapter.names["spoil"](x)
    assert noisy.min() == 0
    assert noisy.max() == 1
    inside = noisy[(noisy > 0) & (noisy < 1)]
    assert len(inside) / noisy.numel() == pytest.approx(0.6827, abs=0.02)  # one deviation
    seen = []

    def model(x):
        seen.append(x)
        return x

    loss = chapter.names["denoising_loss"](model, x, None)
    assert loss.item() == pytest.approx(F.mse_loss(seen[0], x).item())
    assert loss > 0.05


def test_the_denoising_one_is_best_on_noisy_images_only(golden):
    errors, results = golden.names["noise_errors"], golden.names["results"]
    assert 2 * errors["denoising"] < errors["plain"] < errors["noisy"]
    assert results["denoising"]["test MSE"] > results["as in chapter 14"]["test MSE"]


def test_tied_weights_are_used_twice(chapter):
    model = chapter.names["Tied"]()
    dense = chapter.names["dense"]()
    dense.encoder.load_state_dict(model.encoder.state_dict())
    with torch.no_grad():
        for place, back, bias in zip((4, 2, 0), (0, 2, 4), model.biases, strict=True):
            bias.uniform_(-1, 1)
            dense.decoder[back].weight.copy_(model.encoder[place].weight.T)
            dense.decoder[back].bias.copy_(bias)
    x = torch.rand(20, 784)
    torch.testing.assert_close(model(x), dense(x))
    for net in (model, dense):
        F.mse_loss(net(x), x).backward()
    both = dense.encoder[0].weight.grad + dense.decoder[4].weight.grad.T
    torch.testing.assert_close(model.encoder[0].weight.grad, both, rtol=1e-4, atol=1e-7)


def test_the_convolutional_one_has_a_code_of_32(chapter):
    model = chapter.names["convolutional"]()
    x = torch.rand(3, 784)
    assert model.encoder(x).shape == (3, 32)
    assert model(x).shape == (3, 784)
    assert model(x).min() >= 0


def test_the_search_found_what_its_trials_say(chapter):
    prices, widths = chapter.names["prices"], chapter.names["widths"]
    assert set(prices) <= set(widths)
    assert prices[chapter.names["best_width"]] == min(prices.values())
    assert chapter.output.count("trial ") == 6


def test_the_price_is_of_images_that_the_training_never_saw(chapter, monkeypatch):
    price, seen = chapter.names["priced_error"], {}

    def fit(model, x, labels, epochs):
        seen.update(trained=x, labels=labels, epochs=epochs)

    def error(model, x):
        seen.update(held_out=x)
        return 0.04

    for function in (fit, error):
        monkeypatch.setitem(price.__globals__, function.__name__, function)
    numbers = torch.arange(30_000)
    assert price(numbers[:, None], numbers, 8) == pytest.approx(0.04 + 8 * 0.0002)
    assert seen["epochs"] == 1
    assert seen["trained"].flatten().tolist() == seen["labels"].tolist() == list(range(15_000))
    assert seen["held_out"].flatten().tolist() == list(range(20_000, 30_000))


def test_the_confusion_matrix_counts_what_the_network_says(golden, x_test, test_images):
    model, digits = on_cpu(golden, "naming"), test_images[1]
    with torch.no_grad():
        named = model.scores(x_test).argmax(1).numpy()
    confusion = golden.names["confusion"].numpy()
    by_hand = np.zeros((10, 10), int)
    np.add.at(by_hand, (digits, named), 1)
    assert np.abs(confusion - by_hand).sum() <= 4  # two images at the edge, at most
    assert golden.names["accuracy"] == pytest.approx(np.mean(named == digits), abs=3e-4)
    assert golden.names["accuracy"] > 0.93


def test_naming_learns_from_both_losses(chapter):
    model = chapter.names["Naming"]()
    x, labels = torch.rand(8, 784), torch.arange(8)
    expected = F.mse_loss(model(x), x)
    expected = expected + 0.01 * F.cross_entropy(model.scores(x), labels)
    assert chapter.names["naming_loss"](model, x, labels).item() == pytest.approx(expected.item())


def test_a_walk_begins_and_ends_at_the_reconstructions(chapter, x_test):
    model = on_cpu(chapter, "scheduled")
    steps = chapter.names["walk"](model, x_test[0], x_test[1], 5)
    with torch.no_grad():
        ends = model(x_test[:2])
        middle = model.decoder(model.encoder(x_test[:2]).mean(0))
    assert steps.shape == (5, 784)
    for step, expected in ((0, ends[0]), (4, ends[1]), (2, middle)):
        torch.testing.assert_close(steps[step], expected, rtol=1e-4, atol=1e-5)


def test_pixels_that_are_never_lit_keep_their_first_weights(golden):
    images = np.frombuffer((RAW / "train-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    dark = ~images.reshape(-1, 784)[:30_000].any(axis=0)
    assert f"{dark.sum()} pixels are black in every training image" in golden.output
    torch.manual_seed(42)
    start = golden.names["dense"]().encoder[0].weight[:, dark]
    assert torch.equal(on_cpu(golden, "plain").encoder[0].weight[:, dark], start)
    assert golden.names["moved"]["denoising"] > 0.98


def test_the_table_in_the_text_is_the_one_that_was_printed(golden):
    rows = [line for line in golden.output.splitlines() if line.startswith("|")]
    assert len(rows) == 12
    assert "\n".join(rows) + "\n" in POST


def test_the_seconds_are_in_a_file(chapter):
    text = (ROOT / "runs" / "autoencoder_variants.txt").read_text()
    for name, row in chapter.names["results"].items():
        assert f"{row['seconds']:7.2f} s an epoch: {name}\n" in text


def test_every_other_row_differs_from_the_first(golden):
    errors = [row["test MSE"] for row in golden.names["results"].values()]
    assert all(a != b for a, b in itertools.combinations(errors, 2))
