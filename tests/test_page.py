"""The page as text: what pandoc's document becomes in HTML, and the page of the post itself.

What only a browser can tell is in tests/long/test_browser.py.
"""

import base64
import functools
import re

import pytest

from conftest import POST, ROOT, TANGLED
from literate.page import page_of
from posts import FIGURE, block, blocks_of, chapter, command, page, plain, png, refusal, the_post

# --- blocks and outputs


def test_an_output_stands_under_the_block_that_printed_it(tmp_path):
    text = chapter("One", "a", block("print(1)") + block("x = 2") + block("print(x)\nprint('end')"))
    html = page(tmp_path, text)
    assert blocks_of(html) == [
        ("print(1)", "1\n"),
        ("x = 2", ""),
        ("print(x)\nprint('end')", "2\nend\n"),
    ]
    assert html.count('<p class="bar">prints</p>') == 2


def test_a_long_output_is_folded_and_whole(tmp_path):
    html = page(tmp_path, chapter("One", "a", block("for i in range(13):\n    print(i)")))
    assert blocks_of(html)[0][1] == "".join(f"{i}\n" for i in range(13))
    assert "<summary>5 more lines</summary>" in html
    html = page(tmp_path, chapter("One", "a", block("for i in range(12):\n    print(i)")))
    assert "<summary>" not in html.split("<main")[1]


def test_a_line_ends_at_its_end_only(tmp_path):
    code = "print(chr(0x2028) * 20, end='')"
    html = page(tmp_path, chapter("One", "a", block(code)))
    assert blocks_of(html) == [(code, "\u2028" * 20)]
    assert "more lines" not in html


def test_code_and_output_are_text_and_no_html(tmp_path):
    code = "print('<b>&amp;</b> \"quoted\"')  # <i> & </i>"
    html = page(tmp_path, chapter("One", "a", block(code)))
    assert blocks_of(html) == [(code, '<b>&amp;</b> "quoted"\n')]
    assert "<b>" not in html
    assert "<title>Tests &amp; trials</title>" in html


def test_weaving_gives_the_same_page_again(tmp_path):
    html = page(tmp_path, chapter("One", "a", block("print(1)")))
    assert command(tmp_path, "page", "post.org", "again.html")[0] == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_what_opens_a_chapter_is_folded_and_what_it_prints_is_not(tmp_path):
    start = block("<<shared>>\nimport os\n\nprint(1)", name="start")
    text = chapter("Zero", "b", block("y = 1", name="shared"))
    text += chapter("One", "a", start + "** Part\n" + block("# %% Part\nprint(2)"))
    html = page(tmp_path, text)
    assert html.count("<details") == 2  # the contents are one, too
    found = re.search(
        r'<div class="block" id="code-start">(.*?)<details class="set-up"><summary>Set-up</summary>'
        r'<pre tabindex="0">(.*?)</pre></details>(.*?)</div></div>',
        html,
        re.S,
    )
    assert plain(found[1]).split() == ["start", "in", "a.py"]
    assert '<a class="r" href="#code-shared">' in found[2]
    assert plain(found[2]) == "<<shared>>\nimport os\n\nprint(1)"
    assert plain(found[3]) == "prints1\n"
    assert "# %%" not in html


# --- names and links


def test_references_and_uses_are_links(tmp_path):
    text = chapter("One", "a", block("x = 1", name="shared"))
    text += chapter("Two", "b", block("<<shared>>\ny = 1 << 2"))
    html = page(tmp_path, text)
    assert '<a class="r" href="#code-shared">&lt;&lt;shared&gt;&gt;</a>' in html
    assert '<div class="block" id="code-shared">' in html
    assert 'in <a href="#a.py">a.py</a>, <a href="#b.py">b.py</a></span>' in html
    assert html.count('class="r"') == 1


def test_many_users_are_named_in_short(tmp_path):
    text = chapter("One", "01_a", block("x = 1", name="shared"))
    for number in range(2, 5):
        text += chapter("More", f"{number:02}_b", block("<<shared>>"))
    html = page(tmp_path, text)
    assert 'in scripts <a href="#01_a.py">01</a>, <a href="#02_b.py">02</a>' in html


def test_blank_lines_between_references_are_narrow_but_there(tmp_path):
    one, two = (block(f"def {name}():\n    pass", ":tangle no", name) for name in "fg")
    text = chapter("One", "a", block("<<f>>\n\n\n<<g>>\n\n\nx = 1") + one + two)
    html = page(tmp_path, text)
    assert html.count('<span class="gap">\n\n\n</span>') == 1
    assert blocks_of(html)[0][0] == "<<f>>\n\n\n<<g>>\n\n\nx = 1"


def test_headings_have_stable_addresses_and_stand_in_the_contents(tmp_path):
    text = "* One\n:PROPERTIES:\n:CUSTOM_ID: one\n:END:\n** Part =x=\n"
    text += "* Two & more\n** Part =x=\n** Other\n"
    html = page(tmp_path, text)
    assert re.findall(r'<h([123]) id="([^"]+)"', html) == [
        ("2", "one"),
        ("3", "one-part-x"),
        ("2", "two-more"),
        ("3", "two-more-part-x"),
        ("3", "two-more-other"),
    ]
    for key in ("one", "two-more-part-x"):
        assert f'<a class="anchor" href="#{key}" aria-label="Link to: ' in html
    contents = html.split("<summary>Contents</summary>")[1].split("</details>")[0]
    contents = contents.split("</script>")[1].strip()
    assert contents == (
        '<ol><li><a href="#one">One</a><ol><li><a href="#one-part-x">Part x</a></li></ol></li>'
        '<li><a href="#two-more">Two &amp; more</a><ol>'
        '<li><a href="#two-more-part-x">Part x</a></li>'
        '<li><a href="#two-more-other">Other</a></li></ol></li></ol>'
    )


def test_an_address_is_text_and_no_html(tmp_path):
    html = page(tmp_path, chapter("One", 'a"><script>b', "Words."))
    assert html.count("<script>") == page(tmp_path, "* One\n").count("<script>")  # our own
    assert html.count('"#a&quot;&gt;&lt;script&gt;b"') == 2


def test_a_script_is_in_the_page_for_download(tmp_path):
    html = page(tmp_path, chapter("One", "a", block("x = 'é'")))
    data = re.search(r'href="data:text/plain;base64,([^"]+)" download="a.py"', html)[1]
    assert base64.b64decode(data).decode() == "x = 'é'\n"
    assert '<p class="script" id="a.py"><code>tangled/a.py</code>' in html


def test_the_licences_are_said_and_linked(tmp_path):
    footer = page(tmp_path, "* One\n").split("<footer>")[1].split("</footer>")[0]
    said = " ".join(plain(footer).split())
    assert "Code: MIT licence (the file LICENSE)" in said
    assert "Prose and figures: CC BY 4.0 (the file LICENSE-text)" in said
    assert re.findall('href="([^"]+)"', footer) == [
        "https://opensource.org/license/mit",
        "https://creativecommons.org/licenses/by/4.0/",
    ]


def test_the_page_says_that_a_chapter_ran_elsewhere(tmp_path):
    html = page(tmp_path, chapter("One", "a", block("device = 'cuda:0'\nprint(7)")))
    assert "<p>This chapter ran on cuda:0, which draws other random numbers" in html


# --- figures, formulas, tables, examples


def test_figures_are_numbered_described_and_inside(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png(50, 70))
    html = page(tmp_path, "* One\n" + FIGURE.format("a") + FIGURE.format("b"))
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    assert [re.search(r"Figure \d\.", figure)[0] for figure in figures] == [
        "Figure 1.",
        "Figure 2.",
    ]
    assert figures[1].startswith('<figure id="figure-b">')
    assert 'alt="All black &amp; flat"' in figures[0]
    data = re.search(r'src="data:image/png;base64,([^"]+)"', figures[0])[1]
    assert base64.b64decode(data) == png()
    assert "with <code" in figures[0]


def test_figures_are_shown_at_half_their_pixels(tmp_path):
    (tmp_path / "b.png").write_bytes(png(50, 70))
    html = page(tmp_path, "* One\n" + FIGURE.format("b"))
    assert re.search(r'width="(\d+)" height="(\d+)"', html).groups() == ("25", "35")


def test_a_tall_figure_fits_into_a_window(tmp_path):
    (tmp_path / "b.png").write_bytes(png(100, 2000))
    html = page(tmp_path, "* One\n" + FIGURE.format("b"))
    assert re.search(r'width="(\d+)" height="(\d+)"', html).groups() == ("45", "900")


def test_a_picture_with_panels_in_a_row_scrolls_and_another_does_not(tmp_path):
    (tmp_path / "a.png").write_bytes(png(23, 10))
    (tmp_path / "b.png").write_bytes(png(22, 10))
    html = page(tmp_path, "* One\n" + FIGURE.format("a") + FIGURE.format("b"))
    wide, other = re.findall(r"<figure.*?</figure>", html, re.S)
    assert re.search(r'<div class="wide" tabindex="0">\s*<img[^>]*>\s*</div>', wide)
    assert "wide" not in other


def test_formulas_tables_and_examples(tmp_path):
    text = "* One\nInline \\(a^2\\) and\n\\[ b = \\frac12 \\]\n"
    text += "\\begin{align*}\nx &= 1 \\\\\ny &= 2\n\\end{align*}\n\n"
    text += "| a | b |\n|---+---|\n| 1 | =a.b= |\n| 2 | =f(x=0.9, y)= |\n\n"
    text += "#+begin_example\nas it is\n#+end_example\n"
    html = page(tmp_path, text)
    assert html.count("<math") == 3
    assert html.count('class="wide" tabindex="0"') == 3
    assert "<mtable" in html
    assert "<code>a.<wbr>b</code>" in html
    assert "<code>f(<wbr>x=<wbr>0.9, y)</code>" in html  # a number stays whole
    assert "as it is\n" in html
    assert 'class="block"' not in html


def test_other_languages_are_coloured(tmp_path):
    text = "* One\n#+begin_src sh\necho 1  # a comment\n#+end_src\n\n"
    html = page(tmp_path, text)
    assert '<span class="c"># a comment</span>' in html


def test_a_diff_is_coloured_and_names_the_blocks_that_it_is_made_from(tmp_path):
    text = block("old", ":tangle no", "one") + block("new", ":tangle no", "other")
    text += "#+begin_src diff :from one :to other\n-old\n+new\n#+end_src\n"
    html = page(tmp_path, "* One\n" + text)
    assert re.search(r'<span class="x">-old</span>\s+<span class="i">\+new</span>', html)
    names = (
        '<a class="name" href="#code-one">one</a>',
        '<a class="name" href="#code-other">other</a>',
    )
    assert f'<div class="block"><p class="bar">from {names[0]} to {names[1]}</p><pre' in html
    assert html.count("from <a") == 1


def test_a_language_that_is_unknown(tmp_path):
    line = refusal(tmp_path, "* One\n\n#+begin_src nonesuch\nx\n#+end_src\n")
    assert line == "post.org:6: there are no colours for the language 'nonesuch'"


# --- the page of the post itself


@functools.cache
def real():
    """Return the post, and the page that 'make' left of it."""
    path = ROOT / "pytorch-first-principles.html"
    assert path.exists(), "these tests look at what 'make all' made: run it first"
    return the_post(), path.read_text(encoding="utf-8")


def test_the_page_is_what_the_post_weaves_to():
    post, html = real()
    assert page_of(post) == html
    assert len(html.encode()) < 8e6


def test_every_output_of_the_post_stands_right_under_its_block():
    """The page shows what each block printed, in the order of the Org file, and nothing else."""
    post, html = real()
    expected = []
    for one in post.blocks:
        rows = [row for row in one.body if not row.strip().startswith("# %%")]
        rows = rows[1:-1] if "/solutions/" in one.arguments["tangle"] else rows
        if code := "\n".join(rows).strip("\n"):
            expected.append((code, post.printed.get(one.line, "")))
    assert blocks_of(html) == expected
    assert len(expected) > 150
    assert not re.search(r"^\s*# %%", html, re.M)


def test_the_page_says_what_the_logs_say():
    """Under the blocks of each chapter stands its log, no more and no less."""
    outputs, name = {}, ""
    pattern = r'<p class="script" id="([^"]+)\.py">|<samp>(.*?)</samp>'
    for script, output in re.findall(pattern, real()[1], re.S):
        if script:
            name = script
        else:
            outputs[name] = outputs.get(name, "") + plain(output)
    logs = {log.stem: log.read_text(encoding="utf-8") for log in (ROOT / "logs").glob("*.log")}
    assert len(logs) == 17
    assert outputs == logs


def test_every_figure_is_the_one_that_its_script_drew():
    figures = re.findall(
        r'<figure id="figure-([^"]+)">.*?<img\s+src="data:image/png;base64,([^"]+)"'
        r".*?<strong>Figure (\d+)\.</strong>",
        real()[1],
        re.S,
    )
    names = re.findall(r"^\[\[file:figures/(.*)\.png\]\]$", POST, re.MULTILINE)
    assert [(name, number) for name, _, number in figures] == [
        (name, str(number)) for number, name in enumerate(names, 1)
    ]
    for name, data, _ in figures:
        assert base64.b64decode(data) == (ROOT / "figures" / f"{name}.png").read_bytes(), name


def test_a_full_width_figure_has_pixels_for_a_sharp_screen():
    sizes = [
        tuple(map(int, size))
        for size in re.findall(r'<img[^>]* width="(\d+)" height="(\d+)"', real()[1])
    ]
    assert len(sizes) == len(list((ROOT / "figures").glob("*.png")))
    assert max(width for width, _ in sizes) >= 800


def test_addresses_are_there_once_and_links_arrive():
    html = re.sub(r"(?s)<script>.*?</script>|<style>.*?</style>", "", real()[1])
    tags = "".join(re.findall(r"<\w[^>]*>", html))
    keys = re.findall(r'\sid="([^"]+)"', tags)
    links = re.findall(r'\shref="([^"]*)"', tags)
    assert len(keys) == len(set(keys))
    assert {link[1:] for link in links if link.startswith("#")} <= set(keys)
    outside = {link.partition(":")[0] for link in links if not link.startswith("#")}
    assert outside == {"https", "data"}
    assert all(
        link.startswith("data:text/plain;base64,") or link == "data:,"
        for link in links
        if link.startswith("data:")
    )
    assert not re.search(r"\son\w+=", tags)


def test_every_chapter_folds_its_set_up_and_nothing_else():
    html = real()[1]
    assert html.count('<details class="set-up">') >= 14
    for part in re.split(r'<p class="script" id="', html)[1:]:
        if re.match(r"\d\d_", part):
            assert part.partition("<h")[0].count('<details class="set-up">') == 1, part[:20]
            assert (
                part.partition("<h")[2].count('<details class="set-up">') == 0 or "mnist.py" in part
            )


def test_every_script_is_in_the_page():
    found = re.findall(r'base64,([^"]+)" download="([^"]+)"', real()[1])
    assert {name: base64.b64decode(data) for data, name in found} == {
        path.name: path.read_bytes()
        for folder in (TANGLED, TANGLED / "exercises")
        for path in folder.glob("*.py")
    }


@pytest.mark.parametrize("level", [1, 2])
def test_all_headings_are_in_the_contents(level):
    post, html = real()
    contents = html.split("<nav")[1].split("</nav>")[0]
    for heading in post.headings:
        assert f'<a href="#{heading.key}">' in contents
        assert re.search(rf'<h[23] id="{re.escape(heading.key)}"', html)
    numbered = [one for one in post.headings if one.level == 1 and one.title[0].isdigit()]
    assert len(numbered) == 14
