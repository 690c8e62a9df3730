"""What the tests in a browser share: Chromium, tools that may be missing, and what sticks out."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from conftest import ROOT

AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
LOOK_NAMES = [f"{width}-{scheme}" for width, scheme in LOOKS]


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
        # Chromium's own sandbox needs rights that a container does not give; the page is ours.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def seen(parts: Locator) -> list[bool]:
    """Return for each of these elements whether one can see it, all by one question."""
    return parts.evaluate_all(
        """(parts) => parts.map((part) => {
            const { width, height } = part.getBoundingClientRect();
            return width * height > 0 && part.checkVisibility({ visibilityProperty: true });
        })"""
    )


def wider_than_the_page(page: Page, width: int) -> list[str]:
    """Return the elements that stick out at a side, but for those in a part that scrolls."""
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
            return wide.concat(all.filter((e) => sticksOut(e) && !e.matches(".skip")
                && !scrolls(e.parentElement)).map((e) => e.outerHTML.slice(0, 80)));
        }""",
        width,
    )
