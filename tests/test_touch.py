"""Figures to touch: what the chapters keep for them, and how they come into a page.

What they do there is in tests/long/test_touch_browser.py.
"""

import contextlib
import functools
import json
import re

import numpy as np
import pytest
import torch

from conftest import ROOT, TANGLED, chapter_of
from literate.safe import elements
from literate.touch import KINDS, data_of, data_script, touched, unpacked
from posts import chapter, page, png, refusal, woven

FIGURE = (
    "#+caption: A figure.\n#+attr_html: :data-touch {}\n#+attr_html: :alt All black\n"
    "[[file:a.png]]\n\n"
)
SMALL = {"x": [0, 1, 2.5], "y": [1, 3, 6], "start": [0, 0], "orders": [[2, 0, 1]]}


def keep(folder, name, content):
    """Write what a chapter would have kept."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / f"{name}.json").write_text(content)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a picture, and data for the descent."""
    (tmp_path / "a.png").write_bytes(png())
    keep(tmp_path, "descent", json.dumps(SMALL))
    return tmp_path


@functools.cache
def kept(name):
    """Return what the run of a chapter kept."""
    return json.loads((ROOT / "checkpoints" / f"{name}.json").read_text(encoding="utf-8"))


def halves(text):
    """Return the 16-bit floats that were packed: first all lower bytes, then all upper ones."""
    planes = np.frombuffer(unpacked(text), np.uint8).reshape(2, -1)
    return np.ascontiguousarray(planes.T).view("<f2").ravel()


# --- in a page


def test_the_box_stands_below_its_picture_and_the_data_outside_of_the_text(folder):
    html = page(folder, chapter("One", "a", FIGURE.format("descent") + "Words."))
    text, rest = html.split("</main>")
    picture, box, words = (
        text.index(part) for part in ('<img src="data:', 'id="touch-descent"', "<p>Words.</p>")
    )
    assert picture < text.index("</figure>") < box < words
    data = re.search(r'<script type="application/json" id="data-descent">(.*?)</script>', rest)
    assert json.loads(data[1]) == SMALL
    assert rest.index("function touchable(") < rest.index('touchable("descent"')
    assert "@media screen and (scripting: enabled)" in html
    assert "touch-decoder" not in html


def test_a_page_without_such_a_figure_has_nothing_of_it(folder):
    html = page(folder, chapter("One", "a", FIGURE.format("x").replace(":data-touch x", ":alt y")))
    assert "<img" in html
    assert "touch" not in html


def test_the_document_names_the_figure_and_holds_no_html_of_it(folder):
    post = woven(folder, chapter("One", "a", FIGURE.format("descent")))
    (figure,) = (node for node in elements(post.document["blocks"]) if node["t"] == "Figure")
    assert figure["c"][0] == ["figure-a", [], [["touch", "descent"]]]
    assert touched(post.document["blocks"]) == ["descent"]
    assert not [node for node in elements(post.document["blocks"]) if node["t"] == "RawBlock"]


def test_data_hold_nothing_that_ends_a_script(folder):
    keep(folder, "descent", json.dumps(SMALL | {"more": "</script><!--"}))
    text = data_of("descent", folder)
    assert "<" not in text
    assert json.loads(text)["more"] == "</script><!--"
    assert data_script("descent", folder) == f"touchData.descent = {text};\n"


# --- what is refused


def test_a_figure_that_nobody_knows(folder):
    line = refusal(folder, chapter("One", "a", FIGURE.format("descend")))
    assert (
        line == "post.org:11: there is no figure to touch called 'descend', only descent, decoder"
    )


def test_missing_data(folder):
    (folder / "checkpoints" / "descent.json").unlink()
    line = refusal(folder, chapter("One", "a", FIGURE.format("descent")))
    assert line == "checkpoints/descent.json: No such file or directory"


WRONG = {
    "no JSON": "{",
    "no object": "[1]",
    "nothing": "{}",
    "a missing start": json.dumps({name: SMALL[name] for name in ("x", "y", "orders")}),
    "an y too few": json.dumps(SMALL | {"y": [1, 2]}),
    "a row twice": json.dumps(SMALL | {"orders": [[0, 1, 1]]}),
    "no order": json.dumps(SMALL | {"orders": []}),
    "a word": json.dumps(SMALL | {"x": [0, 1, "2"]}),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_malformed_data(folder, content):
    keep(folder, "descent", content)
    with (
        contextlib.chdir(folder),
        pytest.raises(ValueError, match=r"^checkpoints/descent\.json is"),
    ):
        data_of("descent", folder)


def test_malformed_data_are_one_line(folder):
    keep(folder, "descent", "{}")
    line = refusal(folder, chapter("One", "a", FIGURE.format("descent")))
    problem = "is not what 'descent' needs; remove it, and 'make' writes it again"
    assert line == f"checkpoints/descent.json {problem}"


@pytest.mark.parametrize(
    "change",
    [
        {"labels": "7" * 999},
        {"step": [0.1] * 31},
        {"lowest": ["x"] * 32},
        {"codes": "AAAA"},
        {"points": "?"},
        {"layers": []},
        {"layers": "last two"},
        {"layers": "without a bias"},
    ],
    ids=lambda change: " ".join(f"{key} {str(value)[:16]}" for key, value in change.items()),
)
def test_a_malformed_decoder(tmp_path, change):
    layers = kept("decoder")["layers"]
    if change == {"layers": "last two"}:
        change = {"layers": layers[1:]}
    if change == {"layers": "without a bias"}:
        change = {"layers": [layers[0][:1], *layers[1:]]}
    assert KINDS["decoder"](kept("decoder"))
    keep(tmp_path, "decoder", json.dumps(kept("decoder") | change))
    with pytest.raises(ValueError, match="is not what 'decoder' needs"):
        data_of("decoder", tmp_path)


# --- what the chapters kept


def test_the_descent_has_the_points_the_start_and_the_orders_of_chapter_3():
    names, data = chapter_of(TANGLED / "03_gradient_descent.py").names, kept("descent")
    assert data["x"] == names["x_train"].ravel().tolist()
    assert data["y"] == names["y_train"].ravel().tolist()
    draws = np.random.RandomState(42)
    assert data["start"] == draws.randn(2).tolist() == np.ravel(names["start"]).tolist()
    assert data["orders"] == [draws.permutation(80).tolist() for _ in range(20)]


def test_the_decoder_has_the_weights_of_the_checkpoint_in_16_bits():
    saved = torch.load(ROOT / "checkpoints" / "autoencoder.pt", weights_only=True)["model"]
    for number, layer in zip((0, 2, 4), kept("decoder")["layers"], strict=True):
        for kind, text in zip(("weight", "bias"), layer, strict=True):
            weights = saved[f"decoder.{number}.{kind}"].cpu().numpy()
            assert (halves(text) == weights.astype(np.float16).ravel()).all()


def test_the_decoder_has_every_second_image_with_point_code_and_label():
    names, data = chapter_of(TANGLED / "14_autoencoder.py").names, kept("decoder")
    points = halves(data["points"]).reshape(-1, 2).astype(float)
    np.testing.assert_allclose(points, names["embedding"][::2], atol=1 / 64)
    assert data["labels"] == "".join(map(str, names["some_labels"][::2]))
    steps = np.frombuffer(unpacked(data["codes"]), np.uint8).reshape(-1, 32)
    codes = data["lowest"] + np.array(data["step"]) * steps
    off = np.abs(codes - names["code"][::2]) / data["step"]
    assert 0.45 < off.max() <= 0.5 + 1e-9


def test_the_rounding_changes_what_the_chapter_says(golden_14):
    by_weights, by_both = golden_14.names["by_weights"], golden_14.names["by_both"]
    assert 0.0005 < by_weights < 0.005
    assert 0.0002 < by_both < 0.001


@pytest.fixture
def golden_14():
    """Return the run of chapter 14, if it was on a CPU."""
    run = chapter_of(TANGLED / "14_autoencoder.py")
    if run.device != "cpu":
        pytest.skip("these numbers are the CPU's")
    return run


# --- what the post asks for, and what a page gets


def test_the_post_has_two_and_their_files_ask_nothing_of_a_network():
    post = (ROOT / "pytorch-first-principles.org").read_text(encoding="utf-8")
    assert re.findall(r"^#\+attr_html: :data-touch (\w+)$", post, re.M) == ["descent", "decoder"]
    for name in ("touch", *KINDS):
        script = (ROOT / "literate" / "page" / f"{name}.js").read_text(encoding="utf-8")
        assert script.startswith('"use strict";\n')
        assert len(script.splitlines()) < 200
        assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|eval\(", script)
        assert set(re.findall(r"https?://\S+?(?=\")", script)) <= {"http://www.w3.org/2000/svg"}


def test_every_part_that_a_script_looks_for_is_in_its_box():
    for name in KINDS:
        frame = ROOT / "literate" / "page"
        box, script = ((frame / f"{name}.{kind}").read_text() for kind in ("html", "js"))
        for kind, key in re.findall(r'part\("([.#])([\w-]+)"\)', script):
            assert re.search(rf'{"class" if kind == "." else "id"}="([\w-]+ )*{key}\b', box), key
        assert 'class="said"' in box
        assert '<p role="status" class="heard"></p>' in box


def test_the_builder_weaves_it_without_torch_and_numpy():
    text = (ROOT / "literate" / "touch.py").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(?:import|from) (?:torch|numpy)", text, re.M)
