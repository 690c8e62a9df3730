"""Diffs between blocks: what they hold, what writes them, and what is refused."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.configuration import storage_directory

from conftest import ROOT
from literate.diffs import SKIPPED, diff_of, stale, with_diffs
from literate.org import OrgError, read_blocks
from orgs import fails_with_one_line, named, run, run_process, snapshot
from posts import HEADER, block, chapter, refusal, woven

OLD = "for _ in epochs:\n    one = 1\n    two = 2\n    three = 3\n    four = 4\n    five = 5"
NEW = "for _ in epochs:\n    one = 1.5\n    two = 2\n    three = 3\n    four = 4"
DIFF = " for _ in epochs:\n-    one = 1\n+    one = 1.5\n     two = 2\n …\n     four = 4\n"
DIFF += "-    five = 5"


def diff(body="", arguments=":from old :to new"):
    """Return the Org text of a diff."""
    return (
        f"#+begin_src diff {arguments}".rstrip()
        + "\n"
        + (f"{body}\n" if body else "")
        + "#+end_src\n"
    )


def ends(old=OLD, new=NEW):
    """Return the Org text of two blocks between which a diff is made."""
    return named("old", old) + "\n" + named("new", new) + "\n"


def hunks_of(rows):
    """Return the runs of lines of a diff, each as the lines before it and those after it."""
    hunks = [([], [])]
    for row in rows:
        if row == SKIPPED:
            hunks.append(([], []))
            continue
        before, after = hunks[-1]
        before += [row[1:]] if row[:1] != "+" else []
        after += [row[1:]] if row[:1] != "-" else []
    return hunks


def applied(before, rows):
    """Return all that a diff could make of a body: it does not say in which lines it begins."""

    def rest(start, hunks):
        if not hunks:
            yield tuple(before[start:])
            return
        (old, new), *others = hunks
        for place in range(start, len(before) - len(old) + 1):
            if list(before[place : place + len(old)]) == old:
                for tail in rest(place + len(old), others):
                    yield (*before[start:place], *new, *tail)

    return set(rest(0, hunks_of(rows)))


# --- what a diff holds


def test_a_diff_has_one_line_around_each_change_and_no_headers():
    assert diff_of(OLD.split("\n"), NEW.split("\n")) == DIFF.split("\n")


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ("a", "b", "-a|+b"),
        ("a", "a|b", " a|+b"),
        ("a|b", "b", "-a| b"),
        ("a||b", "a||c", "-b|+c"),  # a blank line at an end says nothing
        ("a||b", "c||b", "-a|+c"),
        ("a||b", "a|c||b", " a|+c"),
        ("a||b|c||d", "b||b|c||e", "-a|+b|| …||-d|+e"),
        ("a|b", "a||b", " a|+| b"),
        ("a||b", "a|b", " a|-| b"),
        ("--a|b", "@@|b", "---a|+@@| b"),
        ("@@ a", "--- b", "-@@ a|+--- b"),
        ("<<x>>|a", "<<x>>|b", " <<x>>|-a|+b"),
        ("a|x ", "a|y  ", " a|-x |+y  "),  # a blank at a line's end is code
        ("a", "a", ""),
    ],
)
def test_what_stands_in_a_diff(before, after, rows):
    found = diff_of(before.split("|"), after.split("|"))
    assert found == (rows.split("|") if rows else [])


LINES = st.lists(st.sampled_from(["a", "    b", "c = 1", "", "*d", "    #+e", ",*f"]), max_size=9)
BODIES = LINES.map(lambda rows: ["x = 0", *rows, "y = 9"])


@given(BODIES, BODIES)
def test_a_diff_turns_the_first_body_into_the_second(before, after):
    rows = diff_of(before, after)
    assert bool(rows) == (before != after)
    assert tuple(after) in applied(before, rows)
    assert not rows or (rows[0] and rows[-1])
    assert [row for row in rows if row.isspace()] == []


@given(BODIES, BODIES, st.sampled_from(["", "  "]))
def test_a_written_diff_is_the_one_that_is_wanted(before, after, indentation):
    def escaped(rows):
        return "\n".join(f",{row}" if row.startswith((",", "*", "#+")) else row for row in rows)

    blank = before == after or not all(rows_have_text(rows) for rows in (before, after))
    hypothesis.assume(not blank)
    first = ends(escaped(before), escaped(after).replace("    #+e", "    ,#+e"))
    first = first.replace("    #+e", "    ,#+e")
    text = first + "".join(f"{indentation}{row}\n" for row in diff("-stale").splitlines())
    assert [tuple(one.body) for one in read_blocks(text)[0][:2]] == [tuple(before), tuple(after)]
    new, notes = with_diffs(text)
    assert len(notes) == 1
    assert new.startswith(first)
    assert stale(read_blocks(new)[0]) == []
    assert with_diffs(new) == (new, [])


def rows_have_text(rows):
    """Return whether the indentation that some rows share is none."""
    return any(row and not row.startswith(" ") for row in rows)


# --- the command


def test_diffs_are_written_and_nothing_else_is_touched(tmp_path):
    head = "#+title: Diffs\n\n" + ends() + "Words.\n"
    tail = "\nMore words.\n" + named("last", ",* x\n,#+y")
    (tmp_path / "p.org").write_text(head + diff("-stale\n+lines\n-more") + tail)
    result = run(tmp_path, "diffs", "p.org")
    line = head.count("\n") + 1
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"p.org:{line}: wrote the diff from old to new\n"
    assert (tmp_path / "p.org").read_text() == head + diff(DIFF) + tail
    before = snapshot(tmp_path)
    again = run(tmp_path, "diffs", "p.org")
    assert (again.returncode, again.stdout, again.stderr) == (0, "every diff is up to date\n", "")
    assert snapshot(tmp_path) == before


def test_an_empty_diff_is_filled_and_each_has_a_line(tmp_path):
    back = diff("-x", ":to old :from new")
    text = diff() + "\n" + ends() + "- a list\n" + "  " + diff().replace("\n", "\n  ").rstrip(" ")
    (tmp_path / "p.org").write_text(text + back + diff(DIFF))
    result = run(tmp_path, "diffs", "p.org")
    new = (tmp_path / "p.org").read_text()
    starts = [number for number, row in enumerate(new.split("\n"), 1) if "begin_src diff" in row]
    names = ["old to new", "old to new", "new to old"]
    assert result.stdout.splitlines() == [
        f"p.org:{line}: wrote the diff from {ends}"
        for line, ends in zip(starts[:3], names, strict=True)
    ]
    assert new.startswith(diff(DIFF) + "\n")
    assert "  " + diff(DIFF).replace("\n", "\n  ").rstrip(" ") in new
    assert new.count(" …\n") == 4
    assert " for _ in epochs:\n-    one = 1.5\n+    one = 1\n" in new


def test_lines_that_org_would_read_are_escaped(tmp_path):
    text = ends("f(\n    ,*a,\n    b=1)", "f(\n    ,*a,\n    b=2)") + diff()
    (tmp_path / "p.org").write_text(text)
    assert run(tmp_path, "diffs", "p.org").returncode == 0
    assert (tmp_path / "p.org").read_text().endswith(diff("     ,*a,\n-    b=1)\n+    b=2)"))
    assert run(tmp_path, "diffs", "p.org").stdout == "every diff is up to date\n"


def test_a_link_to_the_org_file_stays_a_link(tmp_path):
    (tmp_path / "real.org").write_text(ends() + diff())
    (tmp_path / "p.org").symlink_to("real.org")
    assert run(tmp_path, "diffs", "p.org").returncode == 0
    assert (tmp_path / "p.org").is_symlink()
    assert DIFF in (tmp_path / "real.org").read_text()


TWO_NAMES = "a diff is made between two blocks: ':from NAME :to NAME'"
BAD = {
    "no names": (diff(DIFF, ""), 0, TWO_NAMES),
    "no end": (diff(DIFF, ":from old"), 0, TWO_NAMES),
    "no start": (diff("", ":to new"), 0, TWO_NAMES),
    "an empty name": (diff(DIFF, ":from :to new"), 0, TWO_NAMES),
    "an unknown name": (diff(DIFF, ":from old :to none"), 0, "no block is named 'none'"),
    "an unknown first": (diff(DIFF, ":from none :to new"), 0, "no block is named 'none'"),
    "a name in capitals": (diff(DIFF, ":from OLD :to new"), 0, "no block is named 'OLD'"),
    "the same": (diff(DIFF, ":from old :to old"), 0, "old and old are the same: there is no diff"),
    "a name of its own": (
        "#+name: d\n" + diff(DIFF),
        1,
        "a diff has no name, for no block may bring it in",
    ),
    "a shared name": (
        diff(DIFF, ":from old :to new :noweb-ref d"),
        0,
        "a diff has no name, for no block may bring it in",
    ),
    "code with an end": (
        named("other", "x", ":to new"),
        1,
        "only a diff has the arguments :from and :to",
    ),
    "code with a start": (
        "#+begin_src sh :from new\nx\n#+end_src\n",
        0,
        "only a diff has the arguments :from and :to",
    ),
    "commented out": (
        "* COMMENT x\n" + named("gone", "x") + "* B\n" + diff(DIFF, ":from gone :to new"),
        6,
        "no block is named 'gone'",
    ),
    "another word": (
        diff(DIFF, ":from old :till new"),
        0,
        "the header argument :till is not supported",
    ),
    "an indented tab": (
        named("t", "if x:\n\ty = 1\nz = 1")
        + named("u", "if x:\n\ty = 1\nz = 2")
        + "- a\n  "
        + diff("", ":from t :to u").replace("\n", "\n  "),
        13,
        "an indented block must hold no tabs and no lines of spaces only",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_diff_that_nobody_can_make_is_one_line_and_nothing_is_written(tmp_path, case):
    text, line, problem = BAD[case]
    (tmp_path / "p.org").write_text(ends() + diff() + text)
    before = snapshot(tmp_path)
    line += (ends() + diff()).count("\n") + 1
    line += DIFF.count("\n") + 1 if case == "an indented tab" else 0  # as it would be written
    result = run(tmp_path, "diffs", "p.org")
    assert fails_with_one_line(result, f"p.org:{line}: {problem}\n")
    assert snapshot(tmp_path) == before


def test_the_command_from_the_shell(tmp_path):
    (tmp_path / "p.org").write_text(ends() + diff())
    result = run_process(tmp_path, "diffs", "p.org")
    assert (result.returncode, result.stderr) == (0, "")
    assert fails_with_one_line(run_process(tmp_path, "diffs", "q.org"), "q.org: No such file")
    (tmp_path / "p.org").write_bytes(b"\xff")
    assert fails_with_one_line(
        run_process(tmp_path, "diffs", "p.org"), "p.org:1: this is not UTF-8"
    )


# --- tangling and weaving

LOOPS = block(OLD.replace("epochs", "range(2)"), name="old")
LOOPS += block(NEW.replace("epochs", "range(2)"), name="new")


SWAPPED = "\n".join(reversed(DIFF.replace("epochs", "range(2)").split("\n")))


@pytest.mark.parametrize("body", [DIFF, "", "-other", SWAPPED])
def test_weaving_refuses_a_stale_diff_and_tangling_does_not_look_at_it(tmp_path, body):
    text = chapter("One", "a", LOOPS + diff(body))
    problem = "this is not the diff from old to new; 'make diffs' writes it"
    line = (HEADER + text).split("#+begin_src diff")[0].count("\n") + 1
    assert refusal(tmp_path, text) == f"post.org:{line}: {problem}"
    result = run(tmp_path, "notebooks", "post.org", "notebooks")
    assert fails_with_one_line(result, f"post.org:{line}: {problem}\n")


def test_weaving_refuses_a_diff_without_its_blocks(tmp_path):
    line = refusal(tmp_path, chapter("One", "a", LOOPS + diff("-x", ":from old :to none")))
    assert line.endswith(": no block is named 'none'")
    (tmp_path / "logs" / "a.log").unlink()
    assert (
        refusal(tmp_path, "* One\n#+begin_src diff\n-x\n#+end_src\n") == f"post.org:5: {TWO_NAMES}"
    )


def test_a_diff_in_the_document_names_its_blocks_and_is_no_code_of_the_script(tmp_path):
    body = DIFF.replace("epochs", "range(2)")
    post = woven(tmp_path, chapter("One", "a", LOOPS + diff(body) + block("x = 1")))
    (found,) = [node for node in post.document["blocks"] if node["t"] == "Div"][2:3]
    (key, kinds, about), (code,) = found["c"]
    assert (key, kinds) == ("", ["block"])
    assert about[1:] == [["from", "old"], ["to", "new"]]
    assert code["c"] == [["", ["diff"], []], body]
    assert "-    one" not in (tmp_path / "tangled" / "a.py").read_text()


@pytest.mark.parametrize("body", ["", DIFF])
def test_a_diff_goes_into_no_script(tmp_path, body):
    (tmp_path / "p.org").write_text(ends() + diff(body, ":from old :to new :tangle a.py"))
    problem = "only Python (.py), CSS, HTML and JS go into a file"
    assert fails_with_one_line(run(tmp_path, "tangle", "p.org"), problem)


def test_a_diff_shows_references_as_they_stand(tmp_path):
    text = "#+property: header-args :noweb yes\n" + ends("<<part>>\nx = 1", "<<part>>\n<<more>>")
    text += named("part", "y = 0") + named("more", "z = 0") + diff()
    (tmp_path / "p.org").write_text(text)
    assert run(tmp_path, "diffs", "p.org").returncode == 0
    assert (tmp_path / "p.org").read_text().endswith(diff(" <<part>>\n-x = 1\n+<<more>>"))
    assert run(tmp_path, "tangle", "p.org").returncode == 0


def test_a_block_cannot_bring_in_a_diff():
    with pytest.raises(OrgError, match="a diff has no name"):
        read_blocks("#+name: d\n" + diff("-x"))


# --- how Hypothesis runs in all tests


def test_hypothesis_tries_the_same_inputs_takes_its_time_and_leaves_nothing_behind():
    settings = hypothesis.settings()
    assert (settings.derandomize, settings.deadline, settings.database) == (True, None, None)
    assert hypothesis.HealthCheck.too_slow in settings.suppress_health_check
    place = Path(storage_directory("examples", intent_to_write=False).path)
    assert ROOT not in place.parents
