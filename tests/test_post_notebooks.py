"""The notebooks of the post are those in git, and as they should be. None is executed here.

Run 'make all' first: they hold what the run left in logs/ and figures/. The long tests execute
them, and cut notebooks from small posts.
"""

import ast
import base64
import json
import platform
import re
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from conftest import ROOT, chapter_of
from literate import notebooks
from literate.files import content_at, sum_at, sums_content
from posts import the_post
from reading import printed, read, sources, values

ORG = ROOT / "pytorch-first-principles.org"
SCRIPTS = sorted(path.stem for path in (ROOT / "tangled").glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """Return the notebooks of the post, which needs the transcripts of a run."""
    return notebooks.notebooks_of(the_post())


def without_outputs(content: bytes) -> list[dict]:
    """Return the cells of a notebook without what they printed and showed."""
    return [cell | {"outputs": []} for cell in json.loads(content)["cells"]]


def test_each_chapter_has_a_notebook_in_git_and_it_is_the_one_that_would_be_woven(made):
    """The one in git was woven by another process, so each weaving gives the same bytes."""
    assert [name.removesuffix(".ipynb") for name in made] == SCRIPTS
    assert len(SCRIPTS) == 14
    devices = {chapter_of(ROOT / "tangled" / f"{name}.py").device for name in SCRIPTS}
    same_machine = (sys.platform, platform.machine(), devices) == ("linux", "x86_64", {"cpu"})
    in_git = {name: content_at(ROOT / "notebooks" / name) or b'{"cells": []}' for name in made}
    if not same_machine:  # digits and figures may differ there
        made, in_git = (
            {name: without_outputs(content) for name, content in every.items()}
            for every in (made, in_git)
        )
    stale = [name for name in made if in_git[name] != made[name]]
    assert stale == [], "stale in notebooks/: run 'make notebooks', and commit what changed"


def test_the_sums_in_git_are_those_of_the_notebooks_in_git():
    """So that 'make notebooks' may write them again."""
    folder = ROOT / "notebooks"
    sums = {path: sum_at(path) for path in folder.glob("*.ipynb")}
    assert (folder / "SHA256SUMS").read_bytes() == sums_content(sums, folder)


def test_a_notebook_holds_nothing_of_the_machine_that_wove_it(made):
    own = {str(ROOT), str(Path.home()), sys.prefix} - {"/"}
    for name, content in made.items():
        notebook = read(content)
        output = "".join(printed(notebook))
        text = "\n".join([*(cell.source for cell in notebook.cells), output])
        assert [path for path in own if re.search(rf"{re.escape(path)}\b", text)] == [], name
        versions = (platform.python_version(), version("torch"), version("numpy"))
        assert [one for one in versions if one in output] == [], name


def test_every_notebook_is_valid(made):
    for name, content in made.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            notebook = read(content)
            nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5), name
        assert notebook.metadata.kernelspec.name == "python3", name
        assert notebook.metadata.kernelspec.language == "python", name
        assert notebook.metadata.kernelspec.display_name == "Python 3", name
        assert notebook.metadata.language_info.name == "python", name
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1)), name
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells), name
        assert all(re.fullmatch(r"[\w-]{1,64}", cell.id) for cell in notebook.cells), name
        assert all(cell.source.strip() == cell.source for cell in notebook.cells), name
        assert not any("# %%" in source for source in sources(notebook, "code")), name


def unguarded(one: ast.stmt) -> list[ast.stmt]:
    """Return what stands behind the guard of a script in place of the guard."""
    if isinstance(one, ast.If) and ast.unparse(one.test) == "__name__ == '__main__'":
        return one.body
    return [one]


def statements(code: str) -> list[str]:
    """Return the top-level statements of code, and those behind its guards."""
    return [ast.unparse(inner) for one in ast.parse(code).body for inner in unguarded(one)]


def is_definition(statement: str) -> bool:
    """Return whether a statement defines a function or a class, or imports, or says what it is."""
    return isinstance(
        ast.parse(statement).body[0],
        ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom,
    ) or statement.startswith("'")


def code_of(notebook: NotebookNode) -> str:
    """Return the code of a notebook, without what only a notebook needs."""
    code = []
    found = sources(notebook, "code")
    has_import = any(one.startswith("from chapter_") for one in found)
    for one in found:
        if (
            one.startswith("Image(")
            or "\ninstall_what_is_missing(\n" in one
            or (one.startswith("%%writefile") and not has_import)
        ):
            continue
        only_here = r"^%%writefile .*$|^from (chapter_\d\d|IPython\.display) import .*$"
        code.append(re.sub(rf"{only_here}|^__file__ = .*$", "", one, flags=re.MULTILINE))
    return "\n".join(code)


def exercises_of(name):
    """Return the texts of the exercises of a chapter, in the order of the post."""
    post = (ROOT / "pytorch-first-principles.org").read_text(encoding="utf-8")
    paths = re.findall(rf":tangle (tangled/exercises/{name[:2]}_\w+\.py)$", post, re.MULTILINE)
    return [(ROOT / path).read_text(encoding="utf-8") for path in paths]


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_exercise_is_a_cell_that_no_run_has_tried(made, name):
    cells = [cell for cell in read(made[f"{name}.ipynb"])["cells"] if cell["cell_type"] == "code"]
    texts = exercises_of(name)
    found = [cell for cell in cells if "def run_check(" in "".join(cell["source"])]
    assert ["".join(cell["source"]).rstrip() for cell in found] == [one.rstrip() for one in texts]
    assert [cell["outputs"] for cell in found] == [[]] * len(texts)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_does_what_its_script_does(made, name):
    notebook = read(made[f"{name}.ipynb"])
    script = (ROOT / "tangled" / f"{name}.py").read_text(encoding="utf-8")
    code = "\n".join([script, *exercises_of(name)])  # in the order of the post
    here, there = statements(code_of(notebook)), statements(code)
    if GUARDED.search(script):  # what the workers need comes first
        assert sorted(here) == sorted(there)
        here, there = ([one for one in every if not is_definition(one)] for every in (here, there))
    assert here == there


GUARDED = re.compile(r'^if __name__ == "__main__":$', re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_file_that_a_chapter_writes_holds_its_code_up_to_the_exit(made, name):
    code = sources(read(made[f"{name}.ipynb"]), "code")
    script = (ROOT / "tangled" / f"{name}.py").read_text(encoding="utf-8")
    written = [place for place, one in enumerate(code) if one.startswith("%%writefile ")]
    assert len(written) == bool(GUARDED.search(script) or re.search(r"\b__file__\b", script))
    for place in written:
        file = f"chapter_{name[:2]}.py"
        head, _, text = code[place].partition("\n")
        assert head == f"%%writefile {file}"
        compile(text, file, "exec")
        if not GUARDED.search(script):
            assert statements(text) == statements(script)[: len(statements(text))]
            assert code[place + 1].startswith(f'__file__ = "{file}"')
            assert re.search(r"\n    (sys\.exit\(\)|os\._exit\(0\))\Z", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_shows_what_its_script_printed_and_drew(made, name):
    notebook = read(made[f"{name}.ipynb"])
    text = "".join(one for one in printed(notebook) if not one.startswith("Writing "))
    assert text == (ROOT / "logs" / f"{name}.log").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    draws = re.search(rf"^{name}_draws +:= (.*)", makefile, re.MULTILINE)
    drawn = (
        [(ROOT / "figures" / f"{one}.png").read_bytes() for one in draws[1].split()]
        if draws
        else []
    )
    shown = [base64.b64decode(value["data"]["image/png"]) for value in values(notebook)]
    assert sorted(shown) == sorted(drawn)
    assert all(value["metadata"]["image/png"]["alt"] for value in values(notebook))


def test_the_text_of_the_notebooks_leads_nowhere_else(made):
    for name, content in made.items():
        text = "\n".join(sources(read(content), "markdown"))
        for target in re.findall(r"\]\(([^)]*)\)", text):
            assert target in made or target.startswith("https://"), name
        assert "[[#" not in text and "[[file:" not in text, name
        assert not re.search(r"<(?!!)/?(?:span|div|a|img)\b|<!--", text), name
