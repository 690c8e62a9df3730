"""org.py reads blocks as Emacs does, and refuses what Emacs may read otherwise."""

import re

import pytest

from orgs import fails_with_one_line, named, org_text, run, snapshot, tangled_text


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (":tangle a.py", "a.py"),
        (":tangle a.py :tangle b.py", "b.py"),
        (":tangle a.py\n#+property: header-args:python :noweb yes", None),
        (":tangle a.py\n#+property: header-args:python+ :noweb yes", "a.py"),
        (":noweb no\n#+PROPERTY: HEADER-ARGS:Python+ :tangle a.py", "a.py"),
        (":tangle a.py\n#+property: header-args :tangle b.py", "a.py"),
    ],
)
def test_file_level_arguments(properties, expected):
    text = f"#+property: header-args:python {properties}\n" + org_text("x", "")
    assert list(tangled_text(text)) == ([expected] if expected else [])


def test_an_added_property_before_its_base_is_replaced_by_it():
    text = "#+property: header-args+ :tangle a.py\n#+property: header-args :noweb yes\n"
    assert tangled_text(text + org_text("x", "")) == {}


@pytest.mark.parametrize(
    ("drawer", "expected"),
    [
        ("", "file.py"),
        (":header-args: :tangle a.py", "file.py"),  # the language's own argument wins
        (":header-args:python: :noweb yes", None),
        (":header-args:python+: :tangle a.py", "a.py"),
        (":header-args:python+: :tangle a.py\n:header-args:python+: :noweb yes", "a.py"),
        (":header-args:python+: :tangle a.py\n:header-args:python: :tangle b.py", "a.py"),
        (":header-args:sh: :tangle a.py", "file.py"),
    ],
)
def test_arguments_of_a_heading(drawer, expected):
    text = "#+property: header-args:python :tangle file.py\n* One\n:PROPERTIES:\n"
    text += f"{drawer}\n:END:\n" if drawer else ":END:\n"
    assert list(tangled_text(text + org_text("x", ""))) == ([expected] if expected else [])


def test_a_heading_inherits_from_its_parents_and_not_from_its_neighbours():
    parent = "\n* A\n:PROPERTIES:\n:header-args: :tangle a.py\n:END:\n** B\n:PROPERTIES:\n"
    text = parent + ":header-args: :tangle b.py\n:END:\n** C\n" + org_text("c", "")
    assert tangled_text(text) == {"a.py": "c\n"}
    assert tangled_text(text + "* D\n" + org_text("d", "")) == {"a.py": "c\n"}


def test_a_property_is_no_property_inside_a_block():
    text = org_text("#+property: header-args :tangle b.py", ":tangle no")
    assert tangled_text(text + org_text("x", "")) == {}


# --- what is refused: one line, exit status 1, nothing written

MUST_REFUSE = {
    "unknown reference": (org_text("x\n  <<y>>"), 3, "no block is named 'y'"),
    "cycle": (
        named("a", "<<b>>", ":noweb yes") + named("b", "<<a>>", ":noweb yes"),
        7,
        "a -> b -> a",
    ),
    "cycle of one": (named("a", "<<a>>", ":noweb yes"), 3, "a -> a"),
    "cycle of three": (
        org_text("<<a>>")
        + named("a", "<<b>>", ":noweb yes")
        + named("b", "<<c>>", ":noweb yes")
        + named("c", "<<a>>", ":noweb yes"),
        14,
        "a -> b -> c -> a",
    ),
    "cycle of noweb-ref": (org_text("<<r>>", ":noweb yes :noweb-ref r"), 2, "r -> r"),
    "name twice": (named("a", "1") + named("a", "2"), 5, "'a' is defined twice, first in line 1"),
    "name twice but for case": (named("Data", "1") + named("data", "2"), 5, "first in line 1"),
    "name of a noweb-ref": (named("a", "1") + org_text("2", ":noweb-ref a"), 5, "twice"),
    "name of a heading": (
        "text\n* H\n:PROPERTIES:\n:CUSTOM_ID: a\n:END:\n" + named("a", "1"),
        6,
        "first in line 4",
    ),
    "above the folder": (org_text("x", ":tangle ../../x.py"), 1, "../../x.py"),
    "absolute target": (org_text("x", ":tangle /tmp/x.py"), 1, "/tmp/x.py"),
    "home target": (org_text("x", ":tangle ~/x.py"), 1, "~/x.py"),
    "unclosed block": ("text\n#+begin_src python :tangle a.py\nx = 1\n", 2, "no #+end_src"),
    "unclosed at a heading": ("#+begin_src python\nx\n* H\n#+end_src\n", 1, "before line 3"),
    "unclosed at a block": ("#+begin_src sh\nx\n" + org_text("y"), 1, "before line 3"),
    "unclosed example": ("#+begin_example\nx\n" + org_text("y"), 1, "no #+end_example"),
    "unclosed without a line": ("#+begin_src python", 1, "no #+end_src"),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_a_mistake_is_one_line_and_nothing_changes(case, tmp_path):
    text, line, message = MUST_REFUSE[case]
    org = tmp_path / "p.org"
    org.write_text(org_text("old", ":tangle a.py") + org_text("old", ":tangle b/c.py :mkdirp yes"))
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    org.write_text(org_text("new", ":tangle new/new.py :mkdirp yes") + text)
    before = snapshot(tmp_path)
    message = re.sub(r"(?<=line )\d+", lambda number: str(int(number[0]) + 3), message)
    result = run(tmp_path, "tangle", "p.org")
    assert fails_with_one_line(result, f"p.org:{line + 3}: ", message)
    assert snapshot(tmp_path) == before
    assert not (tmp_path.parent / "x.py").exists()


TOP = "* H\n:PROPERTIES:\n:header-args: :tangle a.py\n:END:\n"
NEVER_SILENTLY_DIFFERENT = {
    "argument of its own": (org_text("x", ":tangle a.py :padline no"), 1, ":padline"),
    "argument in capitals": (org_text("x", ":TANGLE a.py"), 1, ":TANGLE"),
    "odd argument": (org_text("x", ":tangle a.py :foo.bar y"), 1, "not supported"),
    "Lisp in an argument": (org_text("x", ":tangle (concat 1)"), 1, "not supported"),
    "quoted argument": (org_text("x", ':tangle "a.py"'), 1, "not supported"),
    "inherited argument": (
        "#+property: header-args :comments link\n" + org_text("x"),
        2,
        ":comments",
    ),
    "nil property": ("\n* H\n:PROPERTIES:\n:header-args: nil\n:END:\n" + org_text("x"), 6, "nil"),
    "noweb with two words": (org_text("x", ":noweb yes tangle"), 1, ":noweb yes tangle"),
    "noweb without a word": (org_text("x", ":noweb"), 1, ":noweb"),
    "header line": ("#+header: :tangle a.py\n" + org_text("x"), 1, "use #+begin_src"),
    "headers line": ("  #+HEADERS: :tangle a.py\n" + org_text("x"), 1, "use #+begin_src"),
    "set-up file": ("#+setupfile: x.org\n" + org_text("x"), 1, "use #+begin_src"),
    "switches": (org_text("x", "-n :tangle a.py"), 1, "no switches"),
    "words before the arguments": (org_text("x", "foo :tangle a.py"), 1, "no switches"),
    "no language": ("#+begin_src\nx\n#+end_src\n", 1, "LANGUAGE"),
    "tab after the keyword": ("#+begin_src\tpython\nx\n#+end_src\n", 1, "LANGUAGE"),
    "another language": ("#+begin_src sh :tangle a.py\nx\n#+end_src\n", 1, "only Python"),
    "no language for it": ("#+begin_src sh :tangle a.sh\nx\n#+end_src\n", 1, "only Python"),
    "another suffix": ("#+begin_src css :tangle a.py\nx\n#+end_src\n", 1, "only Python"),
    "target yes": (org_text("x", ":tangle yes"), 1, ":tangle yes"),
    "target spelt otherwise": (org_text("x", ":tangle ./a.py"), 1, "./a.py"),
    "target spelt with //": (org_text("x", ":tangle b//a.py"), 1, "b//a.py"),
    "target through a parent": (org_text("x", ":tangle b/../a.py"), 1, "b/../a.py"),
    "target that is no script": (org_text("x", ":tangle a.py.gz"), 1, "a.py.gz"),
    "empty block": ("#+begin_src python\n#+end_src\n", 1, "empty"),
    "blank line first": (org_text("\nx"), 1, "blank line"),
    "blank line last": (org_text("x\n"), 1, "blank line"),
    "space first": (org_text("  <<a>>\nx") + named("a", "a"), 1, "a space"),
    "space last": (org_text("x "), 1, "a space"),
    "tab in an indented block": ("  #+begin_src python\n\tx\n  #+end_src\n", 1, "no tabs"),
    "line of spaces in an indented block": (org_text("  x\n     \n  y"), 1, "spaces only"),
    "end of another kind": ("#+begin_src python\nx\n#+end_src y\n#+end_src\n", 1, "no #+end_src"),
    "block in an example": ("#+begin_example\n" + org_text("x") + "#+end_example\n", 1, "line 2"),
    "reference in a line": (org_text("x = <<a>>") + named("a", "1"), 2, "a line of its own"),
    "reference and a space": (org_text("<<a>> ") + named("a", "1"), 2, "a line of its own"),
    "two references in a line": (org_text("<<a>><<a>>") + named("a", "1"), 2, "no block is named"),
    "reference by other case": (org_text("<<A>>") + named("a", "1"), 2, "no block"),
    "reference to a heading": (
        "\n* H\n:PROPERTIES:\n:CUSTOM_ID: h\n:END:\n" + org_text("<<h>>"),
        7,
        "no block is named 'h'",
    ),
    "call in a reference": (org_text("<<a()>>") + named("a", "1"), 2, "no block is named 'a()'"),
    "reference to a table": (org_text("<<t>>", after="#+name: t\n| 1 |\n"), 2, "no block"),
    "reference to a comment": (org_text("<<a>>") + "* COMMENT H\n" + named("a", "1"), 2, "no"),
    "name away from its block": (
        org_text("<<a>>") + "#+name: a\n\n" + org_text("1", ""),
        2,
        "no block is named 'a'",
    ),
    "name that is a number": (named("1e5", "1"), 2, "must be a letter"),
    "noweb-ref that is a number": (org_text("1", ":noweb-ref 5"), 1, "must be a letter"),
    "noweb-ref without a word": (org_text("1", ":noweb-ref"), 1, "must be a letter"),
    "COMMENT after TODO": ("* TODO COMMENT H\n" + org_text("x"), 1, "COMMENT"),
    "COMMENTS": ("* COMMENTS\n" + org_text("x"), 1, "COMMENT"),
    "archive": ("* H  :ARCHIVE:\n" + org_text("x"), 1, "ARCHIVE"),
    "drawer of the file": (":PROPERTIES:\n:header-args: :tangle a.py\n:END:\n", 1, "right below"),
    "drawer after a line": (
        "* H\nSCHEDULED: <2026-01-01>\n:PROPERTIES:\n:END:\n",
        3,
        "right below",
    ),
    "drawer with junk": ("* H\n:PROPERTIES:\njunk\n:END:\n", 3, "not a property"),
    "drawer with a tab": ("* H\n:PROPERTIES:\n:header-args:\t:noweb yes\n:END:\n", 3, "not a prop"),
    "drawer without a value": ("* H\n:PROPERTIES:\n:header-args:\n:END:\n", 3, "not a prop"),
    "drawer with a key twice": ("* H\n:PROPERTIES:\n:a: 1\n:A: 2\n:END:\n", 4, "a twice"),
    "unclosed drawer": ("* H\n:PROPERTIES:\n:a: 1\n* I\n", 2, "no :end:"),
    "drawer in line 1": (TOP + "* I\n" + org_text("x", ""), 1, "Org 9.5"),
    "carriage return": (org_text("x").replace("\n", "\r\n"), 1, r"'\r'"),
    "no-break space": ("text\n\u00a0\n" + org_text("x"), 2, r"'\xa0'"),
    "line separator": ("text\n" + org_text("x\u2028y"), 3, r"'\u2028'"),
    "null": ("text\n\0\n" + org_text("x"), 2, r"'\x00'"),
    "byte order mark": ("\ufeff" + org_text("x"), 1, r"'\ufeff'"),
    "mode line": ("# -*- coding: latin-1 -*-\n" + org_text("x"), 1, "-*-"),
    "mode line below #!": ("#!emacs\n# -*- coding: latin-1 -*-\n" + org_text("x"), 2, "-*-"),
    "HTML": ('<!DOCTYPE html>\n<meta charset="latin-1">\n' + org_text("x"), 1, "DOCTYPE"),
    "HTML, plainly": ('\n<html><meta charset="latin-1">\n' + org_text("x"), 2, "<html"),
    "HTML below a comment": ("<!-- x -->\n<html>\n" + org_text("x"), 1, "<!--"),
    "XML": ('<?xml version="1.0" encoding="latin-1"?>\n' + org_text("x"), 1, "<?xml"),
    "local variables": (org_text("x") + "# Local Variables:\n# End:\n", 4, "Local Variables:"),
    "local variables in small letters": (
        org_text("x") + "# local variables:\n# coding: latin-1\n# end:\n",
        4,
        "local variables:",
    ),
    "block in LaTeX": ("\\begin{x}\n" + org_text("x") + "\\end{x}\n", 2, "LaTeX"),
    "block in indented LaTeX": ("  \\begin{x*} y\n" + org_text("x") + " \\end{x*}\n", 2, "LaTeX"),
    "block that ends LaTeX": ("\\begin{x}\n" + org_text("x\n\\end{x}\ny"), 2, "LaTeX"),
    "property in LaTeX": (
        "\\begin{x}\ny\n#+property: header-args :tangle b.py\n\\end{x}\n" + org_text("x"),
        3,
        "LaTeX",
    ),
    "name in LaTeX": ("\\begin{x}\n#+name: a\n\\end{x}\n" + org_text("x"), 2, "LaTeX"),
    "LaTeX over list items": (
        "- a\n  \\begin{x}\n  #+name: a\n- b\n  \\end{x}\n" + org_text("x"),
        3,
        "LaTeX",
    ),
    "indented by a tab": ("\t#+begin_src python\nx\n\t#+end_src\n", 1, "not with tabs"),
    "indented by space and tab": (" \t#+begin_src python\nx\n #+end_src\n", 1, "not with tabs"),
}


@pytest.mark.parametrize("case", NEVER_SILENTLY_DIFFERENT)
def test_what_emacs_may_do_otherwise_is_refused(case, tmp_path):
    text, line, message = NEVER_SILENTLY_DIFFERENT[case]
    (tmp_path / "p.org").write_text(text, encoding="utf-8", newline="")
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), f"p.org:{line}: ", message)
    assert [path.name for path in tmp_path.iterdir()] == ["p.org"]


def test_a_first_heading_with_arguments_is_fine_where_all_blocks_are_below_it():
    assert tangled_text(TOP + "** I\n" + org_text("x", "")) == {"a.py": "x\n"}


NOT_DIFFERENT = {
    "no end": "\\begin{x}\n",
    "another end": "\\begin{x}\n\\end{y}\n",
    "an end before": "\\end{x}\n\\begin{x}\n",
    "never closed": "\\begin{x}\n",
    "words before": "see \\begin{x}\n",
    "a formula": "\\begin{x}\na &= b\n\\end{x}\n",
    "in an example": "#+begin_example\n\\begin{x}\n#+end_example\n",
    "no mode line": "text\n# -*- coding: latin-1 -*-\n",
    "a link": "<https://example.org>\n",
    "a section before a chapter": "** Section\n* Chapter\n",
}


@pytest.mark.parametrize("case", NOT_DIFFERENT)
def test_what_only_looks_odd_is_taken(case):
    after = "" if "end" not in case else "\n* H\n\\end{x}\n"
    text = NOT_DIFFERENT[case] + org_text("x") + after
    assert tangled_text(text) == {"a.py": "x\n"}


def test_a_section_before_the_first_chapter_keeps_its_properties_to_itself():
    text = "text\n** A\n:PROPERTIES:\n:header-args: :tangle a.py\n:END:\n" + org_text("a", "")
    assert tangled_text(text + "* B\n" + org_text("b", "")) == {"a.py": "a\n"}
