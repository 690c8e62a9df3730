"""detangle.py carries an edit of a script into the block that owns it, and guesses at nothing."""

import stat

import pytest

from orgs import (
    contents,
    edit,
    fails_with_one_line,
    run,
    run_process,
    small_files_only,
    snapshot,
    tangled_text,
)

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
