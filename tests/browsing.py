"""What the tests in a browser share: Chromium, tools that may be missing, and what sticks out."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from conftest import ROOT

AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
LOOK_NAMES = [f"{width}-{scheme}" for width, scheme in LOOKS]

# Chromium's own sandbox needs rights that a container does not give; the pages are ours. Each new
# window would prepare two pages of its own for its address bar, which takes most of a second.
OPTIONS = ["--no-sandbox", "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup"]

PATIENCE = 60_000  # milliseconds: on a busy machine all takes ten times as long
expect.set_options(timeout=PATIENCE)

COLOURS = ("color-contrast", "link-in-text-block")
QUICKLY = {"resultTypes": ["violations"], "selectors": False, "preload": False}

# Of the elements that look alike, by their classes and those of all around them, one may stay.
THIN = """() => {
    const look = (e) => e === document.body ? ""
        : [look(e.parentElement), e.tagName, e.className, e.getAttribute("style")].join();
    let before, left = 0;
    do {
        [before, left] = [left, document.querySelectorAll("*").length];
        const seen = new Set();
        for (const leaf of document.querySelectorAll("body *:not(:has(*))")) {
            const its = look(leaf);
            if (seen.has(its)) leaf.remove();
            else seen.add(its);
        }
    } while (left !== before);
}"""


def need(there: object, hint: str) -> None:
    """Skip a test that lacks a tool, or fail where that must not happen."""
    if not there:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(hint)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    need(program, "no Chromium here: apt install chromium, or CHROMIUM=/path/to/it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield started
        started.close()


def drawn(page: Page) -> None:
    """Wait until a page shows all that has been asked of it: its scripts wait for frames, too."""
    page.evaluate(
        """async () => {
            for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
        }"""
    )


def seen(parts: Locator) -> list[bool]:
    """Return for each of these elements whether one can see it, all by one question."""
    return parts.evaluate_all(
        """(parts) => parts.map((part) => {
            const { width, height } = part.getBoundingClientRect();
            return width * height > 0 && part.checkVisibility({ visibilityProperty: true });
        })"""
    )


def wider_than_the_page(page: Page, width: int) -> list[str]:
    """Return the elements that stick out at a side; a part that scrolls may, and what SVG clips."""
    return page.evaluate(
        """(width) => {
            const scrolls = (e) => e && e !== document.documentElement
                && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
            const sticksOut = (e) => {
                const { left, right } = e.getBoundingClientRect();
                return right > left && (left < 0 || right > width + 1);
            };
            const all = [document.documentElement, ...document.querySelectorAll("body *")];
            const wide = document.documentElement.scrollWidth > width ? ["the page"] : [];
            const bad = all.filter((e) => sticksOut(e) && !e.matches(".skip") && !e.ownerSVGElement
                && !scrolls(e.parentElement));
            return wide.concat(bad.map((e) => e.outerHTML.slice(0, 80)));
        }""",
        width,
    )


def axe_finds(page: Page, everything: bool = True) -> tuple[list[tuple[str, str]], set[str]]:
    """Return what axe finds on a page: rules with the element that breaks them, and unsure rules.

    Colours are looked at last, and alone where a look changes nothing else. Axe takes a millisecond
    for those of an element, and a page has thousands, of which few differ: it loses the others.
    """
    found, unsure = [], set()

    def look(options: dict) -> None:
        result = page.evaluate("(options) => axe.run(options)", QUICKLY | options)
        found.extend((rule["id"], rule["nodes"][0]["html"][:99]) for rule in result["violations"])
        unsure.update(rule["id"] for rule in result["incomplete"])
        assert result["passes"]

    page.add_script_tag(path=AXE)
    page.evaluate("document.querySelectorAll('main details').forEach((d) => (d.open = true))")
    if everything:
        look({"rules": {name: {"enabled": False} for name in COLOURS}})
    page.evaluate(THIN)
    look({"runOnly": list(COLOURS)})
    return found, unsure
