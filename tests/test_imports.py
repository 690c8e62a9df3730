"""The builder's modules: they import one way, say what they are for, and stay small."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

PACKAGE = ROOT / "literate"
HOOK = PACKAGE / "hook"
MODULES = {path.stem: path for path in PACKAGE.glob("*.py")}
FILES = [*PACKAGE.glob("*.py"), *HOOK.glob("*.py")]


def imported(path, at_the_top=False):
    """Return the modules of the package that a module imports, anywhere or at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: write 'from literate.x import y'"
            parts = (node.module or "").split(".")
            names = [alias.name for alias in node.names] if len(parts) == 1 else parts[1:2]
            found |= set(names) if parts[0] == "literate" else set()
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "literate" and len(name) > 1}
    return found


def test_there_is_something_to_test():
    assert {"files", "org", "tangle", "detangle", "run", "__main__"} <= set(MODULES)
    assert imported(MODULES["tangle"]) == {"files", "org"}


def test_imports_run_one_way():
    """Each module can be put below all those that import it."""
    waiting = {name: imported(path) & set(MODULES) for name, path in MODULES.items()}
    while waiting:
        free = {name for name, needs in waiting.items() if not needs & set(waiting)}
        assert free, f"these import one another: {sorted(waiting)}"
        waiting = {name: needs for name, needs in waiting.items() if name not in free}


def test_imports_run_in_the_order_in_which_the_readme_lists_the_modules():
    rows = re.findall(r"^\| (`.*?`) \|", (PACKAGE / "README.md").read_text("utf-8"), re.MULTILINE)
    order = re.findall(r"`(\w+)\.py`", " ".join(rows))
    assert sorted([*order, "__init__"]) == sorted(MODULES)
    for place, name in enumerate(order):
        assert imported(MODULES[name]) & set(order[place:]) == set(), name


@pytest.mark.parametrize(
    ("module", "needs"),
    [
        ("files", set()),
        ("org", set()),
        ("tangle", {"files", "org"}),
        ("detangle", {"files", "org", "tangle"}),
        ("diffs", {"files", "org", "detangle"}),
        ("warm", set()),
        ("forks", {"warm"}),
        ("run", {"files", "warm"}),
        ("watch", set()),
    ],
)
def test_the_lower_modules_need_only_these(module, needs):
    assert imported(MODULES[module]) <= needs


def test_the_command_line_imports_each_command_when_it_is_asked_for():
    assert imported(MODULES["__main__"], at_the_top=True) == {"files"}


def test_tangling_needs_the_standard_library_and_nothing_else(tmp_path):
    """It runs under a Python that has no packages (-S) and leaves other commands alone."""
    (tmp_path / "p.org").write_text("#+begin_src python :tangle a.py\nx\n#+end_src\n")
    code = "import sys; from literate.__main__ import main; main(['tangle', 'p.org'])\n"
    code += "print(sorted(name for name in sys.modules if name.startswith('literate')))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = ["literate", *(f"literate.{name}" for name in ("__main__", "files", "org", "tangle"))]
    assert run.stdout.splitlines() == ["tangled a.py", str(names)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_module_is_small_and_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert len(ast.get_docstring(ast.parse(text)) or "") > 40


def test_no_file_beside_the_scripts_shadows_a_package():
    """A script's own folder comes first on its path."""
    known = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    for folder in (ROOT / "tangled", ROOT):
        ours = {path.stem for path in folder.glob("*.py")}
        ours |= {path.parent.name for path in folder.glob("*/__init__.py")}
        assert ours & known == set()


def test_the_hook_shadows_only_what_it_hands_on():
    known = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    names = {path.stem for path in HOOK.glob("*.py")}
    assert "sitecustomize" in names
    assert (names - {"sitecustomize"}) & known == set()
    assert not (HOOK / "__init__.py").exists()
    assert [path for path in HOOK.iterdir() if path.suffix not in {".py", ""}] == []
