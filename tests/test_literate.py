"""The tangler writes what Emacs writes, refuses what it cannot, and loses nobody's work."""

import contextlib
import errno
import hashlib
import io
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import POST, ROOT, TANGLED, import_tangled

LITERATE = TANGLED / "literate.py"
needs_emacs = pytest.mark.skipif(shutil.which("emacs") is None, reason="emacs is not installed")


literate = import_tangled("literate")


def run_process(folder, *arguments, tangler=LITERATE, **options):
    """Run the tangler in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, str(tangler), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def run(folder, *arguments):
    """Run the tangler in this process, which is faster; what it returns is the exit status."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = literate.main(list(arguments))
        except SystemExit as request:
            status = request.code
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def snapshot(folder):
    """Return everything below a folder: content and time stamp of files, names of folders."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def contents(folder):
    """Return {name: content} of the files below a folder that could have been tangled."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in literate.SUFFIXES.values()
    }


def tangled_text(text, folder=Path("/project")):
    """Tangle a text in memory; return {name: text of the script}."""
    return {
        str(path.relative_to(folder)): literate.content_of(lines).decode()
        for path, lines in literate.tangle(text, folder).items()
    }


def emacs_tangle(org):
    """Let Emacs tangle an Org file in its folder; return {name: content}."""
    home = org.parent / "home"
    home.mkdir()
    expressions = (
        '(set-language-environment "UTF-8")',
        "(require 'ob-tangle)",
        f'(org-babel-tangle-file "{org.name}")',
    )
    command = ["emacs", "-Q", "--batch"]
    command += [word for expression in expressions for word in ("--eval", expression)]
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=org.parent, env=environment, capture_output=True, check=True)
    return contents(org.parent)


def fails_with_one_line(result, *parts):
    """Tell that a command ended with status 1 and one line that holds these parts."""
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1, result.stderr
    for part in parts:
        assert part in result.stderr
    return True


# --- the post itself


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a folder that holds the post and what our tangler made of it, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "post.org").write_text(POST, encoding="utf-8")
    result = run_process(folder, "tangle", "post.org")
    assert (result.returncode, result.stderr) == (0, "")
    return folder


def committed():
    """Return {name: content} of what is committed in tangled/."""
    return {f"tangled/{name}": content for name, content in contents(TANGLED).items()}


def test_the_committed_scripts_are_what_the_post_tangles_to(fresh):
    assert contents(fresh) == committed()


@needs_emacs
def test_emacs_tangles_the_post_to_the_same_bytes(tmp_path):
    shutil.copy(ROOT / "pytorch-first-principles.org", tmp_path / "post.org")
    assert emacs_tangle(tmp_path / "post.org") == committed()


def test_the_tangler_tangles_itself_to_a_fixed_point(fresh):
    before = snapshot(fresh)
    result = run_process(fresh, "tangle", "post.org", tangler=fresh / "tangled" / "literate.py")
    assert (result.returncode, result.stdout) == (0, "every script is up to date\n")
    assert snapshot(fresh) == before


def test_the_committed_sums_are_those_of_the_scripts():
    rows = [line.split("  ") for line in (TANGLED / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in rows} == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents(TANGLED).items()
    }


def test_every_block_of_code_in_the_post_reaches_a_script():
    blocks, _ = literate.read_blocks(POST)
    scripts = literate.tangle(POST, ROOT)
    reached = {line.block.line for lines in scripts.values() for line in lines if line.block}
    lost = [block.line for block in blocks if block.language in literate.SUFFIXES]
    assert [line for line in lost if line not in reached] == []


def test_a_line_of_a_script_knows_its_place_in_the_post():
    org = POST.split("\n")
    for lines in literate.tangle(POST, ROOT).values():
        for text, block, index, prefix, top in lines:
            if block is None:
                assert text == ""
                continue
            place = org[block.line + index].removeprefix(block.indentation)
            assert text == prefix + re.sub(r"^(\s*,*),(?=\*|#\+)", r"\1", place)
            assert top.arguments["tangle"] != "no"
            assert (top is block) or f"<<{block.name}>>" in POST


# --- the same as Emacs, feature by feature

TORTURE = """\
#+title: Torture
#+PROPERTY: header-args :tangle wrong.py
#+property: header-args :noweb yes :mkdirp yes
  #+property: header-args:python+ :tangle out/file.py

- a list

  #+begin_src python
  in_a_list = 1

  def shifted():
      return 2
  #+end_src

      1. deeper
         #+NAME: deep
         #+BEGIN_SRC python :tangle no
           deep = 1
             # deeper still
         #+END_SRC

* TODO [#A] Replaced                                          :tag:
  :PROPERTIES:
  :CUSTOM_ID: replaced
  :header-args:python: :tangle out/replaced.py
  :header-args+: :exports code :noweb
  :header-args+: no-export
  :END:

#+begin_src python
<<deep>>
after = "é → ∞"
#+end_src

** Added to
:properties:
:Header-Args:Python+: :noweb no
:header-args:sh: :tangle out/never.py
:end:

#+begin_src python
<<not-expanded>>
#+end_src

#+begin_src python :noweb yes :tangle out/own.py :tangle out/own-line.py
class Indented:
    <<blank-inside>>

    <<joined>>
        <<two-deep>>
    <<hanging>>
if True:
\t<<joined>>
#+end_src

  #+name: hanging
  #+begin_src python :tangle no
      hanging = [
    0]
  #+end_src

** Replaces again
:PROPERTIES:
:header-args:python: :tangle no
:END:

#+name: blank-inside
#+caption: a caption between the name and the block
#+begin_src python
first = 1

    third = 3
#+end_src

#+begin_src python :noweb-ref joined
join = "a"
#+end_src
#+begin_src python :noweb-ref joined
join += "b"
<<deep>>
#+end_src

#+name: two-deep
#+begin_src python
<<stays>>
#+end_src

#+name: stays
#+begin_src python :noweb no
<<this-is-not-a-reference>>
#+end_src

* COMMENT Skipped
:PROPERTIES:
:header-args:python: :tangle out/skipped.py
:END:
#+begin_src python
skipped = 1
#+end_src
*** Skipped, too
#+begin_src python :noweb-ref joined
skipped = 2
#+end_src

* Code that looks like Org

#+begin_src python
,* a star
,** two stars
*no heading
,,* a comma and a star
    ,*args
,#+begin_src python
,,#+end_src
a << 2, b >> 1
,#+begin_example
last = 1
#+end_src

#+begin_example
#+property: header-args :tangle verbatim.py
,#+begin_src python
,#+end_src
#+name: stays
#+end_example

#+begin_export html
#+name: stays
#+end_export

#+BEGIN_COMMENT
:PROPERTIES:
#+END_COMMENT

#+begin_quote
#+begin_src python
in_a_quote = 1
#+end_src
#+end_quote

#+begin_src sh :tangle no
echo "not tangled"
#+end_src

#+begin_src css :tangle out/page.css
,* { margin: 0; }
a::before { content: "<"; }
#+end_src

#+begin_src html :tangle out/page.html
<p class="a">  &amp;
	</p>
#+end_src

#+begin_src js :tangle out/page.js
const a = `$ {1}`;
  // a comment
#+end_src

#+begin_src css :tangle out/page.css
b { color: red }
#+end_src

#+name: a-table
| 1 | 2 |

#+property: header-args:python :tangle ignored.py
#+property: header-args:python :tangle out/file.py
"""

TORTURE_SCRIPTS = {
    "out/file.py": """\
in_a_list = 1

def shifted():
    return 2

* a star
** two stars
*no heading
,* a comma and a star
    *args
#+begin_src python
,#+end_src
a << 2, b >> 1
#+begin_example
last = 1

in_a_quote = 1
""",
    "out/replaced.py": """\
deep = 1
  # deeper still
after = "é → ∞"

<<not-expanded>>
""",
    "out/own-line.py": """\
class Indented:
    first = 1
----
        third = 3

    join = "a"
    join += "b"
    deep = 1
      # deeper still
        <<this-is-not-a-reference>>
      hanging = [
    0]
if True:
\tjoin = "a"
\tjoin += "b"
\tdeep = 1
\t  # deeper still
""".replace("----", "    "),
    "out/page.css": """\
* { margin: 0; }
a::before { content: "<"; }

b { color: red }
""",
    "out/page.html": """\
<p class="a">  &amp;
\t</p>
""",
    "out/page.js": """\
const a = `$ {1}`;
  // a comment
""",
}


def test_each_feature_of_org_that_we_claim():
    assert tangled_text(TORTURE) == TORTURE_SCRIPTS


@needs_emacs
def test_emacs_agrees_on_each_feature(tmp_path):
    (tmp_path / "torture.org").write_text(TORTURE, encoding="utf-8")
    wanted = {name: text.encode() for name, text in TORTURE_SCRIPTS.items()}
    assert emacs_tangle(tmp_path / "torture.org") == wanted


def org_text(body, arguments=":tangle a.py :noweb yes", *, before="", after=""):
    """Return an Org text with one block, whose #+begin_src is in line 1 unless moved."""
    return f"{before}#+begin_src python {arguments}\n{body}\n#+end_src\n{after}"


def named(name, body, arguments=""):
    """Return the Org text of a named block."""
    return f"#+name: {name}\n#+begin_src python {arguments}\n{body}\n#+end_src\n"


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


def test_blocks_of_one_script_stand_an_empty_line_apart():
    text = org_text("a") + org_text("b", ":tangle b.py") + org_text("c")
    assert tangled_text(text) == {"a.py": "a\n\nc\n", "b.py": "b\n"}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", "<<x>>\n"),
        (":noweb no", "<<x>>\n"),
        (":noweb yes", "1\n"),
        (":noweb no-export", "1\n"),
        (":noweb strip-export", "1\n"),
    ],
)
def test_which_noweb_expands(argument, expected):
    text = org_text("<<x>>", f":tangle a.py {argument}") + named("x", "1")
    assert tangled_text(text) == {"a.py": expected}


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
    org.write_text(org_text("old", ":tangle a.py") + org_text("old", ":tangle b/c.py"))
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    org.write_text(org_text("new", ":tangle new/new.py") + text)
    before = snapshot(tmp_path)
    message = re.sub(r"(?<=line )\d+", lambda number: str(int(number[0]) + 3), message)
    result = run_process(tmp_path, "tangle", "p.org")
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
    "local variables": (org_text("x") + "# Local Variables:\n# End:\n", 4, "Local Variables:"),
}


@pytest.mark.parametrize("case", NEVER_SILENTLY_DIFFERENT)
def test_what_emacs_may_do_otherwise_is_refused(case, tmp_path):
    text, line, message = NEVER_SILENTLY_DIFFERENT[case]
    (tmp_path / "p.org").write_text(text, encoding="utf-8", newline="")
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), f"p.org:{line}: ", message)
    assert [path.name for path in tmp_path.iterdir()] == ["p.org"]


def test_a_first_heading_with_arguments_is_fine_where_all_blocks_are_below_it():
    assert tangled_text(TOP + "** I\n" + org_text("x", "")) == {"a.py": "x\n"}


@pytest.mark.parametrize("link", ["a.py", "b"])
def test_a_symbolic_link_does_not_lead_out_of_the_project(link, tmp_path):
    outside, project = tmp_path / "outside", tmp_path / "project"
    outside.mkdir()
    project.mkdir()
    (outside / "a.py").write_text("theirs\n")
    (project / link).symlink_to(outside / "a.py" if link == "a.py" else outside)
    target = "a.py" if link == "a.py" else "b/a.py"
    (project / "p.org").write_text(org_text("x", f":tangle {target}"))
    before = snapshot(tmp_path)
    result = run(project, "tangle", "p.org")
    assert fails_with_one_line(result, "p.org:1: ", "symbolic link")
    assert snapshot(tmp_path) == before


def test_a_target_that_is_a_folder(tmp_path):
    (tmp_path / "b.py").mkdir()
    (tmp_path / "p.org").write_text(org_text("x", ":tangle a.py") + org_text("x", ":tangle b.py"))
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), "p.org:4: ", "a folder")
    assert not (tmp_path / "a.py").exists()


def test_a_missing_org_file(tmp_path):
    result = run_process(tmp_path, "tangle", "p.org")
    assert fails_with_one_line(result, "p.org: No such file or directory")


def test_an_org_file_that_is_not_utf_8(tmp_path):
    (tmp_path / "p.org").write_bytes(org_text("x\né").encode("latin-1"))
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), "p.org:3: ", "not UTF-8")
    assert [path.name for path in tmp_path.iterdir()] == ["p.org"]


# --- all or nothing

OLD = org_text("old", ":tangle a/a.py") + org_text("old", ":tangle b/b.py")


@pytest.fixture
def project(tmp_path):
    """Return a project with two scripts that are tangled."""
    (tmp_path / "p.org").write_text(OLD)
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    return tmp_path


def small_files_only():
    """Let a process write no file of more than 500 bytes: a full disk, for all it knows."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))


def test_a_full_disk_changes_nothing(project):
    big = org_text("new", ":tangle new/deep/new.py") + OLD.replace("old", "x" * 600, 2)
    (project / "p.org").write_text(org_text("new", ":tangle a/a.py") + big)
    before = snapshot(project)
    result = run_process(project, "tangle", "p.org", preexec_fn=small_files_only)
    assert fails_with_one_line(result, "File too large")
    assert snapshot(project) == before


def test_a_name_that_is_too_long_changes_nothing(project):
    text = OLD.replace("old", "new") + org_text("x", f":tangle c/{'x' * 252}.py")
    (project / "p.org").write_text(text)
    before = snapshot(project)
    assert fails_with_one_line(run(project, "tangle", "p.org"), "name too long")
    assert snapshot(project) == before


def test_a_file_where_a_folder_should_be_changes_nothing(project):
    text = org_text("x", ":tangle c/c.py") + org_text("x", ":tangle p.org.d/d.py")
    (project / "p.org").write_text(OLD.replace("old", "new") + text)
    (project / "p.org.d").write_text("a file\n")
    before = snapshot(project)
    assert fails_with_one_line(run(project, "tangle", "p.org"), "p.org.d")
    assert snapshot(project) == before


def test_a_folder_that_may_not_be_written_changes_nothing(project, monkeypatch):
    """The refusal is played, because root, who runs the tests in CI, may write everywhere."""
    write_bytes = Path.write_bytes

    def refuse_in_b(path, data):
        if path.parent.name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return write_bytes(path, data)

    (project / "p.org").write_text(OLD.replace("old", "new"))
    before = snapshot(project)
    monkeypatch.setattr(Path, "write_bytes", refuse_in_b)
    assert fails_with_one_line(run(project, "tangle", "p.org"), "Permission denied")
    monkeypatch.undo()
    assert snapshot(project) == before


def test_only_what_changed_is_written(project):
    (project / "p.org").write_text(
        org_text("new", ":tangle a/a.py") + OLD[OLD.index("#+end") + 10 :]
    )
    before = snapshot(project)
    result = run(project, "tangle", "p.org")
    assert (result.returncode, result.stdout) == (0, f"tangled {Path('a/a.py')}\n")
    after = snapshot(project)
    assert {name for name in after if after[name] != before[name]} == {
        "a/a.py",
        "tangled/SHA256SUMS",
    }
    assert (project / "a/a.py").read_text() == "new\n"


def test_nothing_is_written_where_nothing_changed(project):
    before = snapshot(project)
    result = run(project, "tangle", "p.org")
    assert (result.returncode, result.stdout) == (0, "every script is up to date\n")
    assert snapshot(project) == before


def test_a_script_keeps_its_permissions(project):
    (project / "a/a.py").chmod(0o750)
    (project / "p.org").write_text(OLD.replace("old", "new"))
    assert run(project, "tangle", "p.org").returncode == 0
    assert stat.S_IMODE((project / "a/a.py").stat().st_mode) == 0o750


def test_sha256sum_can_check_the_record(project):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(command, cwd=project / "tangled", check=True)


def test_it_runs_from_any_folder(project):
    (project / "p.org").write_text(OLD.replace("old", "new"))
    result = run_process(project / "a", "tangle", "../p.org")
    assert (result.returncode, result.stdout.splitlines()[0]) == (0, "tangled a.py")
    assert (project / "b/b.py").read_text() == "new\n"


# --- a script that was edited by hand

RECORDS = {
    "as tangled": lambda folder: None,
    "fresh clone": lambda folder: [os.utime(path) for path in folder.rglob("*") if path.is_file()],
    "no record": lambda folder: (folder / "tangled/SHA256SUMS").unlink(),
    "empty record": lambda folder: (folder / "tangled/SHA256SUMS").write_text("\n"),
    "damaged record": lambda folder: (folder / "tangled/SHA256SUMS").write_bytes(b"\xff\n<<<<"),
}
EDITS = {
    "a line more": b"old\nmine\n",
    "a blank line more": b"old\n\n",
    "no newline": b"old",
    "Windows line ends": b"old\r\n",
    "empty": b"",
    "not UTF-8": b"old \xff\n",
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_script_is_never_overwritten(record, edit, project):
    (project / "a/a.py").write_bytes(EDITS[edit])
    (project / "p.org").write_text(OLD.replace("old", "new"))  # would write b/b.py
    RECORDS[record](project)
    (project / "b/b.py").unlink()  # nor is this one written, though it is missing
    before = snapshot(project)
    result = run(project, "tangle", "p.org")
    advice = ("detangle a/a.py' carries", "'rm a/a.py' drops it")
    assert fails_with_one_line(result, "a/a.py was edited by hand", *advice)
    assert snapshot(project) == before


def test_the_advice_on_an_edited_script_works(project):
    (project / "a/a.py").write_text("mine\n")
    result = run_process(project, "tangle", "p.org")
    assert fails_with_one_line(result, f"'python {LITERATE} detangle a/a.py'")
    assert run_process(project, "detangle", "a/a.py").returncode == 0
    assert run_process(project, "tangle", "p.org").returncode == 0
    assert (project / "a/a.py").read_text() == "mine\n"
    (project / "b/b.py").write_text("mine\n")
    assert run(project, "tangle", "p.org").returncode == 1
    (project / "b/b.py").unlink()
    assert run(project, "tangle", "p.org").returncode == 0
    assert (project / "b/b.py").read_text() == "old\n"


def test_a_script_that_is_merely_old_is_overwritten_without_a_stamp(project):
    for path in project.rglob("*"):
        os.utime(path)
    (project / "p.org").write_text(OLD.replace("old", "new"))
    assert run(project, "tangle", "p.org").returncode == 0
    assert (project / "a/a.py").read_text() == "new\n"


def test_a_missing_record_is_made_again_where_nobody_edited(project):
    sums = (project / "tangled/SHA256SUMS").read_bytes()
    (project / "tangled/SHA256SUMS").unlink()
    assert run(project, "tangle", "p.org").returncode == 0
    assert (project / "tangled/SHA256SUMS").read_bytes() == sums


def test_each_edited_script_is_named(project):
    for name in ("a/a.py", "b/b.py"):
        (project / name).write_text("mine\n")
    lines = run(project, "tangle", "p.org").stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["a/a.py", "b/b.py"]


# --- the way back

BACK = '''\
#+title: The way back
#+property: header-args :noweb yes :mkdirp yes

* One
:PROPERTIES:
:header-args:python: :tangle tangled/one.py
:END:

#+name: shared
#+begin_src python :tangle no
def shared():
    value = 1

    return value
#+end_src

#+begin_src python
"""One."""

<<shared>>

print("one")
#+end_src

#+begin_src python
first = 1
second = 2
same = 0
same = 0
third = 3
#+end_src

* Two
:PROPERTIES:
:header-args:python: :tangle tangled/two.py
:END:

- in a list
  #+name: inner
  #+begin_src python :tangle no
  a = 1
  b = 2
  #+end_src

#+begin_src python
def main():
    <<inner>>
    if a:
        <<inner>>


<<shared>>
main()
last = shared()
#+end_src

#+begin_src python
print("same")
#+end_src
#+begin_src python
print("same")
#+end_src

* Three
:PROPERTIES:
:header-args:python: :tangle tangled/three.py
:END:

- in a list
  #+name: head
  #+begin_src python :tangle no
  head = 1
  more = 2
  twin = 3
  #+end_src

#+name: tail
#+begin_src python :tangle no
tail = 1
twin = 3
#+end_src

#+begin_src python
<<head>>
twin = 3
end = 4
<<tail>>
twin = 3
x = 5
y = 6
#+end_src

#+begin_src python
z = 7
<<only>>
#+end_src

#+name: only
#+begin_src python :tangle no
only = 8
#+end_src
'''


@pytest.fixture
def back(tmp_path):
    """Return a project with two scripts that share a block."""
    (tmp_path / "p.org").write_text(BACK)
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    return tmp_path


def edit(path, *pairs):
    """Replace text in a file; each must be there just as often as it says."""
    text = path.read_text()
    for old, new, count in pairs:
        assert text.count(old) == count
        text = text.replace(old, new)
    path.write_text(text)


# What is edited in which script, and what then must be edited in the Org file.
CARRIED = {
    "a line changed": ("one", ("second = 2", "second = 22", 1)),
    "a line added": ("one", ("second = 2\n", "second = 2\nadded = 1\n\n", 1)),
    "two lines added, one changed": ("one", ("second = 2\n", "x = 1\ny = 2\nz = 3\n", 1)),
    "a line deleted": ("one", ("second = 2\n", "", 1)),
    "one of two equal lines deleted": ("one", ("same = 0\nsame", "same", 1)),
    "a third equal line": ("one", ("same = 0\nsame", "same = 0\nsame = 0\nsame", 1)),
    "several places": ("one", ("first = 1", "first = 10", 1), ("third = 3", "third = 30", 1)),
    "lines added in several places": (
        "one",
        ("first = 1", "first = 1\nx = 1\ny = 1", 1),
        ("third = 3", "z = 1\nthird = 3", 1),
        ("value = 1", "value = 1\n    value = 2", 1),
    ),
    "the first line": ("one", ('"""One."""', '"""Uno."""', 1)),
    "above the first line": ("one", ('"""One."""', '#!/usr/bin/python\n"""One."""', 1)),
    "the last line": ("one", ("third = 3\n", "third = 33\n", 1)),
    "below the last line": ("one", ("third = 3\n", "third = 3\nfourth = 4\n", 1)),
    "below the last line of a block": ("one", ('print("one")\n', 'print("one")\nx = 1\n', 1)),
    "above the first line of a block": ("one", ("first = 1\n", "zeroth = 0\nfirst = 1\n", 1)),
    "the shared block": ("one", ("    value = 1", "    value = 11", 1)),
    "the shared block, by the other": ("two", ("    return value", "    return value + 1", 1)),
    "more in the shared block": ("two", ("    value = 1\n", "    value = 1\n    x = 1\n", 1)),
    "less in the shared block": ("two", ("    value = 1\n\n", "", 1)),
    "an empty line in a list": ("three", ("head = 1\n", "head = 1\n\n", 1)),
    "below a reference": ("two", ("\nmain()\n", "\nx = 1\n", 1)),
}


@pytest.mark.parametrize("case", CARRIED)
def test_detangle_carries_an_edit_into_its_block(case, back):
    script, *pairs = CARRIED[case]
    path = back / f"tangled/{script}.py"
    edit(path, *pairs)
    edited, stamp = path.read_bytes(), path.stat().st_mtime_ns
    result = run(back, "detangle", f"tangled/{script}.py")
    assert (result.returncode, result.stderr) == (0, "")
    text = BACK
    for old, new, _ in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert (back / "p.org").read_text() == text
    assert len(result.stdout.splitlines()) == len(pairs)
    result = run(back, "tangle", "p.org")
    assert (result.returncode, result.stderr) == (0, "")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (edited, stamp)
    assert contents(back) == {k: v.encode() for k, v in tangled_text(text).items()}


def carried(back, script="tangled/one.py"):
    """Detangle, then tangle; return the Org file's text."""
    before = (back / script).read_bytes()
    result = run(back, "detangle", script)
    assert (result.returncode, result.stderr) == (0, "")
    assert run(back, "tangle", "p.org").returncode == 0
    assert (back / script).read_bytes() == before
    return (back / "p.org").read_text()


def test_detangle_says_where_it_changed_what(back):
    path = back / "tangled/one.py"
    edit(path, ("value = 1", "value = 2\n    value = 3", 1), ("first = 1", "first = 4", 1))
    result = run(back, "detangle", "tangled/one.py")
    places = [line.split(":") for line in result.stdout.splitlines()]
    assert [place[0] for place in places] == ["p.org", "p.org"]
    lines = (back / "p.org").read_text().split("\n")
    assert [lines[int(place[1]) - 1] for place in places] == ["    value = 2", "first = 4"]
    assert [place[2] for place in places] == [" changed shared", " changed a block without a name"]


def test_detangle_keeps_code_from_looking_like_org(back):
    lines = ["* star", ",* comma", "    *args", "#+begin_src python", ",,#+end_src", "#+x", ",y"]
    edit(back / "tangled/one.py", ("second = 2", "\n".join(lines), 1))
    text = carried(back)
    wanted = [",* star", ",,* comma", "    ,*args", ",#+begin_src python", ",,,#+end_src"]
    assert "\n".join([*wanted, ",#+x", ",y"]) in text


def test_a_block_that_stands_twice_in_a_script_is_edited_twice(back):
    edit(back / "tangled/two.py", ("a = 1\n", "a = 10\n", 2))
    assert carried(back, "tangled/two.py") == BACK.replace("  a = 1\n", "  a = 10\n")


def test_a_line_goes_into_an_indented_block_with_both_indentations(back):
    edit(
        back / "tangled/two.py",
        ("\n        b = 2", "\n        for i in a:\n            x = i\n        b = 2", 1),
        ("\n    b = 2", "\n    for i in a:\n        x = i\n    b = 2", 1),
    )
    wanted = BACK.replace("  a = 1\n", "  a = 1\n  for i in a:\n      x = i\n")
    assert carried(back, "tangled/two.py") == wanted


def test_edits_can_be_carried_one_after_the_other_without_tangling(back):
    for number in (22, 222):
        edit(back / "tangled/one.py", (f"second = {str(number)[1:]}\n", f"second = {number}\n", 1))
        assert run(back, "detangle", "tangled/one.py").returncode == 0
    assert carried(back) == BACK.replace("second = 2", "second = 222")


def test_edits_in_two_scripts(back):
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    edit(back / "tangled/two.py", ("last = shared()", "last = main()", 1))
    assert run(back, "tangle", "p.org").stderr.count("edited by hand") == 2
    assert run(back, "detangle", "tangled/two.py").returncode == 0
    assert run(back, "tangle", "p.org").stderr.count("edited by hand") == 1
    text = carried(back)
    assert text == BACK.replace("second = 2", "second = 22").replace("= shared()", "= main()")


def test_an_edit_goes_back_without_a_record(back):
    (back / "tangled/SHA256SUMS").unlink()
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    assert carried(back) == BACK.replace("second = 2", "second = 22")


@pytest.mark.parametrize("change", [("second = 2", "second = 22", 1), ("second", "second", 1)])
@pytest.mark.parametrize("ends", ["windows", "none", "many"])
def test_line_ends_are_put_right(ends, change, back):
    path = back / "tangled/one.py"
    edit(path, change)
    wanted = path.read_bytes()
    damaged = {
        "windows": wanted.replace(b"\n", b"\r\n"),
        "none": wanted.rstrip(b"\n"),
        "many": wanted + b"\n\n",
    }
    path.write_bytes(damaged[ends])
    assert run(back, "tangle", "p.org").returncode == 1
    assert run(back, "detangle", "tangled/one.py").returncode == 0
    assert path.read_bytes() == wanted
    assert carried(back) == BACK.replace(*change[:2])


def test_a_script_as_tangled_has_nothing_to_carry(back):
    before = snapshot(back)
    result = run(back, "detangle", "tangled/one.py")
    assert (result.returncode, result.stderr) == (0, "")
    assert "already" in result.stdout
    assert snapshot(back) == before


def test_the_org_file_keeps_its_permissions(back):
    (back / "p.org").chmod(0o640)
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    assert run(back, "detangle", "tangled/one.py").returncode == 0
    assert stat.S_IMODE((back / "p.org").stat().st_mode) == 0o640


AMBIGUOUS = {
    "below a reference that ends a block": ("three", ("only = 8\n", "only = 8\nx = 1\n", 1)),
    "above a reference that begins one": ("three", ("head = 1\n", "x = 1\nhead = 1\n", 1)),
    "one of two twins": ("three", ("more = 2\ntwin = 3\ntwin", "more = 2\ntwin", 1)),
    "one of two twins, further down": ("three", ("tail = 1\ntwin = 3\ntwin", "tail = 1\ntwin", 1)),
    "a third twin": ("three", ("twin = 3\nend", "twin = 3\ntwin = 3\nend", 1)),
    "a third twin, further down": ("three", ("twin = 3\nx", "twin = 3\ntwin = 3\nx", 1)),
    "at the end of a referenced block": ("one", ("return value\n", "return value\n    x = 1\n", 1)),
    "at its beginning": ("two", ("def shared():\n", "x = 1\ndef shared():\n", 1)),
    "a line becomes two at its end": ("one", ("return value\n", "x = value\n    return x\n", 1)),
    "a paragraph between two blocks": ("one", ('("one")\n\n', '("one")\n\nx = 1\n\n', 1)),
    "an empty line between two blocks": ("one", ('("one")\n\n', '("one")\n\n\n', 1)),
    "the empty line between two blocks": ("one", ('("one")\n\n', '("one")\n', 1)),
    "one of two equal blocks": ("two", ('\nprint("same")\n\n', "\n", 1)),
    "a third equal block": ("two", ('print("same")\n\n', 'print("same")\n\n' * 2, 1)),
    "over two blocks": ("two", ("    return value\nmain()\n", "    return 1\nmain(1)\n", 1)),
    "one of two copies": ("two", ("    if a:\n        a = 1\n", "    if a:\n        a = 2\n", 1)),
    "two copies differently": (
        "two",
        ("\n    a = 1", "\n    a = 2", 1),
        ("    a = 1", "    a = 3", 1),
    ),
    "not indented in an indented block": ("two", ("\n        b = 2", "\nb = 3", 1)),
    "an indented block without its indentation": ("two", ("\n        b = 2", "\n    b = 2", 1)),
    "a whole block gone": (
        "one",
        ("\nfirst = 1\nsecond = 2\nsame = 0\nsame = 0\nthird = 3\n", "", 1),
    ),
    "a reference that expands": ("one", ("second = 2", "<<shared>>", 1)),
    "a reference to nothing": ("one", ("second = 2", "<<nothing>>", 1)),
    "a carriage return in a line": ("one", ("second = 2", "second = '\x0c'", 1)),
    "a space at the end of a block": ("one", ("third = 3\n", "third = 3 \n", 1)),
    "everything gone": ("one", (tangled_text(BACK)["tangled/one.py"], "", 1)),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_has_no_clear_owner_is_not_guessed_at(case, back):
    script, *pairs = AMBIGUOUS[case]
    edit(back / f"tangled/{script}.py", *pairs)
    before = snapshot(back)
    result = run(back, "detangle", f"tangled/{script}.py")
    assert fails_with_one_line(result, f"tangled/{script}.py", "p.org")
    assert snapshot(back) == before


def test_an_ambiguous_edit_is_named_by_its_line(back):
    edit(back / "tangled/one.py", ("return value\n", "return value\n    x = 1\n", 1))
    lines = (back / "tangled/one.py").read_text().split("\n")
    result = run(back, "detangle", "tangled/one.py")
    place = f"tangled/one.py:{lines.index('    x = 1') + 1}: "
    assert fails_with_one_line(result, place, "more than one block")


def test_detangle_does_not_undo_what_changed_in_the_org_file(back):
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    edit(back / "p.org", ("first = 1", "first = 11", 1))
    before = snapshot(back)
    assert fails_with_one_line(run(back, "detangle", "tangled/one.py"), "changed as well")
    assert snapshot(back) == before


def test_detangle_with_a_mistake_in_the_org_file(back):
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    edit(back / "p.org", ("<<shared>>\n\n", "<<lost>>\n\n", 1))
    before = snapshot(back)
    assert fails_with_one_line(run(back, "detangle", "tangled/one.py"), "p.org:20: ", "'lost'")
    assert snapshot(back) == before


def test_detangle_finds_the_org_file_or_takes_the_one_it_is_given(back):
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    (back / "other.org").write_text("Nothing here.\n")
    result = run(back / "tangled", "detangle", "one.py")
    assert fails_with_one_line(result, "more than one Org file")
    assert fails_with_one_line(run(back, "detangle", "tangled/one.py", "other.org"), "no block")
    assert run(back / "tangled", "detangle", "one.py", "../p.org").returncode == 0
    assert (back / "p.org").read_text() == BACK.replace("second = 2", "second = 22")


@pytest.mark.parametrize(
    ("script", "content", "message"),
    [
        ("tangled/none.py", None, "No such file"),
        ("tangled/none.py", b"x = 1\n", "no block of p.org tangles to it"),
        ("tangled", None, "Is a directory"),
        ("tangled/one.py", b"x = 1\n\xff\n", "tangled/one.py:2: this is not UTF-8"),
    ],
)
def test_detangle_of_what_is_no_script(script, content, message, back):
    if content:
        (back / script).write_bytes(content)
    before = snapshot(back)
    assert fails_with_one_line(run(back, "detangle", script), script, message)
    assert snapshot(back) == before


def test_detangle_without_an_org_file(tmp_path):
    (tmp_path / "a.py").write_text("x\n")
    result = run(tmp_path, "detangle", "a.py", "none.org")
    assert fails_with_one_line(result, "none.org: No such file")


def test_detangle_on_a_full_disk_changes_nothing(back):
    edit(back / "tangled/one.py", ("second = 2", "second = 22", 1))
    before = snapshot(back)
    result = run_process(back, "detangle", "tangled/one.py", preexec_fn=small_files_only)
    assert fails_with_one_line(result, "File too large")
    assert snapshot(back) == before
