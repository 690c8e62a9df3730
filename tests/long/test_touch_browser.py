"""The figures to touch in a real browser: what they compute, and that anybody can move them.

They are looked at in the page that 'make' left, or on their chapter's page of the site, which is
opened in a tenth of the time. As in test_browser.py, a tool that is missing skips its tests.
"""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect
from test_browser import browser as browser  # the fixture
from test_browser import open_page
from test_site_browser import SITE
from test_site_browser import open_page as open_site_page
from torch import nn

from browsing import AXE, LOOK_NAMES, LOOKS, drawn, need
from conftest import ROOT, TANGLED, chapter_of
from literate.touch import KINDS, box, data_script, script_of, style_of, unpacked

DESCENT = json.loads((ROOT / "checkpoints" / "descent.json").read_text(encoding="utf-8"))
DECODER = json.loads((ROOT / "checkpoints" / "decoder.json").read_text(encoding="utf-8"))
WAYS = ("mouse", "finger", "keys")
CHAPTERS = {"descent": "03_gradient_descent", "decoder": "14_autoencoder"}


def open_chapter(browser: Browser, name: str, *look, **options) -> Page:
    """Open the page of the site that has a figure to touch."""
    need((SITE / f"{CHAPTERS[name]}.html").exists(), "no site here: make site")
    return open_site_page(browser, f"{CHAPTERS[name]}.html", *look, **options)


def alive(page: Page, name: str) -> Locator:
    """Scroll to a figure; return its box when it lives and is drawn."""
    figure = page.locator(f"#touch-{name}")
    figure.scroll_into_view_if_needed()
    expect(figure).to_have_class("touch alive")
    figure.locator(".plane").evaluate("plane => plane.scrollIntoView({ block: 'center' })")
    drawn(page)  # it is told its size, and only then it draws, between two frames
    return figure


@pytest.fixture(scope="module")
def desktop(browser):
    """Yield the page as a desktop shows it."""
    page = open_page(browser)
    yield page
    assert page.complaints == []
    page.context.close()


# --- what they compute


def decoder_of(weights: list[np.ndarray]) -> nn.Sequential:
    """Return PyTorch's decoder with these weights and biases, layer by layer."""
    sizes = [32, 64, 128, 784]
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    decoder = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2], nn.Sigmoid())
    with torch.no_grad():
        for parameter, part in zip(decoder.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(part.reshape(parameter.shape)))
    return decoder


def test_the_decoder_makes_what_pytorch_makes_of_100_codes(desktop):
    """Within 0.005 of the trained float32 decoder, and within 1e-5 of it with rounded weights."""
    codes = chapter_of(TANGLED / "14_autoencoder.py").names["code"][:100]
    pixels = desktop.evaluate(
        """async (codes) => {
            const { layers } = await readDecoder(await dataOf("decoder"));
            return codes.map((code) => [...decode(layers, code)]);
        }""",
        codes.tolist(),
    )
    saved = torch.load(ROOT / "checkpoints" / "autoencoder.pt", weights_only=True)["model"]
    weights = [part.cpu().numpy() for key, part in saved.items() if key.startswith("decoder.")]
    rounded = [part.astype(np.float16).astype(np.float32) for part in weights]
    differences = []
    for one in (weights, rounded):
        with torch.no_grad():
            made = decoder_of(one)(torch.from_numpy(codes).float()).numpy()
        differences.append(np.abs(np.array(pixels) - made).max())
    print(
        f"largest difference: {differences[0]:.6f}, and {differences[1]:.2e} from rounded weights"
    )
    assert np.array(pixels).shape == (100, 784)
    assert 1e-4 < differences[0] < 0.005
    assert differences[1] < 1e-5


def test_halves_are_read_as_numpy_reads_them(desktop):
    read = desktop.evaluate("async (text) => [...await halves(text)]", DECODER["layers"][0][0])
    planes = np.frombuffer(unpacked(DECODER["layers"][0][0]), np.uint8).reshape(2, -1)
    assert read == np.ascontiguousarray(planes.T).view("<f2").ravel().tolist()
    odd = np.array([0, -0.0, 2**-24, -(2**-14), 1, -1.5, 65504, 0.1], "<f2")
    text = chapter_of(TANGLED / "14_autoencoder.py").names["pack"](odd)
    assert desktop.evaluate("async (text) => [...await halves(text)]", text) == odd.tolist()


@pytest.mark.parametrize("point", [(3.0, 4.0), (-12.5, 18.0), (100.0, 0.0), "an image"])
def test_a_code_is_the_weighted_mean_of_the_five_nearest(desktop, point):
    planes = np.frombuffer(unpacked(DECODER["points"]), np.uint8).reshape(2, -1)
    points = np.ascontiguousarray(planes.T).view("<f2").reshape(-1, 2).astype(float)
    steps = np.frombuffer(unpacked(DECODER["codes"]), np.uint8).reshape(-1, 32)
    codes = DECODER["lowest"] + np.array(DECODER["step"]) * steps
    x, y = points[7] if point == "an image" else point
    away = np.hypot(*(points - (x, y)).T)
    order = np.argsort(away)[:6]
    weights = (1 / np.maximum(away[order[:5]], 1e-9) - 1 / away[order[5]]) ** 2
    expected = weights / weights.sum() @ codes[order[:5]]
    code = desktop.evaluate(
        """async (point) => {
            const { images } = await readDecoder(await dataOf("decoder"));
            return codeOfShares(sharesAt(images, point));
        }""",
        [x, y],
    )
    np.testing.assert_allclose(code, expected, atol=1e-6)
    if point == "an image":
        np.testing.assert_allclose(code, codes[7], atol=1e-6)


def test_who_leaves_the_five_nearest_or_joins_them_has_no_share_by_then(desktop):
    changes = desktop.evaluate(
        """async () => {
            const { images } = await readDecoder(await dataOf("decoder"));
            const found = [];
            let before = sharesAt(images, [-5, 15]);
            for (let x = -5; x < 5; x += 0.005) {
                const now = sharesAt(images, [x, 10 - x]);
                const missing = (some, others) =>
                    some.filter(({ image }) => !others.some((other) => other.image === image));
                found.push(...missing(before, now), ...missing(now, before));
                before = now;
            }
            return found.map(({ share }) => share);
        }"""
    )
    assert len(changes) > 50
    assert max(changes) < 0.001


@pytest.mark.parametrize(
    ("rate", "size", "epochs"),
    [(0.1, 80, 300), (0.1, 16, 20), (0.1, 1, 4), (0.3, 7, 20), (0.05, 79, 20), (0.82, 80, 300)],
)
def test_the_path_is_the_one_of_the_chapter_s_own_loop(desktop, rate, size, epochs):
    names = chapter_of(TANGLED / "03_gradient_descent.py").names
    path = names["descend"](names["x_train"], names["y_train"], size, rate, epochs)
    ours = desktop.evaluate(
        "([data, rate, size, steps]) => descend(data, data.start, rate, size, steps)",
        [DESCENT, rate, size, len(path) - 1],
    )
    assert len(ours) == len(path)
    np.testing.assert_allclose(ours, path, rtol=1e-9, atol=1e-9)


def test_1000_epochs_end_where_the_chapter_says(desktop):
    names = chapter_of(TANGLED / "03_gradient_descent.py").names
    path = desktop.evaluate("(data) => descend(data, data.start, 0.1, 80, 1000)", DESCENT)
    np.testing.assert_allclose(path[-1], [names["a"][0], names["b"][0]], atol=1e-9)


def test_the_bowl_has_the_chapter_s_eigenvalues_minimum_and_limit(desktop):
    names = chapter_of(TANGLED / "03_gradient_descent.py").names
    bowl = desktop.evaluate("bowlOf", DESCENT)
    np.testing.assert_allclose([bowl["flat"], bowl["steep"]], names["eigenvalues"], rtol=1e-12)
    np.testing.assert_allclose(bowl["minimum"], names["minimum"], rtol=1e-12)
    valley = np.array(bowl["valley"]) / np.hypot(*bowl["valley"])
    assert abs(valley @ names["directions"][:, 0]) == pytest.approx(1, abs=1e-12)
    assert names["limit"] == pytest.approx(2 / bowl["steep"], abs=1e-12)
    mark = alive(desktop, "descent").locator(".mark")
    assert mark.text_content() == f"2/λ = {names['limit']:.4f}"


def test_each_contour_line_lies_at_one_height(desktop):
    alive(desktop, "descent")
    heights = desktop.evaluate(
        """(data) => [...document.querySelectorAll("#touch-descent ellipse")].map((line) => {
            const losses = [];
            for (let part = 0; part < 1; part += 0.05) {
                const on = line.getPointAtLength(part * line.getTotalLength());
                const { x, y } = on.matrixTransform(line.transform.baseVal.consolidate().matrix);
                losses.push(mse(data, [x / 160 - 1, 2.8 - y / 160]));
            }
            return [Math.min(...losses), Math.max(...losses)];
        })""",
        DESCENT,
    )
    levels = np.geomspace(0.01, 3, 12)
    for level, (lowest, highest) in zip(levels, heights[:12], strict=True):
        assert lowest == pytest.approx(level, rel=5e-3)
        assert highest == pytest.approx(level, rel=5e-3)
    assert len(heights) == 17


# --- moved by whom


def middle(part: Locator) -> tuple[float, float]:
    """Return the middle of an element, in pixels of the window."""
    found = part.bounding_box()
    return found["x"] + found["width"] / 2, found["y"] + found["height"] / 2


def drag(page: Page, way: str, handle: Locator, by: tuple[int, int]) -> None:
    """Move a handle by so many pixels; with keys to the right and up or down, about as far."""
    (x, y), (right, down) = middle(handle), by
    if way == "mouse":
        page.mouse.move(x + 3, y + 3)  # not the very middle: the handle must not jump there
        page.mouse.down()
        page.mouse.move(x + 3 + right / 2, y + 3 + down / 2)
        page.mouse.move(x + 3 + right, y + 3 + down)
        page.mouse.up()
    elif way == "finger":
        fingers = page.context.new_cdp_session(page)
        send = lambda kind, *points: fingers.send(  # noqa: E731
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)}
        )
        send("touchStart", {"x": x + 3, "y": y + 3})
        for part in (0.25, 0.5, 0.75, 1):
            send("touchMove", {"x": x + 3 + part * right, "y": y + 3 + part * down})
        send("touchEnd")
    else:
        handle.focus()
        plane = handle.locator("..").bounding_box()
        for _ in range(round(abs(right) / plane["width"] * 100)):
            page.keyboard.press("ArrowRight" if right > 0 else "ArrowLeft")
        for _ in range(round(abs(down) / plane["height"] * 100)):
            page.keyboard.press("ArrowDown" if down > 0 else "ArrowUp")


def state(figure: Locator) -> dict[str, str]:
    """Return what a figure shows: its path or its digit, its text, and what the handle says."""
    return figure.evaluate(
        """box => ({
            drawn: box.querySelector(".way")?.getAttribute("d")
                ?? box.querySelector(".digit").toDataURL(),
            said: box.querySelector(".said").textContent,
            handle: box.querySelector(".handle").getAttribute("aria-valuetext"),
            now: box.querySelector(".handle").getAttribute("aria-valuenow"),
        })"""
    )


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_handle_is_moved_by_mouse_finger_and_keys(browser, way, name):
    phone = way == "finger"
    page = open_page(browser, 390) if phone else open_chapter(browser, name)
    figure = alive(page, name)
    handle, before = figure.locator(".handle"), state(figure)
    begin, scrolled = middle(handle), page.evaluate("scrollY")
    drag(page, way, handle, (90, -60))
    end, after = middle(handle), state(figure)
    within = 4 if way == "keys" else 1
    assert end[0] - begin[0] == pytest.approx(90, abs=within)
    assert end[1] - begin[1] == pytest.approx(-60, abs=within)
    assert all(before[key] != after[key] for key in before)
    assert page.evaluate("scrollY") == scrolled
    assert page.complaints == []
    page.context.close()


@pytest.mark.parametrize("name", KINDS)
def test_a_handle_stays_in_its_plane_and_a_second_finger_is_nothing_to_it(browser, name):
    page = open_chapter(browser, name)
    figure = alive(page, name)
    handle, plane = figure.locator(".handle"), figure.locator(".plane").bounding_box()
    drag(page, "mouse", handle, (3000, -3000))
    x, y = middle(handle)
    assert x == pytest.approx(plane["x"] + plane["width"], abs=1)
    assert y == pytest.approx(plane["y"], abs=1)
    page.mouse.move(600, 500)  # without a button: nothing is dragged
    assert middle(handle) == (x, y)
    page.context.close()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("way", ["mouse", "finger"])
def test_a_click_or_a_tap_in_the_plane_brings_the_handle_there(browser, way, name):
    page = open_chapter(browser, name, 390 if way == "finger" else 1280)
    figure = alive(page, name)
    plane, before = figure.locator(".plane").bounding_box(), state(figure)
    spot = plane["x"] + 0.3 * plane["width"], plane["y"] + 0.2 * plane["height"]
    (page.touchscreen.tap if way == "finger" else page.mouse.click)(*spot)
    assert middle(figure.locator(".handle")) == pytest.approx(spot, abs=1)
    assert state(figure)["drawn"] != before["drawn"]
    page.context.close()


def test_shift_moves_farther_and_other_keys_stay_the_browser_s(browser):
    page = open_chapter(browser, "descent")
    figure = alive(page, "descent")
    handle, plane = figure.locator(".handle"), figure.locator(".plane").bounding_box()
    handle.focus()
    at = middle(handle)
    page.keyboard.press("Shift+ArrowRight")
    assert middle(handle)[0] - at[0] == pytest.approx(plane["width"] / 10, abs=1)
    before = state(figure)
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("a")
    assert state(figure) == before
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "descent-rate"
    page.context.close()


def test_the_way_to_a_handle_leads_by_tab_and_shows(browser):
    page = open_page(browser)
    for name in KINDS:
        handle = alive(page, name).locator(".handle")
        handle.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert handle.evaluate("h => h === document.activeElement && h.matches(':focus-visible')")
        assert handle.evaluate("h => getComputedStyle(h).outlineStyle") == "solid"
    page.context.close()


# --- chapter 3's sliders


def set_to(figure: Locator, slider: str, value: float) -> None:
    """Give a slider a value as a person does, which is an event."""
    figure.locator(f"#descent-{slider}").fill(str(value))


@pytest.mark.parametrize(
    ("rate", "size", "words"),
    [
        (0.1, 80, "In 300 steps, 1 in an epoch, the loss goes from 2.7422 to 0.0081."),
        (0.82, 80, "to over 1000: it diverges."),
        (0.805, 80, "The lowest is 0.0080."),
        (0.1, 16, "In 300 steps, 5 in an epoch,"),
        (1, 1, "to over 1000: it diverges."),
    ],
)
def test_the_sliders_change_the_path_and_a_line_says_what_happens(desktop, rate, size, words):
    figure = alive(desktop, "descent")
    set_to(figure, "rate", rate)
    set_to(figure, "size", size)
    assert words in state(figure)["said"]
    assert figure.locator("output").all_text_contents() == [f"{rate:.3f}", str(size)]
    path = np.array(re.findall(r"[-\d.]+", state(figure)["drawn"]), float).reshape(-1, 2)
    expected = desktop.evaluate(
        "([data, rate, size]) => descend(data, data.start, rate, size)", [DESCENT, rate, size]
    )
    expected = np.array(expected, float)
    drawn = expected[: len(path)] * (160, -160) + (160, 448)
    np.testing.assert_allclose(path, drawn, atol=1e-6)
    assert len(path) == 301 or not np.abs(expected).max() < 20
    figure.locator(".reset").click()
    assert "goes from 2.7422 to 0.0081" in state(figure)["said"]


def test_beyond_the_limit_it_diverges_from_wherever_it_starts(desktop):
    said = desktop.evaluate(
        """(data) => {
            const bowl = bowlOf(data);
            const start = [bowl.minimum[0] + 1e-6, bowl.minimum[1]];
            return [0.805, 0.81].map((rate) =>
                verdict(data, bowl, descend(data, start, rate, 80), rate, 80));
        }""",
        DESCENT,
    )
    assert [one.split("0.0080 to 0.0080")[1] for one in said] == [
        ". The lowest is 0.0080.",
        ": it diverges, slowly.",
    ]


def test_the_sliders_are_moved_by_keys(desktop):
    figure = alive(desktop, "descent")
    figure.locator("#descent-rate").focus()
    desktop.keyboard.press("End")
    assert figure.locator("#descent-rate").get_attribute("aria-valuetext") == "1.000, beyond 2/λ"
    assert state(figure)["said"].endswith("it diverges.")
    desktop.keyboard.press("Tab")
    desktop.keyboard.press("ArrowLeft")
    assert figure.locator("output").all_text_contents() == ["1.000", "79"]
    figure.locator(".reset").click()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mark_stands_where_the_slider_s_thumb_is_at_the_limit(browser, width):
    """The thumb is 20 pixels wide, and its middle stays 10 pixels from each end."""
    page = open_chapter(browser, "descent", width)
    figure = alive(page, "descent")
    left, wide = figure.locator(".mark").evaluate(
        """mark => [parseFloat(getComputedStyle(mark, "::before").left),
            mark.previousElementSibling.clientWidth]"""
    )
    limit = chapter_of(TANGLED / "03_gradient_descent.py").names["limit"]
    share = (limit - 0.005) / (1 - 0.005)
    assert left + 1 == pytest.approx(10 + (wide - 20) * share, abs=0.6)
    page.context.close()


def test_a_path_is_drawn_step_by_step_and_at_once_without_motion(browser):
    page = open_chapter(browser, "descent")
    figure = alive(page, "descent")
    assert figure.get_attribute("data-steps") == "300"
    figure.locator(".play").click()
    few = "Number(document.getElementById('touch-descent').dataset.steps) < 150"
    page.wait_for_function(few)
    expect(figure).to_have_attribute("data-steps", "300")
    page.context.close()
    page = open_chapter(browser, "descent", reduced_motion="reduce")
    figure = alive(page, "descent")
    assert not figure.locator(".play").is_visible()
    seen = page.evaluate(
        """() => {
            document.querySelector("#touch-descent .play").click();
            return document.getElementById("touch-descent").dataset.steps;
        }"""
    )
    assert seen == "300"
    page.context.close()


# --- chapter 14's digit


def test_on_an_image_the_digit_is_what_the_decoder_makes_of_its_code(browser):
    page = open_chapter(browser, "decoder")
    figure = alive(page, "decoder")
    same = page.evaluate(
        """async () => {
            const { layers, images } = await readDecoder(await dataOf("decoder"));
            const made = decode(layers, images[0].code);
            const pen = document.querySelector("#touch-decoder .digit").getContext("2d");
            const seen = pen.getImageData(0, 0, 28, 28).data;
            return Math.max(...made.map((grey, i) => Math.abs(255 * grey - seen[4 * i])));
        }"""
    )
    assert same <= 0.51
    assert state(figure)["said"] == "Its code comes from 7s (100%). The nearest image shows a 7."
    page.context.close()


def test_the_map_is_drawn_by_day_and_by_night(browser):
    colours = []
    for scheme in ("light", "dark"):
        page = open_chapter(browser, "decoder", 1280, scheme)
        figure = alive(page, "decoder")
        colours.append(ink(figure))
        page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        drawn(page)
        colours.append(ink(figure))
        page.context.close()
    light, to_dark, dark, to_light = colours
    assert light == to_light
    assert dark == to_dark
    assert light != dark


def ink(figure: Locator) -> str:
    """Return all pixels of the map, as a picture."""
    return figure.locator(".map").evaluate("map => map.toDataURL()")


# --- for everybody


def test_what_is_read_out_waits_until_the_handle_rests(desktop):
    page = desktop
    for name in KINDS:
        figure = alive(page, name)
        expect(figure.locator("[role=status]")).not_to_have_text("")
        figure.evaluate(
            """box => {
                window.heard = [];
                const status = box.querySelector("[role=status]");
                new MutationObserver(() => heard.push(status.textContent))
                    .observe(status, { childList: true });
                const handle = box.querySelector(".handle");
                for (let i = 0; i < 20; i += 1)
                    handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
            }"""
        )
        page.wait_for_function("heard.length > 0")
        assert page.evaluate("heard") == [state(figure)["said"]]


@pytest.mark.parametrize("look", LOOKS, ids=LOOK_NAMES)
@pytest.mark.parametrize("name", KINDS)
def test_no_axe_violation_while_they_live(browser, name, look):
    need(AXE.exists(), "no axe-core here: npm ci --prefix tests")
    page = open_chapter(browser, name, *look)
    alive(page, name)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    audit = page.evaluate("axe.run('.touch', { preload: false })")
    assert [(one["id"], one["nodes"][0]["html"]) for one in audit["violations"]] == []
    assert len(audit["passes"]) > 10
    assert page.complaints == []
    page.context.close()


def test_nothing_moves_when_they_come_to_life(browser):
    for width in (1280, 390):
        page = open_page(browser, width)
        page.evaluate(
            """() => {
                window.shifts = [];
                new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
                    const nodes = entry.sources.map(({ node }) => node?.parentElement);
                    const ours = nodes.filter((node) => node?.closest("main"));
                    shifts.push(...ours.map((node) => node.outerHTML.slice(0, 80)));
                })).observe({ type: "layout-shift" });
            }"""
        )
        for name in KINDS:
            figure = page.locator(f"#touch-{name}")
            before = figure.bounding_box()
            alive(page, name)
            after = figure.bounding_box()
            assert after["height"] == pytest.approx(before["height"], abs=0.1)
            drag(page, "keys", figure.locator(".handle"), (40, 0))
            assert figure.bounding_box()["height"] == after["height"]
        assert page.evaluate("shifts") == []
        page.context.close()


def test_without_scripts_and_on_paper_the_picture_stands_alone(browser, desktop):
    page = open_page(browser, java_script_enabled=False)
    for name, figure in (("descent", "gradient_descent"), ("decoder", "embedding")):
        assert not page.locator(f"#touch-{name}").is_visible()
        assert page.locator(f"#figure-{figure} img").is_visible()
    page.context.close()
    alive(desktop, "descent")
    desktop.emulate_media(media="print")
    assert not desktop.locator("#touch-descent").is_visible()
    assert desktop.locator("#figure-gradient_descent img").is_visible()
    desktop.emulate_media(media="screen")


@pytest.mark.parametrize("there", [True, False])
def test_data_in_a_file_of_their_own(browser: Browser, tmp_path: Path, there: bool):
    """As a site has them, from a folder on disk. Where they do not come, the box goes."""
    names = list(KINDS)
    places = ""
    for name in names:
        places += f'<template id="data-{name}" data-source="{name}-data.js"></template>'
        if there:
            script = data_script(name, ROOT)
            (tmp_path / f"{name}-data.js").write_text(script, encoding="utf-8")
    style = ":root { --paper: #fff; --panel: #eee; --ink: #000; --quiet: #555; --link: #00c; }"
    text = f"<!doctype html><meta charset=utf-8><style>{style}{style_of(names)}</style>"
    text += "".join(map(box, names)) + places + f"<script>{script_of(names)}</script>"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    for name in names:
        figure = page.locator(f"#touch-{name}")
        if there:
            expect(figure).to_have_class("touch alive")
            expect(figure.locator(".said")).not_to_have_text("")
        else:
            expect(figure).to_be_hidden()
    page.close()


@pytest.mark.parametrize("name", KINDS)
def test_they_live_on_the_site_from_the_disk(browser, name):
    """There the data lie in a file, which is asked for when the figure comes near."""
    page = open_chapter(browser, name)
    data = (SITE / "assets" / f"{name}.js").as_uri()
    assert data not in page.requests
    figure = alive(page, name)
    assert page.requests.count(data) == 1
    before = state(figure)
    drag(page, "mouse", figure.locator(".handle"), (60, -40))
    dragged = state(figure)
    drag(page, "keys", figure.locator(".handle"), (-30, 20))
    after = state(figure)
    assert before["drawn"] != dragged["drawn"] != after["drawn"]
    assert page.complaints == []
    page.context.close()
