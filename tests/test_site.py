"""The site as files: its pages, where links lead, pictures, what it says of itself, what it finds.

What only a browser can tell, and the site of the post itself, are in tests/long/.
"""

import contextlib
import io
import json
import re
import shutil
from itertools import pairwise

import pytest
from PIL import Image

from links import problems_of
from literate import pictures
from literate.files import sum_at
from orgs import snapshot
from posts import FIGURE, block, chapter, command, plain, png, write

INTRO = "You know Python, and you want to know what PyTorch does when it trains. It is small.\n\n"
LONG = "It goes on with words and more words that fill the line until it is long enough. " * 3
TEXT = (
    INTRO
    + chapter("1. Data & more", "01_data", f"How can we tell? {LONG}\n\n")
    + block("import os", name="start")
    + "** A part\n"
    + block("# %% A part\nprint('printed')")
    + block("x = 1", name="shared")
    + FIGURE.format("figures/a")
    + "See [[#02_loss-a-part][the other part]]\nand \\(\\frac ab\\) or \\(a^b\\). "
    + "Broadcasting helps.\n\n"
    + chapter("2. Losses", "02_loss", "A loss is =optimizer.zero_grad()= of it.\n\n")
    + "** A part\n"
    + block("# %% A part\n<<shared>>\ny = x << 1")
    + "| a row | of cells |\n| and | another |\n\n"
    + "".join(FIGURE.format("figures/" + name) for name in "bcd")
    + "See [[#code-shared][the block]], [[#01_data][chapter 1]] and [[#figure-a][a figure]].\n\n"
    + "* An appendix\n:PROPERTIES:\n:CUSTOM_ID: app-more\n:END:\n\nThe end.\n"
)
REPORT = "# Contributing\n\n## Report an error\n\nSay what `make doctor` says, see [it](LICENSE).\n"
PAGES = ["index.html", "01_data.html", "02_loss.html", "more.html"]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """Let no test know of a forge, unless it says so."""
    for variable in ("REPOSITORY", "SITE_URL"):
        monkeypatch.delenv(variable, raising=False)


def make_site(folder):
    """Write the site of the post in a folder; return the site's folder."""
    status, out, errors = command(folder, "site", "post.org", "site")
    assert (status, errors) == (0, "")
    assert out.splitlines()[-1].startswith("wrote site: ")
    return folder / "site"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a project with a small post and its site."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "figures").mkdir()
    for place, name in enumerate("abcd"):
        (folder / "figures" / f"{name}.png").write_bytes(png(60 + 10 * place, 20))
    (folder / "CONTRIBUTING.md").write_text(REPORT)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "01_data.ipynb").write_text("{}")
    (folder / "post.html").write_text("the page")
    write(folder, TEXT)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("REPOSITORY", "SITE_URL"):
            patch.delenv(variable, raising=False)
        make_site(folder)
    return folder


@pytest.fixture
def project(made, tmp_path):
    """Return a copy of it, with the same times."""
    return shutil.copytree(made, tmp_path / "project")


def html_of(folder, name):
    """Return the text of a page of the site in a project."""
    return (folder / "site" / name).read_text(encoding="utf-8")


def index_of(folder):
    """Return what the search reads, {page: [[key, title, sentences, lines of code], …]}."""
    text = html_of(folder, "assets/search-index.js")
    assert text.startswith("window.searchIndex = ")
    return dict(json.loads(text.removeprefix("window.searchIndex = ").removesuffix(";\n")))


# --- pages and links


def test_there_is_a_page_for_each_chapter_and_one_to_start_from(made):
    assert sorted(path.name for path in (made / "site").glob("*.html")) == sorted(
        [*PAGES, "post.html"]
    )
    titles = [re.search("<title>(.*)</title>", html_of(made, name))[1] for name in PAGES]
    post = "Tests &amp; trials"
    chapters = ("1. Data &amp; more", "2. Losses", "An appendix")
    assert titles == [post, *(f"{chapter} | {post}" for chapter in chapters)]


def test_every_link_arrives_and_nothing_comes_from_elsewhere(made):
    assert problems_of(made / "site", [made / "site" / name for name in PAGES]) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('href="assets/site.css"', 'href="/assets/site.css"', "/assets/site.css is no file here"),
        ('src="assets/site.js"', 'src="https://x.org/a.js"', "https://x.org/a.js is no file here"),
        ("02_loss.html#02_loss-a-part", "02_loss.html#gone", "02_loss.html#gone is no place there"),
        ('id="01_data-a-part"', 'id="01_data"', "#01_data is there twice"),
    ],
)
def test_a_link_that_is_wrong_is_noticed(project, old, new, problem):
    page = project / "site" / "01_data.html"
    text = page.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    page.write_text(text.replace(old, new), encoding="utf-8")
    problems = problems_of(project / "site", [project / "site" / name for name in PAGES])
    assert f"01_data.html: {problem}" in problems


def test_a_link_leads_to_the_page_where_its_target_is(made):
    links = dict(re.findall(r'<a href="([^"]*)">(.*?)</a>', html_of(made, "02_loss.html")))
    assert links["01_data.html#code-shared"] == "the block"
    assert links["01_data.html#figure-a"] == "a figure"
    assert '<a href="01_data.html">chapter 1</a>' in html_of(made, "02_loss.html")
    assert '<a class="r" href="01_data.html#code-shared">' in html_of(made, "02_loss.html")
    assert 'in <a href="#01_data.py">01_data.py</a>, <a href="02_loss.html#02_loss.py">' in (
        html_of(made, "01_data.html")
    )


def test_code_that_looks_like_a_link_stays_as_it_is(tmp_path):
    text = chapter("One", "01_a", block("""print('<a href="#02_b">')""", name="x"))
    write(tmp_path, text + chapter("Two", "02_b", "Words. [[#code-x][Back]]\n"))
    html = (make_site(tmp_path) / "01_a.html").read_text(encoding="utf-8")
    assert plain(re.search(r"<samp>(.*?)</samp>", html, re.S)[1]) == '<a href="#02_b">\n'


def test_one_can_turn_from_each_page_to_the_next_and_back(made):
    turns = [
        dict(re.findall(r'<a rel="(\w+)" href="([^"]+)">', html_of(made, name))) for name in PAGES
    ]
    assert [one.get("next") for one in turns] == [*PAGES[1:], None]
    assert [one.get("prev") for one in turns] == [None, *PAGES[:-1]]


def test_contents_list_all_chapters_and_the_sections_of_this_one(made):
    contents = re.search(r"<details open>(.*?)</details>", html_of(made, "02_loss.html"), re.S)[1]
    links = re.findall(r'<li><a href="([^"]+)">', contents)
    assert links == ["01_data.html", "#02_loss", "#02_loss-a-part", "more.html"]


def test_the_start_says_what_it_is_and_lists_chapters_with_sections(made):
    html = html_of(made, "index.html")
    assert "<p>You know Python, and you want to know" in html
    chapters = re.search(r'<ol class="chapters">(.*?)</ol>', html, re.S)[1]
    assert re.findall(r'href="([^"]+)"', chapters) == [
        "01_data.html",
        "01_data.html#01_data-a-part",
        "02_loss.html",
        "02_loss.html#02_loss-a-part",
        "more.html",
    ]
    assert '<a href="post.html" download>one page</a>' in html


def test_sections_that_many_chapters_have_are_not_listed_at_the_start(tmp_path):
    names = [f"part{number}" for number in range(1, 6)]
    parts = "".join(
        chapter(name, name, "A.\n\n") + f"** Own {name}\n\nB.\n\n** Exercises\n\nC.\n\n"
        for name in names
    )
    write(tmp_path, INTRO + parts)
    make_site(tmp_path)
    start = plain(html_of(tmp_path, "index.html"))
    assert all(f"Own {name}" in start for name in names)
    assert "Exercises" not in start
    assert "Exercises" in plain(html_of(tmp_path, "part1.html"))


def test_the_picture_at_the_start_leads_to_its_figure(made, tmp_path):
    cover = re.search(r'<a class="cover" href="([^"]+)">(.*?)</a>', html_of(made, "index.html"))
    assert cover[1] == "01_data.html#figure-a"
    assert 'srcset="figures/a.webp"' in cover[2]
    write(tmp_path, INTRO)
    make_site(tmp_path)
    assert "cover" not in html_of(tmp_path, "index.html")


def test_headings_begin_with_one_of_the_first_level(made):
    for name in PAGES:
        levels = [int(level) for level in re.findall(r"<h(\d)", html_of(made, name))]
        assert levels[0] == 1 and levels.count(1) == 1, name
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_script_and_its_notebook_lie_beside_the_page(made):
    line = re.search(r'<p class="script" id="01_data.py">.*?</p>', html_of(made, "01_data.html"))[0]
    assert re.findall(r'href="([^"]+)" download', line) == [
        "tangled/01_data.py",
        "notebooks/01_data.ipynb",
    ]
    for name in ("tangled/01_data.py", "tangled/02_loss.py", "notebooks/01_data.ipynb"):
        assert (made / "site" / name).read_bytes() == (made / name).read_bytes()
    assert "ipynb" not in html_of(made, "02_loss.html")


def test_code_on_other_pages_is_at_hand_for_the_button_that_copies(made):
    found = {
        name: json.loads(re.search(r'id="elsewhere">(.*?)</script>', html_of(made, name))[1])
        for name in PAGES
    }
    assert found == {name: {} for name in PAGES} | {"02_loss.html": {"shared": "x = 1"}}


# --- pictures


def test_pictures_have_sizes_and_come_late_but_for_one_that_is_seen_at_once(made):
    images = re.findall(
        r'<picture><source srcset="figures/(\w)\.webp" type="image/webp">'
        r'<img src="figures/(\w)\.png"([^>]*)></picture>',
        html_of(made, "01_data.html") + html_of(made, "02_loss.html"),
    )
    assert [one for one, _, _ in images] == [one for _, one, _ in images] == list("abcd")
    for place, (_, _, rest) in enumerate(images):
        assert f'width="{30 + 5 * place}" height="10"' in rest
        assert 'alt="All black &amp; flat"' in rest
        assert ("lazy" not in rest) == (place == 1)  # with which chapter 2 nearly begins
    assert (made / "site" / "figures" / "a.png").read_bytes() == png(60, 20)


def test_the_modern_picture_has_the_same_pixels():
    made = io.BytesIO()
    drawn = Image.effect_noise((64, 48), 90).convert("RGBA")
    drawn.putalpha(Image.linear_gradient("L").resize((64, 48)).point(lambda a: max(a, 1)))
    drawn.save(made, "PNG")
    content = pictures.webp_of(made.getvalue(), "a.png")
    with Image.open(io.BytesIO(content)) as modern:
        assert modern.format == "WEBP"
        assert modern.convert("RGBA").tobytes() == drawn.tobytes()
    assert pictures.webp_of(made.getvalue(), "a.png") == content


def test_a_picture_is_made_again_only_when_it_is_another(project, monkeypatch):
    made = []
    save = Image.Image.save
    monkeypatch.setattr(
        Image.Image, "save", lambda self, *a, **k: (made.append(self.size), save(self, *a, **k))
    )
    make_site(project)
    assert made == []
    (project / "figures" / "b.png").write_bytes(png(44, 44))
    make_site(project)
    assert made == [(44, 44)]


def test_a_picture_that_cannot_be_read_is_named(project):
    broken = png(60, 20)
    at = broken.index(b"IDAT")
    (project / "figures" / "a.png").write_bytes(broken[: at + 4] + b"no" + broken[at + 6 :])
    before = snapshot(project / "site")
    status, _, errors = command(project, "site", "post.org", "site")
    assert status == 1
    assert errors.startswith("figures/a.png cannot be read as a picture: ")
    assert errors.count("\n") == 1
    assert snapshot(project / "site") == before


def test_a_figure_to_touch_gets_its_script_and_its_data_on_its_page_alone(tmp_path):
    figure = FIGURE.replace("#+attr_html: :alt", "#+attr_html: :data-touch descent :alt")
    write(tmp_path, chapter("One", "01_a", "Words.\n\n") + chapter("Two", "02_b", "Words.\n\n"))
    text = (tmp_path / "post.org").read_text(encoding="utf-8")
    (tmp_path / "post.org").write_text(text + figure.format("a"), encoding="utf-8")
    (tmp_path / "a.png").write_bytes(png())
    data = {"x": [0, 1], "y": [1, 3], "start": [0, 0], "orders": [[1, 0]]}
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "descent.json").write_text(json.dumps(data))
    site = make_site(tmp_path)
    one, two = ((site / name).read_text(encoding="utf-8") for name in ("01_a.html", "02_b.html"))
    assert '<template id="data-descent" data-source="assets/descent.js"></template>' in two
    assert '<script src="assets/touch.js" defer></script>' in two
    assert two.index('<img src="a.png"') < two.index('id="touch-descent"')
    assert "touch" not in one
    assert (site / "assets/descent.js").read_text().startswith("touchData.descent = {")
    assert ".touch " in (site / "assets/site.css").read_text(encoding="utf-8")
    assert problems_of(site, sorted(site.glob("*.html"))) == []


# --- what a page says of itself


def said(html, key):
    """Return what a page says of itself under a key, or nothing."""
    found = re.search(rf'<meta (?:name|property)="{key}" content="([^"]*)">', html)
    return found and found[1]


def test_a_page_describes_itself(made):
    start, one, two, _ = (html_of(made, name) for name in PAGES)
    assert said(start, "description") == INTRO.strip()
    assert said(start, "og:type") == "website"
    about = said(one, "description")
    assert about.startswith("How can we tell? It goes on with words")
    assert 80 < len(about) <= 160
    assert about.endswith(".") and about in f"How can we tell? {LONG}"
    assert said(one, "og:title") == "1. Data &amp; more"
    previews = [said(html_of(made, name), "og:image") for name in PAGES]
    assert previews == [f"figures/{name}.png" for name in "aaba"]
    for html in (start, one, two):
        assert 'rel="canonical"' not in html
        assert "og:url" not in html
    assert not (made / "site" / "404.html").exists()


def test_a_long_sentence_is_cut_between_words(tmp_path):
    sentence = "Short. " + "word " * 60
    write(tmp_path, chapter("One", "01_a", f"{sentence}\n"))
    about = said((make_site(tmp_path) / "01_a.html").read_text(encoding="utf-8"), "description")
    assert 150 < len(about) <= 160
    assert about.endswith("word…")


@pytest.mark.parametrize("url", ["https://a.org/b", "https://a.org/b/"])
def test_where_the_place_of_the_site_is_known_addresses_are_whole(project, monkeypatch, url):
    monkeypatch.setenv("SITE_URL", url)
    make_site(project)
    for name, place in zip(PAGES, ["", *PAGES[1:]], strict=True):
        html = html_of(project, name)
        assert f'<link rel="canonical" href="https://a.org/b/{place}">' in html
        assert said(html, "og:url") == f"https://a.org/b/{place}"
        assert said(html, "og:image").startswith("https://a.org/b/figures/")
    assert '<base href="https://a.org/b/">' in html_of(project, "404.html")
    monkeypatch.delenv("SITE_URL")
    make_site(project)
    assert not (project / "site" / "404.html").exists()  # what a site has no longer is removed


@pytest.mark.parametrize("variable", ["SITE_URL", "REPOSITORY"])
@pytest.mark.parametrize("address", ["file:///a", "a.org", 'https://a.org/"x', "https://a.org/ b"])
def test_an_address_that_is_none_is_refused(project, monkeypatch, variable, address):
    monkeypatch.setenv(variable, address)
    before = snapshot(project / "site")
    status, out, errors = command(project, "site", "post.org", "site")
    assert (status, out) == (1, "")
    assert errors == f"{variable} is {address!r}: it begins with https:// and names no place\n"
    assert snapshot(project / "site") == before


# --- the footer


def footer_of(html):
    """Return the footer of a page, its words and its links."""
    footer = html.split("<footer>")[1].split("</footer>")[0]
    return " ".join(plain(footer).split()), re.findall(r'href="([^"]+)"', footer)


LICENCES = ["https://opensource.org/license/mit", "https://creativecommons.org/licenses/by/4.0/"]


def test_the_footer_says_of_the_run_the_licences_the_source_and_errors(made):
    for name in PAGES:
        words, links = footer_of(html_of(made, name))
        assert words.startswith("Run (device: cpu). Code: MIT licence (the file LICENSE).")
        assert words.endswith("Source Report an error Say what make doctor says, see it.")
        assert links == [*LICENCES, "post.org"]
    assert (made / "site" / "post.org").read_bytes() == (made / "post.org").read_bytes()


def test_the_footer_leads_to_a_forge_where_there_is_one(project, monkeypatch):
    monkeypatch.setenv("REPOSITORY", "https://a.org/b/c/")
    make_site(project)
    assert command(project, "page", "post.org", "post.html")[0] == 0
    for html in (html_of(project, "01_data.html"), (project / "post.html").read_text("utf-8")):
        words, links = footer_of(html)
        assert links == [*LICENCES, "https://a.org/b/c", "https://a.org/b/c/issues"]
        assert words.endswith("Source · Report an error")
    assert not (project / "site" / "post.org").exists()


def test_the_one_page_says_how_to_report_an_error(project):
    assert command(project, "page", "post.org", "post.html")[0] == 0
    words, links = footer_of((project / "post.html").read_text("utf-8"))
    assert words.endswith("Report an error Say what make doctor says, see it.")
    assert links == LICENCES


def test_the_footer_says_when_and_with_what_it_ran(project):
    for path in (project / "logs").glob("*.json"):
        found = json.loads(path.read_text())
        path.write_text(json.dumps(found | {"date": "2026-11-28", "versions": {"numpy": "2.4"}}))
    make_site(project)
    assert footer_of(html_of(project, "01_data.html"))[0].startswith(
        "Run on 2026-11-28 (device: cpu) with NumPy 2.4. Code: "
    )


def test_a_contributing_file_without_that_section_is_refused(project):
    (project / "CONTRIBUTING.md").write_text("# Contributing\n")
    status, _, errors = command(project, "site", "post.org", "site")
    assert status == 1
    assert errors == ("CONTRIBUTING.md has no section 'Report an error', which the footer shows\n")


# --- the search


def test_the_search_knows_sentences_rows_and_code_of_each_section(made):
    index = index_of(made)
    assert list(index) == PAGES[1:]
    (first, part), (loss, other), (end,) = index.values()
    assert first[:2] == ["01_data", "1. Data & more"]
    assert first[2][:2] == ["How can we tell?", LONG.split(". ")[0] + "."]
    assert part[2] == [
        "Figure 1. A figure with code.",
        "See the other part and … or ab.",
        "Broadcasting helps.",
    ]
    assert part[3] == ["print('printed')", "x = 1"]  # and not what was printed
    assert loss[2] == ["A loss is optimizer.zero_grad() of it."]
    assert other[2][:2] == ["a row · of cells", "and · another"]
    assert other[3] == ["y = x << 1"]  # and no reference
    assert end == ["app-more", "An appendix", ["The end."], []]


# --- the files


def test_the_same_post_gives_the_same_bytes_and_writes_nothing(project):
    before = snapshot(project / "site")
    make_site(project)
    assert snapshot(project / "site") == before
    shutil.rmtree(project / "site")
    make_site(project)
    after = snapshot(project / "site")
    assert {name: one and one[0] for name, one in after.items()} == {
        name: one and one[0] for name, one in before.items()
    }


def test_the_sums_are_those_of_all_files(made):
    rows = (made / "site" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, _, name in (row.partition("  ") for row in rows)}
    files = {path for path in (made / "site").rglob("*") if path.is_file()}
    assert sums == {
        path.relative_to(made / "site").as_posix(): sum_at(path)
        for path in files
        if path.name != "SHA256SUMS"
    }


def test_what_a_site_has_no_longer_is_removed_and_nothing_else(project):
    (project / "site" / "mine.html").write_text("mine")
    write(project, TEXT.replace("app-more", "app-other"))
    make_site(project)
    names = {path.name for path in (project / "site").glob("*.html")}
    assert names == {*PAGES, "other.html", "post.html", "mine.html"} - {"more.html"}


def test_a_number_without_a_proof_stops_the_site(project):
    write(project, TEXT.replace("A loss is", "A loss is 123.4 and"))
    before = snapshot(project / "site")
    status, _, errors = command(project, "site", "post.org", "site")
    assert status == 1
    assert "123.4" in errors
    assert snapshot(project / "site") == before


def test_two_chapters_never_share_a_page(tmp_path):
    heads = "".join(
        f"* {title}\n:PROPERTIES:\n:CUSTOM_ID: {key}\n:END:\n\nWords.\n\n"
        for title, key in (("A", "ch-a"), ("B", "app-a"), ("C", "index"), ("D", "ch-post"))
    )
    write(tmp_path, heads)
    names = {path.name for path in make_site(tmp_path).glob("*.html")}
    assert names == {"index.html", "a.html", "a-.html", "index-.html", "post-.html"}


def test_the_site_needs_no_folder_to_be_there_and_no_particular_place(project):
    with contextlib.chdir(project):
        status, _, errors = command(project, "site", "post.org", "deep/er/site")
    assert (status, errors) == (0, "")
    assert (project / "deep/er/site/01_data.html").read_text("utf-8") == html_of(
        project, "01_data.html"
    )
