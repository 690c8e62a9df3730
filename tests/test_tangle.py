"""tangle.py writes what Emacs writes, all or nothing, and loses nobody's work."""

import errno
import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from literate import tangle
from literate.org import read_blocks
from orgs import (
    contents,
    fails_with_one_line,
    named,
    org_text,
    run,
    run_process,
    small_files_only,
    snapshot,
    tangled_text,
)

TANGLED = ROOT / "tangled"
POST = (ROOT / "pytorch-first-principles.org").read_text(encoding="utf-8")

# --- the post itself


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a folder that holds the post and what our tangler made of it, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "post.org").write_text(POST, encoding="utf-8")
    result = run(folder, "tangle", "post.org")
    assert (result.returncode, result.stderr) == (0, "")
    return folder


def committed():
    """Return {name: content} of what is committed in tangled/."""
    return {f"tangled/{name}": content for name, content in contents(TANGLED).items()}


def test_the_committed_scripts_are_what_the_post_tangles_to(fresh):
    assert contents(fresh) == committed()


def test_tangling_the_post_again_changes_nothing(fresh):
    before = snapshot(fresh)
    result = run(fresh, "tangle", "post.org")
    assert (result.returncode, result.stdout) == (0, "every script is up to date\n")
    assert snapshot(fresh) == before


def test_the_committed_sums_are_those_of_the_scripts():
    rows = [line.split("  ") for line in (TANGLED / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in rows} == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents(TANGLED).items()
    }


def test_every_block_of_code_in_the_post_reaches_a_script():
    blocks, _ = read_blocks(POST)
    scripts = tangle.tangle(POST, ROOT)
    reached = {line.block.line for lines in scripts.values() for line in lines if line.block}
    lost = [block.line for block in blocks if block.language in tangle.SUFFIXES]
    assert [line for line in lost if line not in reached] == []


def test_a_line_of_a_script_knows_its_place_in_the_post():
    org = POST.split("\n")
    for lines in tangle.tangle(POST, ROOT).values():
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

INTO = ":mkdirp yes :tangle"
OLD = org_text("old", f"{INTO} a/a.py") + org_text("old", f"{INTO} b/b.py")


@pytest.fixture
def project(tmp_path):
    """Return a project with two scripts that are tangled."""
    (tmp_path / "p.org").write_text(OLD)
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    return tmp_path


def test_a_full_disk_changes_nothing(project):
    big = org_text("new", f"{INTO} new/deep/new.py") + OLD.replace("old", "x" * 600, 2)
    (project / "p.org").write_text(org_text("new", f"{INTO} a/a.py") + big)
    before = snapshot(project)
    result = run_process(project, "tangle", "p.org", preexec_fn=small_files_only)
    assert fails_with_one_line(result, "File too large")
    assert snapshot(project) == before


def test_a_name_that_is_too_long_changes_nothing(project):
    text = OLD.replace("old", "new") + org_text("x", f"{INTO} c/{'x' * 252}.py")
    (project / "p.org").write_text(text)
    before = snapshot(project)
    assert fails_with_one_line(run(project, "tangle", "p.org"), "name too long")
    assert snapshot(project) == before


def test_a_file_where_a_folder_should_be_changes_nothing(project):
    text = org_text("x", f"{INTO} c/c.py") + org_text("x", f"{INTO} p.org.d/d.py")
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
        org_text("new", f"{INTO} a/a.py") + OLD[OLD.index("#+end") + 10 :]
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
    assert fails_with_one_line(result, "'python -m literate detangle a/a.py'")
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


# --- a script that no block tangles to any more


def test_a_script_that_is_no_longer_tangled_is_removed(project):
    (project / "p.org").write_text(org_text("old", f"{INTO} a/a.py"))
    result = run(project, "tangle", "p.org")
    line = "removed b/b.py, which p.org no longer tangles\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, line, "")
    assert not (project / "b/b.py").exists()
    assert "b.py" not in (project / "tangled/SHA256SUMS").read_text()
    assert run(project, "tangle", "p.org").stdout == "every script is up to date\n"


def test_a_script_that_is_no_longer_tangled_stays_if_it_was_edited(project):
    (project / "b/b.py").write_text("mine\n")
    (project / "p.org").write_text(org_text("old", f"{INTO} a/a.py"))
    result = run(project, "tangle", "p.org")
    line = "b/b.py is no longer tangled, but was edited: it stays\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, line, "")
    assert (project / "b/b.py").read_text() == "mine\n"
    assert "b.py" not in (project / "tangled/SHA256SUMS").read_text()


def test_a_script_that_is_no_longer_tangled_stays_while_another_one_waits(project):
    (project / "a/a.py").write_text("mine\n")
    (project / "p.org").write_text(org_text("old", f"{INTO} a/a.py"))
    assert fails_with_one_line(run(project, "tangle", "p.org"), "a/a.py was edited")
    assert (project / "b/b.py").read_text() == "old\n"


def test_nothing_outside_of_the_project_is_removed(project):
    """Nor a link, nor a folder, whatever the record says."""
    theirs = project.parent / "theirs.py"
    theirs.write_text("old\n")
    (project / "b/b.py").unlink()
    (project / "b/b.py").symlink_to(theirs)
    sums = project / "tangled/SHA256SUMS"
    digest = hashlib.sha256(b"old\n").hexdigest()
    sums.write_text(sums.read_text() + f"{digest}  ../../theirs.py\n{digest}  ../a\n")
    (project / "p.org").write_text(org_text("old", f"{INTO} a/a.py"))
    result = run(project, "tangle", "p.org")
    assert (result.returncode, result.stdout) == (0, "every script is up to date\n")
    assert theirs.exists()
    assert (project / "b/b.py").is_symlink()


# --- folders


@pytest.mark.parametrize("argument", ["", ":mkdirp", ":mkdirp no", ":mkdirp t"])
def test_a_folder_is_made_only_where_the_block_says_so(argument, tmp_path):
    made = org_text("x", f"{INTO} new/a.py")
    (tmp_path / "p.org").write_text(made + org_text("y", f":tangle new/a.py {argument}"))
    before = snapshot(tmp_path)
    result = run(tmp_path, "tangle", "p.org")
    assert fails_with_one_line(result, "p.org:4: ", "the folder new is missing", ":mkdirp yes")
    assert snapshot(tmp_path) == before
    (tmp_path / "new").mkdir()
    assert run(tmp_path, "tangle", "p.org").returncode == 0
    assert (tmp_path / "new/a.py").read_text() == "x\n\ny\n"


def test_references_that_nest_too_deeply_are_one_line(tmp_path):
    blocks = [named(f"a{n}", f"<<a{n + 1}>>", ":noweb yes") for n in range(2000)]
    (tmp_path / "p.org").write_text("".join(blocks) + named("a2000", "x"))
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), "p.org: ", "too deeply")
