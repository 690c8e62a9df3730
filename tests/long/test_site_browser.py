"""The site of the post, as 'make site' left it, in a real browser that opens it from the disk.

Chromium, axe-core and the Nu checker (npm's vnu-jar, which needs Java) are looked for; where one is
missing its tests are skipped, except in CI, where they fail.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from browsing import (
    AXE,
    LOOK_NAMES,
    LOOKS,
    PATIENCE,
    axe_finds,
    chromium,
    drawn,
    need,
    wider_than_the_page,
)
from conftest import POST, ROOT
from links import problems_of

SITE = ROOT / "site"
ONE_PAGE = "pytorch-first-principles.html"
NU = ROOT / "tests" / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
PAGES = sorted(path for path in SITE.glob("*.html") if path.name != ONE_PAGE)
CHAPTERS = re.findall(r"^\* (.*)$", re.sub(r"(?s)\n#\+begin_src.*?\n#\+end_src", "", POST), re.M)


@pytest.fixture(scope="module", autouse=True)
def there() -> None:
    """Fail where there is no site."""
    assert PAGES, "these tests look at what 'make site' made: run it first"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    with chromium() as started:
        yield started


def open_page(
    browser: Browser, name: str, width: int = 1280, scheme: str = "light", **options
) -> Page:
    """Open a page of the site off line; note requests and complaints."""
    phone = {"has_touch": True, "is_mobile": True} if width < 500 else {}
    size = {"width": width, "height": 844 if phone else 900}
    options |= {"viewport": size, "color_scheme": scheme, "offline": True}
    page = browser.new_context(**phone, **options).new_page()
    page.set_default_timeout(PATIENCE)
    page.requests, page.complaints = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto((SITE / name).as_uri())
    return page


# --- the files


def test_there_is_a_page_for_each_chapter_of_the_post():
    assert len(PAGES) == len(CHAPTERS) + 1 > 20
    scripts = sorted(path.stem for path in (ROOT / "tangled").glob("[0-9][0-9]_*.py"))
    assert len(scripts) == 14
    assert {f"{name}.html" for name in scripts} < {path.name for path in PAGES}


def test_every_link_arrives_and_nothing_comes_from_elsewhere():
    assert problems_of(SITE, PAGES) == []


def test_each_chapter_has_its_script_and_its_notebook_beside_it():
    for script in (ROOT / "tangled").glob("[0-9][0-9]_*.py"):
        html = (SITE / f"{script.stem}.html").read_text(encoding="utf-8")
        for path in (f"tangled/{script.name}", f"notebooks/{script.stem}.ipynb"):
            assert f'<a href="{path}" download>' in html
            assert (SITE / path).read_bytes() == (ROOT / path).read_bytes()


def test_every_page_describes_itself_in_its_own_words():
    heads = [path.read_text(encoding="utf-8").partition("</head>")[0] for path in PAGES]
    for pattern in (r"<title>(.+)</title>", r'<meta name="description" content="([^"]{30,200})">'):
        found = [re.search(pattern, head)[1] for head in heads]
        assert len(set(found)) == len(PAGES)
    for head in heads:
        preview = re.search(r'<meta property="og:image" content="([^"]+)">', head)[1]
        assert preview.endswith(".png")


def test_the_nu_checker_finds_no_error():
    """In the HTML: of the style, which is in the one page, it does not know all properties."""
    need(shutil.which("java"), "no Java here: apt install default-jre-headless")
    need(NU.exists(), "no Nu checker here: npm ci --prefix tests --ignore-scripts")
    files = [*map(str, PAGES), str(ROOT / ONE_PAGE)]
    command = ["java", "-jar", str(NU), "--errors-only", "--format", "text"]
    command += ["--filterpattern", ".*CSS: .*", *files]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr[:2000]


# --- as it looks


@pytest.mark.parametrize("look", [(1280, "light"), (390, "dark")], ids=["1280-light", "390-dark"])
def test_no_page_complains_asks_a_network_shifts_or_sticks_out(browser, look):
    page = open_page(browser, "index.html", *look)
    page.add_init_script(
        """window.shift = 0;
        const add = (entry) => (window.shift += entry.value);
        new PerformanceObserver((list) => list.getEntries().forEach(add))
            .observe({ type: "layout-shift", buffered: true });"""
    )
    for path in PAGES:
        page.goto(path.as_uri())
        page.wait_for_timeout(200)
        # On a busy machine a page is shown before all of it is read: where a later row of a table
        # changes its columns, 0.0015 was seen. A picture of unknown size would give 0.1 and more.
        assert page.evaluate("shift") < 0.01, path.name
        assert wider_than_the_page(page, look[0]) == [], path.name
    assert page.complaints == []
    assert all(url.startswith((SITE.as_uri(), "data:")) for url in page.requests)
    assert not any("assets/search" in url for url in page.requests)  # which nobody has asked for
    page.context.close()


@pytest.mark.parametrize("look", LOOKS, ids=LOOK_NAMES)
def test_axe_finds_no_violation(browser, look):
    """Pages that show all that is on the site and not on the one page, and each kind of chapter.

    What they all say the one page says, too, at which test_browser.py looks.
    """
    need(AXE.exists(), "no axe-core here: npm ci --prefix tests --ignore-scripts")
    page = open_page(browser, "index.html", *look)
    found, unsure = [], set()
    for name in ("index", "01_data", "03_gradient_descent", "14_autoencoder", "how-it-builds"):
        path = SITE / f"{name}.html"
        page.goto(path.as_uri())
        if path.name == "01_data.html":
            searched(page, "loss")
        violations, not_sure = axe_finds(page, everything=look[1] == "light")
        found += [(path.name, *one) for one in violations]
        unsure |= not_sure
    assert found == []
    # Contrast: what axe cannot judge is folded or scrolled away; test_browser.py looks at colours.
    assert unsure <= {"color-contrast", "label-content-name-mismatch"}
    page.context.close()


@pytest.mark.parametrize("faint", ["pre .c", "pre .n", "main li", "figcaption", "td", "footer p"])
def test_axe_finds_one_kind_of_words_that_is_too_faint(browser, faint):
    """Although it is shown few words of each kind."""
    need(AXE.exists(), "no axe-core here: npm ci --prefix tests --ignore-scripts")
    page = open_page(browser, "02_tensors.html" if faint != "figcaption" else "01_data.html")
    page.add_style_tag(content=f"{faint} {{ color: #bbb !important; }}")
    assert {rule for rule, _ in axe_finds(page, everything=False)[0]} == {"color-contrast"}
    page.context.close()


def test_pictures_come_when_they_are_near_and_in_the_modern_format(browser):
    page = open_page(browser, "variants.html", 390)
    page.wait_for_timeout(300)
    asked = [url for url in page.requests if "/figures/" in url]
    images = page.locator("main figure img")
    assert len(asked) < images.count() >= 5
    for image in images.all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth > 100)")
    asked = {url for url in page.requests if "/figures/" in url}
    assert len(asked) == images.count()
    assert all(url.endswith(".webp") for url in asked)
    page.context.close()


@pytest.mark.parametrize(
    ("name", "figure"), [("03_gradient_descent", "descent"), ("14_autoencoder", "decoder")]
)
def test_a_figure_to_touch_comes_to_life_from_the_disk(browser, name, figure):
    page = open_page(browser, f"{name}.html", 390)
    page.wait_for_timeout(300)
    data = f"assets/{figure}.js"
    assert not any(url.endswith(data) for url in page.requests)
    page.locator(f"#touch-{figure}").scroll_into_view_if_needed()
    page.locator(f"#touch-{figure}.alive").wait_for()
    assert any(url.endswith(data) for url in page.requests)
    assert page.complaints == []
    page.context.close()


def test_by_night_pictures_stand_on_a_white_card(browser):
    page = open_page(browser, "03_gradient_descent.html", 1280, "dark")
    style = "getComputedStyle(document.querySelector('figure img')).backgroundColor"
    assert page.evaluate(style) == "rgb(255, 255, 255)"
    page.context.close()


# --- the search


def searched(page: Page, query: str) -> list[tuple[str, str]]:
    """Search for something; return where each result leads, and its words."""
    if not page.locator("dialog[open]").count():
        page.locator("button.search").first.click()
    page.locator("dialog input").fill(query)
    page.wait_for_function("window.searchIndex")
    page.locator("dialog .found", has_text=re.compile(r"section|Nothing")).wait_for()
    return page.evaluate(
        """[...document.querySelectorAll("dialog li a")].map((a) => [
            a.getAttribute("href"), a.textContent])"""
    )


@pytest.mark.parametrize(
    ("width", "query", "place"),
    [
        (1280, "broadcasting", "02_tensors.html#ch-tensors-broadcasting"),
        (1280, "zero_grad", "06_optimizer.html#ch-optimizer-zero-grad-sets-none"),
        (1280, "warm-up", "11_checkpoint_and_scheduler.html#"),
        (1280, "warmup", "11_checkpoint_and_scheduler.html#"),
        (390, "broadcas", "02_tensors.html#ch-tensors-broadcasting"),
        (390, "no_grad why", "04_autograd.html#ch-autograd-the-update-and-why-it-needs-no-grad"),
    ],
)
def test_the_search_finds_the_right_chapter_from_the_disk(browser, width, query, place):
    page = open_page(browser, "13_hyperparameter_search.html", width)
    results = searched(page, query)
    address, words = results[0]
    assert address.startswith(place) or address.replace("_", "-").startswith(
        place.replace("_", "-")
    ), results[:3]
    marks = page.locator("dialog li").first.locator("mark").all_text_contents()
    assert {mark.lower().replace("-", "") for mark in marks} <= {
        word.replace("-", "") for word in query.split()
    }
    assert " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} " in words
    page.locator("dialog li a").first.click()
    page.wait_for_url(f"**/{address}")
    heading = page.locator(f"[id='{address.partition('#')[2]}']")
    assert heading.evaluate("h => h.tagName") in ("H1", "H2")
    assert 0 <= heading.bounding_box()["y"] < 300
    assert page.complaints == []
    page.context.close()


def test_all_words_must_be_found_and_marks_are_text(browser):
    page = open_page(browser, "01_data.html")
    assert searched(page, "zero_grad nonesuchword") == []
    assert page.locator("dialog .found").text_content() == "Nothing found"
    one, other = searched(page, "momentum"), searched(page, "adam")
    both = searched(page, "momentum adam")
    places = [{address for address, _ in found} for found in (one, other, both)]
    assert set() < places[2] <= places[0] & places[1]
    for odd in ("<b>", "a[", "(", "\\", "* ."):
        page.locator("dialog input").fill(odd)
    assert page.locator("dialog li b").count() == 0
    assert page.complaints == []
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_keyboard_searches(browser, width):
    page = open_page(browser, "01_data.html", width)
    page.keyboard.press("/")
    page.locator("dialog[open]").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    page.keyboard.type("broadcasting")
    page.locator("dialog li a").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = page.locator("dialog li a").nth(1)
    assert second.evaluate("a => a === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    page.keyboard.press("Escape")
    assert not page.locator("dialog[open]").count()
    page.locator("button.search").first.focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Enter")  # to the first result
    page.wait_for_url("**/02_tensors.html#ch-tensors-broadcasting")
    assert page.complaints == []
    page.context.close()


# --- reading


def test_the_copy_button_brings_in_what_stands_on_other_pages(browser):
    page = open_page(browser, "07_loss.html", permissions=["clipboard-read", "clipboard-write"])
    block = page.locator(".block:has(> .set-up)").first
    assert "<<data>>" in block.locator("pre").first.text_content()
    block.locator("summary").first.click()
    block.hover()
    block.locator(".copy").click()
    block.locator(".copy", has_text="Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert "<<" not in text
    script = (ROOT / "tangled" / "07_loss.py").read_text(encoding="utf-8")
    assert script.startswith(text.rstrip("\n"))
    page.context.close()


def test_a_link_to_folded_code_on_another_page_unfolds_it(browser):
    page = open_page(browser, "01_data.html")
    page.goto((SITE / "07_loss.html").as_uri())
    key = page.evaluate("document.querySelector('.block[id]:has(> .set-up)').id")
    page.goto(f"{(SITE / '01_data.html').as_uri()}")
    page.goto(f"{(SITE / '07_loss.html').as_uri()}#{key}")
    assert page.locator(f"#{key} > .set-up pre").first.is_visible()
    page.context.close()


def test_one_can_read_the_whole_post_by_turning_pages(browser):
    page = open_page(browser, "index.html", 390)
    titles = []
    while page.locator("a[rel=next]").count():
        page.locator("a[rel=next]").click()
        page.wait_for_load_state()
        titles.append(page.locator("h1").evaluate("h => h.firstChild && h.textContent"))
    titles = [title.removesuffix(" #") for title in titles]
    assert titles == [re.sub(r"=(\S+)=", r"\1", title) for title in CHAPTERS]
    page.context.close()


def test_on_a_phone_the_contents_fold_and_lead_to_other_chapters(browser):
    page = open_page(browser, "03_gradient_descent.html", 390)
    summary, entries = page.locator(".contents summary"), page.locator(".contents ol").first
    assert not entries.is_visible()
    assert summary.text_content().startswith("3. ")
    summary.click()
    assert entries.is_visible()
    page.locator(".contents a", has_text="12. ").click()
    page.wait_for_url("**/12_parallelism.html")
    page.locator(".contents summary").click()
    page.locator(".contents .home").click()
    page.wait_for_url("**/index.html")
    page.context.close()


def test_the_contents_show_where_one_is_and_the_search_stays_in_sight(browser):
    page = open_page(browser, "07_loss.html")
    page.evaluate("document.getElementById('ch-loss-reduction').scrollIntoView()")
    drawn(page)
    assert page.locator(".contents [aria-current]").all_text_contents() == ["reduction"]
    assert 0 <= page.locator("button.search").bounding_box()["y"] < 300
    page.context.close()


def test_without_scripts_everything_is_there_to_read(browser):
    page = open_page(browser, "03_gradient_descent.html", 390, java_script_enabled=False)
    assert page.locator(".contents ol").first.is_visible()
    assert not page.locator("button.search").is_visible()
    assert page.locator(".copy").count() == 0
    page.locator("main .set-up summary").first.click()
    assert page.locator("main .set-up pre").first.is_visible()
    page.context.close()


def test_on_paper_there_is_nothing_to_click(browser):
    page = open_page(browser, "03_gradient_descent.html")
    page.emulate_media(media="print")
    for gone in (".contents", ".turns", "button.search", ".copy"):
        assert not page.locator(gone).first.is_visible(), gone
    assert page.locator("h1").is_visible()
    page.context.close()


def test_a_page_works_below_any_path_of_a_server(browser, tmp_path):
    """What a server does: the folder lies somewhere else, and not at its root."""
    other = Path(shutil.copytree(SITE, tmp_path / "some" / "where"))
    page = open_page(browser, "index.html")
    page.goto((other / "07_loss.html").as_uri())
    searched(page, "broadcasting")
    page.locator("dialog li a").first.click()
    page.wait_for_url(f"{(other / '02_tensors.html').as_uri()}#*")
    assert page.complaints == []
    page.context.close()
