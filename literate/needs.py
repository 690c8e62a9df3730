"""What the notebook of a chapter needs: its packages, and the cell that installs them.

The cell leaves what is there as it is: Colab brings a torch that fits its machines, and a package
that is replaced under a running kernel breaks it.
"""

import ast
import re
import sys
import textwrap
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from literate.cells import Cell
from literate.files import read_text, shown
from literate.post import Post

PACKAGES = {"sklearn": "scikit-learn", "ax": "ax-platform"}  # where it is not the module's name
NEEDS = {"torchviz": ("setuptools", "graphviz-pure"), "torch.utils.tensorboard": ("tensorboard",)}
IMPORTS = """\
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version"""
SHOWS = "from IPython.display import Image"
GRAPHVIZ = "# Graphviz draws the graphs: graphviz-pure, or the program dot if your system has it.\n"
INSTALL = '''\
def install_what_is_missing(*packages: str) -> None:
    """Install packages that are missing; what is there, Colab's torch say, stays as it is."""
    missing, there = [], []
    for package in packages:
        name = package.partition("==")[0]
        try:
            there.append(f"{name}=={version(name)}")
        except PackageNotFoundError:  # a torchvision is made for one torch, so pip chooses it
            missing.append("torchvision" if name == "torchvision" else package)
    if missing:
        pip = [sys.executable, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *missing, *there], check=True)
    if others := [one for one in there if one.partition("+")[0] not in packages]:
        print("The outputs below were made with other versions than yours:", *others)'''


def imports_of(script: Path) -> Iterator[str]:
    """Yield the modules that a script imports and that Python does not bring along."""
    for node in ast.walk(ast.parse(read_text(script))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            if node.level:
                place = f"{shown(script)}:{node.lineno}"
                raise ValueError(f"{place}: a script is in no package: write 'import module'")
            names = [node.module]
        yield from (one for one in names if one.partition(".")[0] not in sys.stdlib_module_names)


def packages_of(post: Post, script: Path) -> list[str]:
    """Return what a chapter and its exercises need as NAME==VERSION.

    Raises ValueError for a package without a version.
    """
    chapter = bisect_right(post.chapters, post.scripts[script][0].top.line)
    requirements = post.folder / "requirements.in"
    pinned = dict(re.findall(r"^([\w-]+)(==\S+)", read_text(requirements), re.MULTILINE))
    wanted = set()
    for one in (script, *post.scripts_of(chapter, tasks=True)):
        for module in imports_of(one):
            name = module.partition(".")[0]
            wanted |= {PACKAGES.get(name, name), *NEEDS.get(module, ())}
    if missing := sorted(wanted - set(pinned)):
        problem = f"{shown(script)} needs {', '.join(missing)}, in no version"
        raise ValueError(f"{shown(requirements)}: {problem}")
    return [f"{name}{pinned[name]}" for name in pinned if name in wanted]


def set_up(packages: list[str], has_figures: bool) -> list[Cell]:
    """Return the cell that installs what is missing, and imports what shows figures."""
    imports = [IMPORTS] if packages else []
    imports += [SHOWS] if has_figures else []
    code = ["\n\n".join(imports)] if imports else []
    if packages:
        names = " ".join(f'"{one}",' for one in packages)
        rows = textwrap.wrap(names, 92, break_long_words=False, break_on_hyphens=False)
        why = GRAPHVIZ if any(one.startswith("graphviz-pure=") for one in packages) else ""
        call = "".join(f"    {row}\n" for row in rows)
        code += [INSTALL, f"{why}install_what_is_missing(\n{call})"]
    return [Cell("\n\n\n".join(code))] if code else []
