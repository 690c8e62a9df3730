"""Emacs and the builder: the same bytes, for the post and for each feature of Org."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT
from emacs import tangle_command
from orgs import contents, named, org_text, tangled_text
from test_tangle import TORTURE, committed

pytestmark = pytest.mark.skipif(shutil.which("emacs") is None, reason="emacs is not installed")


def emacs_tangle(*orgs):
    """Let one Emacs tangle Org files; return {name: content} for each of them, or None."""
    folder = orgs[0].parent
    home = folder / "home"
    home.mkdir()
    command = tangle_command(*map(str, orgs))
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, timeout=600
    )
    return [contents(org.parent) for org in orgs] if ended.returncode == 0 else None


def test_the_post(tmp_path):
    shutil.copy(ROOT / "pytorch-first-principles.org", tmp_path / "post.org")
    assert emacs_tangle(tmp_path / "post.org") == [committed()]


SAME = {
    "each feature of Org that we claim": TORTURE,
    "no end of LaTeX": "\\begin{x}\n" + org_text("x"),
    "LaTeX until a heading": "\\begin{x}\n" + org_text("x") + "\n* H\n\\end{x}\n",
    "a formula": "\\begin{x}\ny\n\\end{x}\n" + org_text("x"),
    "no mode line": "text\n# -*- coding: latin-1 -*-\n" + org_text("é"),
    "a section first": "** A\n" + org_text("x") + "* B\n" + org_text("y"),
    "a diff, whose arguments Emacs does not know": "#+property: header-args :noweb yes\n"
    + named("one", "<<part>>\n1")
    + named("other", "<<part>>\n2")
    + named("part", "p")
    + "#+begin_src diff :from one :to other\n <<part>>\n-1\n+2\n#+end_src\n"
    + org_text("<<other>>\nx"),
    "an empty diff": org_text("x") + "#+begin_src diff :from one :to other\n#+end_src\n",
    "a block in an answer": "#+begin_question\nWhy?\n\n" + org_text("x") + "#+end_question\n",
    "an exercise and its folded solution": "#+property: header-args :noweb yes :mkdirp yes\n"
    + named("spec-a", "1\n\n2")
    + named("check-a", "<<spec-a>>\n3")
    + org_text("<<spec-a>>\n\n\nx\n\n\n<<check-a>>", ":tangle exercises/a.py")
    + "#+begin_hint\nLook.\n#+end_hint\n#+begin_solution\nSo.\n\n"
    + org_text("<<spec-a>>\n\n\ny\n\n\n<<check-a>>", ":tangle exercises/solutions/a.py")
    + "#+end_solution\n",
    "a folder is made": org_text("x", ":tangle new/a.py :mkdirp yes"),
}


# What we refuse, and what Emacs makes of it: nothing, or something else than it shows. Or it fails.
LATEX = "\\begin{x}\n" + org_text("x", ":tangle b.py") + "\\end{x}\n"
PROPERTY = "\\begin{x}\n#+property: header-args :tangle b.py\n\\end{x}\n"
LATIN = 'é"'.encode().decode("latin-1").encode()
REFUSED = {
    "a block in LaTeX": (LATEX + org_text("y"), {"a.py": b"y\n"}),
    "a property in LaTeX": (PROPERTY + org_text("y", ""), {}),
    "small local variables": (
        org_text('"é"') + "# local variables:\n# coding: latin-1\n# end:\n",
        {"a.py": b'"' + LATIN + b"\n"},
    ),
    "a mode line below #!": (
        "#!emacs\n# -*- coding: latin-1 -*-\n" + org_text('"é"'),
        {"a.py": b'"' + LATIN + b"\n"},
    ),
    "XML": (
        '<?xml version="1.0" encoding="latin-1"?>\n' + org_text('"é"'),
        {"a.py": b'"' + LATIN + b"\n"},
    ),
}
FAILS = {
    "a missing folder": org_text("x", ":tangle new/a.py"),
    "a folder that is not to be made": org_text("x", ":tangle new/a.py :mkdirp no"),
}


@pytest.fixture(scope="module")
def by_emacs(tmp_path_factory):
    """Return what one Emacs makes of each case, as {name: content}."""
    cases = SAME | {case: text for case, (text, _) in REFUSED.items()}
    orgs = [tmp_path_factory.mktemp("case") / "p.org" for _ in cases]
    for org, text in zip(orgs, cases.values(), strict=True):
        org.write_text(text, encoding="utf-8")
    return dict(zip(cases, emacs_tangle(*orgs), strict=True))


@pytest.mark.parametrize("case", SAME)
def test_what_only_looks_odd_is_tangled_by_both(case, by_emacs):
    ours = {name: text.encode() for name, text in tangled_text(SAME[case]).items()}
    assert ours
    assert by_emacs[case] == ours


@pytest.mark.parametrize("case", REFUSED)
def test_what_we_refuse_is_something_else_to_emacs(case, by_emacs):
    """If Emacs comes to read one of these as it looks, we could stop refusing it."""
    assert by_emacs[case] == REFUSED[case][1]


@pytest.mark.parametrize("case", FAILS)
def test_what_we_refuse_makes_emacs_fail(case, tmp_path):
    (tmp_path / "p.org").write_text(FAILS[case], encoding="utf-8")
    assert emacs_tangle(tmp_path / "p.org") is None
