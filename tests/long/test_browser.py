"""The woven page in a real browser: wide and narrow, by day and by night, with and without scripts.

It looks at the page that 'make' left. The browser is Debian's Chromium, and axe-core comes from
npm; .ci/run installs both. Where one is missing its tests are skipped, except in CI, where they
fail.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from browsing import (
    AXE,
    LOOK_NAMES,
    LOOKS,
    PATIENCE,
    axe_finds,
    chromium,
    drawn,
    need,
    seen,
    wider_than_the_page,
)
from conftest import POST, ROOT, TANGLED
from literate import org, tangle
from literate.html import WIDE
from literate.post import Post

ORG = ROOT / "pytorch-first-principles.org"
PAGE = ORG.with_suffix(".html")
HEADINGS = re.findall(r"^\*+ (.*)$", re.sub(r"(?s)\n#\+begin_src.*?\n#\+end_src", "", POST), re.M)
CHAPTERS = re.findall(r"^\* (\d+\. .*)$", POST, re.MULTILINE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    with chromium() as started:
        yield started


def open_page(browser: Browser, width: int = 1280, scheme: str = "light", **options) -> Page:
    """Open the page off line, as a desktop or as a phone; note requests and complaints."""
    phone = {"has_touch": True, "is_mobile": True} if width < 500 else {}
    size = {"width": width, "height": 844 if phone else 900}
    options |= {"viewport": size, "color_scheme": scheme, "offline": True}
    context = browser.new_context(**phone, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.requests, page.complaints = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(PAGE.as_uri())
    return page


@pytest.fixture(scope="module", params=LOOKS, ids=LOOK_NAMES)
def look(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """Yield the page in one of its four looks."""
    page = open_page(browser, *request.param)
    page.width, page.scheme = request.param
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def desktop(browser: Browser) -> Iterator[Page]:
    """Yield the page as a desktop shows it. A test that folds or sizes it restores it."""
    page = open_page(browser, permissions=["clipboard-read", "clipboard-write"])
    yield page
    assert page.complaints == []
    page.context.close()


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Page]:
    """Yield the page as a phone shows it. A test that folds or sizes it restores it."""
    page = open_page(browser, 390)
    yield page
    assert page.complaints == []
    page.context.close()


@pytest.fixture(params=["desktop", "phone"])
def either(request: pytest.FixtureRequest) -> Page:
    """Return the page on a desktop, then on a phone."""
    return request.getfixturevalue(request.param)


# --- all four looks


def test_no_complaint_and_no_request_beyond_the_file(look):
    look.keyboard.press("End")
    look.wait_for_timeout(500)  # what comes late comes, too
    assert look.complaints == []
    assert [url for url in look.requests if not url.startswith("data:")] == [PAGE.as_uri()]


def test_every_figure_is_loaded_and_described(look):
    figures = look.evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.alt, i.clientWidth])"
    )
    assert len(figures) == len(list((ROOT / "figures").glob("*.png")))
    for complete, natural_width, alt, shown_width in figures:
        assert complete
        assert natural_width > 100
        assert len(alt) > 20
        assert shown_width > 100


def found(page: Page, selector: str) -> Locator:
    """Return what the browser's own selector finds: on this page Playwright's ':has' is slow."""
    page.evaluate(
        """(selector) => document.querySelectorAll(selector).forEach((e) => {
            e.dataset.found = selector;
        })""",
        selector,
    )
    return page.locator(f'[data-found="{selector}"]')


def test_the_page_does_not_scroll_sideways(look):
    assert wider_than_the_page(look, look.width) == []


def test_the_contents_list_every_heading_in_order(look):
    entries = look.evaluate("[...document.querySelectorAll('nav a')].map((a) => [a.hash, a.text])")
    headings = look.evaluate(
        """[...document.querySelectorAll("main :is(h2, h3)")].map((h) =>
            ["#" + h.id, h.textContent.replace(/ #$/, "")])"""
    )
    assert entries == headings
    titles = [re.sub(r"(?<!\S)([=~])(\S+)\1(?![\w=~])", r"\2", title) for title in HEADINGS]
    assert [title for _, title in headings] == titles
    chapters = look.locator("nav > details > ol > li > a").all_text_contents()
    assert [title for title in chapters if title[0].isdigit()] == CHAPTERS
    assert len(CHAPTERS) == 14


def test_formulas_are_drawn(look):
    formulas = look.evaluate(
        """[...document.querySelectorAll("math")].map((m) => [
            m.getBoundingClientRect().width, m.getBoundingClientRect().height,
            [...m.querySelectorAll("mi, mo, mn, mtext")].map((e) => e.textContent).join(" "),
            [...m.querySelectorAll("annotation")].some((e) => e.checkVisibility())])"""
    )
    prose = re.sub(r"^#\+begin_src.*?^#\+end_src", "", POST, flags=re.MULTILINE | re.DOTALL)
    assert len(formulas) == len(re.findall(r"\\[\[(]|\\begin\{align", prose))
    for width, height, text, shows_source in formulas:
        assert width > 4 and height > 8
        assert text and not re.search(r"[\\{}]", text)
        assert not shows_source


def test_no_mark_up_is_left_in_the_text(look):
    text = look.evaluate(
        """() => {
            const copy = document.querySelector("main").cloneNode(true);
            copy.querySelectorAll("pre, code, math").forEach((e) => e.remove());
            return copy.textContent;
        }"""
    )
    leftovers = r"#\+\w+|:PROPERTIES:|\[\[|\]\]|\\[a-z]+\{|\\[\[(]"
    leftovers += r"|(?<!\w)[=~]\S+[=~](?!\w)|[\w\")][=~](?![\w\"])"
    assert re.findall(leftovers, text) == []


def test_the_readers_setting_chooses_day_or_night(look):
    colour = look.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
    assert (brightness > 240) if look.scheme == "light" else (brightness < 40)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as 'rgb(29, 29, 31)', as WCAG defines it."""
    assert colour.startswith("rgb("), colour
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(share * p for share, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_all_text_stands_out_from_what_is_behind_it(look):
    """Axe cannot judge what is folded or scrolled out of sight; the colours themselves can be."""
    pairs = look.evaluate(
        """() => {
            const pairs = {};
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const e = texts.currentNode.parentElement;
                if (e.matches("script") || !texts.currentNode.data.trim()) continue;
                const style = (e, name) => getComputedStyle(e)[name];
                let behind = e;
                while (style(behind, "backgroundColor") === "rgba(0, 0, 0, 0)")
                    behind = behind.parentElement;
                const key = style(e, "color") + " on " + style(behind, "backgroundColor");
                pairs[key] = e.outerHTML.slice(0, 80);
            }
            return pairs;
        }"""
    )
    for pair, example in pairs.items():
        dark, bright = sorted(map(luminance, pair.split(" on ")))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (pair, example)
    assert len(pairs) > 8


# --- what stands under what


def without_sections(rows: Iterable[str]) -> str:
    """Return code without its section lines, and without blank lines where they stood first."""
    return "\n".join(row for row in rows if not row.strip().startswith("# %%")).strip("\n")


def shown_blocks() -> list[tuple[org.Block, str]]:
    """Return the blocks of the post that the page shows, with their code."""
    blocks = [(block, shown_body(block)) for block in org.read_blocks(POST)[0]]
    found = [(block, without_sections(body)) for block, body in blocks]
    return [(block, code) for block, code in found if code]


def shown_body(block: org.Block) -> tuple[str, ...]:
    """Return the lines of a block; a solution is shown without its references."""
    return block.body[1:-1] if "/solutions/" in block.arguments["tangle"] else block.body


def test_every_output_stands_right_under_its_block(desktop):
    """The page shows what each block printed, in the order of the Org file, and nothing else."""
    blocks = desktop.evaluate(
        """[...document.querySelectorAll(".block")].map((b) => [
            b.querySelector("pre code").textContent,
            [...b.querySelectorAll("samp")].map((s) => s.textContent).join(""),
            [...b.children].map((e) => e.className || e.tagName).join(" "),
        ])"""
    )
    printed = Post(ORG).printed
    expected = [(code, printed.get(block.line, "")) for block, code in shown_blocks()]
    assert [(code, text) for code, text, _ in blocks] == expected
    for _, text, order in blocks:
        shape = r"(bar )?(copy PRE|set-up)" + (" output" if text else "")
        assert re.fullmatch(shape, order)
    assert sum("set-up" in order for _, _, order in blocks) >= 14


def test_the_page_says_what_the_logs_say(desktop):
    """Under the blocks of each chapter stands its log, no more and no less."""
    outputs = desktop.evaluate(
        """() => {
            const outputs = {};
            let chapter = "";
            for (const e of document.querySelectorAll("main .script, samp")) {
                if (e.tagName === "P") chapter = e.id.replace(/\\.py$/, "");
                else outputs[chapter] = (outputs[chapter] ?? "") + e.textContent;
            }
            return outputs;
        }"""
    )
    logs = {log.stem: log.read_text(encoding="utf-8") for log in (ROOT / "logs").glob("*.log")}
    assert len(logs) == 17
    assert outputs == logs


def test_a_picture_with_panels_in_a_row_is_never_too_small_to_read(look):
    widths = look.evaluate(
        "[...document.querySelectorAll('figure .wide img')].map((image) => image.clientWidth)"
    )
    sizes = []
    for path in (ROOT / "figures").glob("*.png"):
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert len(widths) == sum(width > WIDE * height for width, height in sizes) >= 4
    assert min(widths) >= 640


def test_a_long_output_unfolds(desktop):
    details = desktop.locator("main .output details").first
    last = details.locator("samp")
    assert not last.is_visible()
    details.locator("summary").click()
    assert last.is_visible()
    hidden = int(re.match(r"\d+", details.locator("summary").text_content())[0])
    assert len(last.text_content().splitlines()) == hidden > 3


def test_a_set_up_is_folded_and_unfolds(desktop):
    block = found(desktop, ".block:has(> .set-up)").first
    code, button = block.locator("pre").first, block.locator(".copy")
    assert not code.is_visible()
    assert not button.is_visible()
    block.locator("summary").first.click()
    assert code.is_visible()
    block.hover()
    button.click()
    assert desktop.evaluate("navigator.clipboard.readText()") == block.evaluate("codeOf") + "\n"
    for link in block.locator("pre a.r").all():
        assert desktop.locator(link.get_attribute("href")).count() == 1
    block.locator("summary").first.click()
    assert not code.is_visible()


def test_a_link_to_a_block_that_is_folded_unfolds_it(browser):
    page = open_page(browser)
    page.evaluate("document.querySelector('.block:has(> .set-up)').id = 'code-folded'")
    code = page.locator("#code-folded pre").first
    assert not code.is_visible()
    page.evaluate("location.hash = '#code-folded'")
    expect(code).to_be_visible()
    assert page.complaints == []
    page.context.close()


FOLDS = len(re.findall(r"^#\+begin_(?:hint|solution)$", POST, re.MULTILINE))
QUESTIONS = len(re.findall(r"^#\+begin_question$", POST, re.MULTILINE))


def test_every_answer_is_folded_and_its_question_is_there_to_read(look):
    asked = look.locator("main .question > summary")
    assert asked.count() == QUESTIONS > 0
    assert all(seen(asked))
    assert look.locator("main .question[open]").count() == 0
    answers = look.locator("main .question > :not(summary)")
    assert answers.count() >= QUESTIONS
    assert not any(seen(answers))


def test_an_answer_unfolds_and_folds_by_keyboard(either):
    page = either
    page.locator("h3[id$='-can-you-say-why'] .anchor").first.focus()
    page.keyboard.press("Tab")
    question = page.locator(".question:has(> summary:focus-visible)")
    asked, answer = question.locator("summary"), question.locator("> :not(summary)").first
    assert asked.evaluate("s => getComputedStyle(s).outlineStyle") == "solid"
    assert asked.bounding_box()["height"] >= 24
    page.keyboard.press("Enter")
    assert answer.is_visible()
    below, above = answer.bounding_box(), asked.bounding_box()
    assert below["y"] >= above["y"] + above["height"]
    assert wider_than_the_page(page, page.viewport_size["width"]) == []
    page.keyboard.press("Space")
    assert not answer.is_visible()
    for opened in (1, 0):
        page.locator(".question > summary").last.evaluate("s => s.click()")
        assert page.locator(".question[open]").count() == opened


def test_every_hint_and_solution_is_folded_and_so_is_the_check(look):
    folded = look.locator("main :is(.hint, .solution)")
    assert folded.count() == FOLDS > 0
    assert look.locator("main :is(.hint, .solution)[open]").count() == 0
    assert not any(seen(look.locator("main :is(.hint, .solution) > :not(summary)")))
    labels = {text.strip() for text in folded.locator("> summary").all_text_contents()}
    assert labels == {"Hint", "Solution"}
    checks = look.locator(".set-up:has(> summary:text-is('Check'))")
    assert checks.count() == FOLDS // 2
    assert not any(seen(checks.locator("pre")))


def test_a_solution_unfolds_and_folds_by_keyboard(either):
    page = either
    page.locator(".hint > summary").first.focus()
    page.keyboard.press("Tab")
    solution = page.locator(".solution:has(> summary:focus-visible)")
    code = solution.locator("pre").first
    page.keyboard.press("Enter")
    assert code.is_visible()
    assert "<<" not in code.text_content()
    assert wider_than_the_page(page, page.viewport_size["width"]) == []
    page.locator(".solution > summary").first.focus()
    page.keyboard.press("Space")
    assert not code.is_visible()


@pytest.mark.parametrize(("name", "widths"), [("desktop", [1280]), ("phone", [390, 320])])
def test_opened_answers_fit_into_the_page(request, name, widths):
    page = request.getfixturevalue(name)
    folds = page.locator("main details:not([open])")
    folds.evaluate_all("folds => folds.forEach((d) => d.classList.add('unfolded'))")
    toggle = "(folds, open) => folds.forEach((d) => (d.open = open))"
    page.locator(".unfolded").evaluate_all(toggle, True)
    assert page.locator(".question[open]").count() == QUESTIONS
    height = page.viewport_size["height"]
    for width in widths:
        page.set_viewport_size({"width": width, "height": height})
        assert wider_than_the_page(page, width) == []
    page.set_viewport_size({"width": widths[0], "height": height})
    page.locator(".unfolded").evaluate_all(toggle, False)


def test_figures_are_sharp_on_a_screen_with_two_pixels_to_a_point(desktop):
    """A figure is never shown larger than half its pixels, and a full-width one has 1600."""
    sizes = desktop.evaluate("[...document.images].map((i) => [i.naturalWidth, i.clientWidth])")
    assert max(natural for natural, _ in sizes) >= 1600
    assert [pair for pair in sizes if pair[1] * 2 > pair[0] + 1] == []


def test_every_figure_is_the_one_that_its_script_drew(desktop):
    figures = desktop.evaluate(
        """[...document.querySelectorAll("figure")].map((f) => [f.id,
            f.querySelector("img").src.split(",")[1], f.querySelector("figcaption").innerText])"""
    )
    names = re.findall(r"^\[\[file:figures/(.*)\.png\]\]$", POST, re.MULTILINE)
    assert [key for key, _, _ in figures] == [f"figure-{name}" for name in names]
    for number, (name, (_, data, caption)) in enumerate(zip(names, figures, strict=True), 1):
        assert base64.b64decode(data) == (ROOT / "figures" / f"{name}.png").read_bytes(), name
        assert re.match(rf"Figure {number}\. \S", caption)


# --- links


def test_ids_are_unique_and_links_arrive(desktop):
    ids = desktop.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    links = desktop.evaluate(
        """[...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute("href"))"""
    )
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    headings = desktop.evaluate(
        """[...document.querySelectorAll("main :is(h2, h3)")].map((h) =>
            [h.id, h.querySelector(".anchor").getAttribute("href")])"""
    )
    assert all(anchor == f"#{key}" for key, anchor in headings)
    assert len(headings) > 100


def test_references_lead_to_their_blocks_which_name_their_scripts(desktop):
    references = desktop.evaluate(
        """[...document.querySelectorAll("pre a.r")].map((a) => {
            const block = document.querySelector(a.getAttribute("href"));
            return [a.textContent, block.querySelector(".name").textContent];
        })"""
    )
    assert len(references) > 50
    assert all(reference == f"<<{name}>>" for reference, name in references)
    uses = desktop.locator("#code-train-epoch .uses a")
    scripts = [link.lstrip("#") for link in uses.evaluate_all("a => a.map((e) => e.hash)")]
    holding = [
        path.name
        for path in sorted(TANGLED.glob("*.py"))
        if "def train_epoch(" in path.read_text(encoding="utf-8")
    ]
    assert scripts == holding
    assert len(holding) > 2


def test_a_chapter_gives_its_script_for_download(desktop):
    link = desktop.locator('[id="07_loss.py"] a')
    with desktop.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "07_loss.py"
    assert Path(download.value.path()).read_bytes() == (TANGLED / "07_loss.py").read_bytes()


# --- with the page's script


def test_code_is_copied_as_the_tangler_expands_it(desktop):
    copies = desktop.evaluate("[...document.querySelectorAll('.block')].map(codeOf)")
    by_name = org.index_blocks(*org.read_blocks(POST))
    expanded = [
        without_sections(
            line.text for line in tangle.expand(replace(block, body=shown_body(block)), by_name)
        )
        for block, _ in shown_blocks()
    ]
    assert copies == expanded


def copied(page: Page, block: Locator) -> str:
    """Press the copy button of a block; return what is on the clipboard."""
    block.hover()
    block.locator(".copy").click()
    block.locator(".copy", has_text="Copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def test_the_copy_button_puts_code_on_the_clipboard(desktop):
    plain = desktop.locator("#code-data")
    assert "<<" not in plain.locator("pre").first.text_content()
    assert copied(desktop, plain) == plain.evaluate("codeOf") + "\n"
    nested = found(desktop, ".block:not(:has(> .set-up)):has(pre a.r)").first
    assert "<<" in nested.locator("pre").first.text_content()
    text = copied(desktop, nested)
    assert text == nested.evaluate("codeOf") + "\n"
    assert "<<" not in text


def test_a_guard_is_copied_with_all_that_it_brings_in(desktop):
    blocks = found(desktop, ".block:not(:has(> .set-up)):has(pre a.r)")
    guards = blocks.filter(has_text="if __name__ ==")
    assert guards.count() >= 1
    script = (TANGLED / "09_dataset.py").read_text(encoding="utf-8")
    lines = [line.rstrip() for line in script.splitlines() if "# %%" not in line]
    for guard in guards.all():
        # The tangler puts the indentation of a reference before blank lines, too; ruff would not.
        text = "\n".join(line.rstrip() for line in copied(desktop, guard).splitlines())
        assert text in "\n".join(lines)


def test_every_block_has_a_copy_button(desktop):
    assert desktop.locator(".copy").count() == desktop.locator(".block").count() > 150


def scroll_to(page: Page, key: str) -> None:
    """Bring a heading to the top of the window."""
    page.evaluate("key => document.getElementById(key).scrollIntoView()", key)
    drawn(page)


def test_the_contents_show_where_one_is(desktop):
    scroll_to(desktop, "ch-loss-reduction")
    here = desktop.locator("nav [aria-current]")
    assert here.all_text_contents() == ["reduction"]
    assert here.is_visible()
    opened = desktop.locator("nav li.here > a").all_text_contents()
    assert opened == ["7. Loss functions"]
    assert not desktop.locator('nav a[href="#ch-data-a-line-with-noise"]').is_visible()
    box = here.bounding_box()
    assert 0 <= box["y"] < 900


def test_a_chapter_that_is_gone_to_is_the_one_that_is_marked(desktop):
    for chapter in ("ch-parallelism", "ch-loss", "app-packages"):
        scroll_to(desktop, chapter)
        link = desktop.locator("nav [aria-current]").get_attribute("href")
        assert link == f"#{chapter}"


def test_on_a_phone_one_reads_a_task_without_scrolling(phone):
    tasks = phone.locator('[id^="code-spec-"] > pre')
    assert tasks.count() == len(list((TANGLED / "exercises").glob("*.py")))
    seen = tasks.evaluate_all("all => all.every((one) => one.scrollWidth === one.clientWidth)")
    assert seen


def test_on_a_phone_the_contents_fold_into_one_line(phone):
    page = phone
    entries, summary = page.locator("nav ol").first, page.locator("nav summary")
    assert not entries.is_visible()
    scroll_to(page, "ch-model")
    assert summary.text_content().startswith("8. ")
    assert summary.bounding_box()["y"] < 20
    assert summary.evaluate("s => s.scrollWidth > s.clientWidth")  # a title that must be cut
    assert summary.evaluate("s => getComputedStyle(s).textOverflow") == "ellipsis"
    summary.click()
    assert entries.is_visible()
    page.locator("nav a", has_text="12. ").click()
    expect(entries).to_be_hidden()
    drawn(page)
    top = page.locator("#ch-parallelism").bounding_box()["y"]
    assert summary.bounding_box()["height"] < top < 300


def test_in_a_window_of_any_width_everything_fits(desktop):
    contents = desktop.locator("nav ol").first
    for width in (320, 700, 961, 1920, 1280):
        desktop.set_viewport_size({"width": width, "height": 900})
        assert wider_than_the_page(desktop, width) == [], width
        assert contents.is_visible() == (width > 960), width


def test_the_keyboard_skips_the_contents(browser):
    page = open_page(browser)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "text"
    page.context.close()


# --- without it


def test_without_scripts_everything_is_there_to_read(browser, desktop):
    page = open_page(browser, 390, java_script_enabled=False)
    assert page.locator("nav ol").first.is_visible()
    assert page.locator("nav li li a").first.is_visible()
    assert page.locator(".copy").count() == 0
    for folded, inside in ((".set-up", "pre"), (".output details", "pre"), (".question", "> p")):
        page.locator(f"main {folded} summary").first.click()
        assert page.locator(f"main {folded}").first.locator(inside).first.is_visible()
    text = """(e) => {
        const copy = e.cloneNode(true);
        copy.querySelectorAll(".copy").forEach((button) => button.remove());
        return copy.textContent;
    }"""
    assert page.locator("main").evaluate(text) == desktop.locator("main").evaluate(text)
    page.context.close()


def test_on_paper_everything_is_open_and_nothing_is_to_click(browser):
    page = open_page(browser, java_script_enabled=False)
    page.emulate_media(media="print")
    for gone in ("nav", ".skip", ".script a", "summary"):
        assert not page.locator(gone).first.is_visible(), gone
    long = page.locator("main details samp, main details.set-up pre")
    heights = long.evaluate_all("parts => parts.map((p) => p.getBoundingClientRect().height)")
    assert min(heights) > 40
    folds = page.locator("main :is(.question, .hint, .solution)")
    assert folds.count() == QUESTIONS + FOLDS
    assert all(seen(folds.locator("> *")))  # the summary says what it is
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    last = page.pdf(format="A4", page_ranges="200")  # Chromium refuses a page that is not there
    assert last.count(b"/Type /Page\n") == 1
    page.context.close()


def test_on_paper_there_are_no_buttons(desktop):
    desktop.emulate_media(media="print")
    assert not desktop.locator(".copy").first.is_visible()
    desktop.emulate_media(media="screen")
    assert desktop.locator(".copy").first.is_visible()


# --- accessibility


def test_axe_finds_no_violation(look):
    """The last test of a look: it takes the page apart."""
    need(AXE.exists(), "no axe-core here: npm ci --prefix tests --ignore-scripts")
    found, unsure = axe_finds(look, everything=look.scheme == "light")
    assert found == []
    # What axe leaves to us: contrast, see above, and that the "#" of a heading is no word.
    assert unsure <= {"color-contrast", "label-content-name-mismatch"}


def test_the_lock_names_hashes_and_no_host():
    lock = json.loads((AXE.parents[2] / "package-lock.json").read_text(encoding="utf-8"))
    for name in ("axe-core", "vnu-jar"):
        assert lock["packages"][f"node_modules/{name}"]["integrity"].startswith("sha512-")
    assert "://" not in json.dumps(lock)
