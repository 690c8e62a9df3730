"""Cut the script of a chapter into the code cells of its notebook.

A script follows its chapter, so a tangled block is a cell, with its references expanded. Two things
need more, as a notebook is no file that another process could read:

- Workers import what they need from the script, whose work stands behind a guard. There each block
  that the guard brings in is a cell, in the place where the text explains it; what stands outside
  of the guards is written into a file first, and imported.
- A chapter that starts itself again uses __file__. There the code so far is written into a file,
  just before the first cell that needs it.
"""

import ast
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from literate.files import read_text, shown
from literate.nodes import Node, code_block, div, text
from literate.outputs import block_of, plain
from literate.post import Post
from literate.sections import SECTION

# How a block ends beyond which the other process does not come, and what says that there is one.
EXIT = re.compile(r"\n    (?:sys\.exit|os\._exit)\(\d?\)\Z")
FILE = re.compile(r"\b__file__\b")
GUARD, INDENT = 'if __name__ == "__main__":', "    "
WORKERS = """\
This chapter starts other processes, and they import what they need from a file. The next cell \
writes that file: the functions and classes of the chapter, which are explained further down. \
After a change in it, restart the kernel."""
AGAIN = """\
This chapter starts itself again in another process, which reads it from a file. The next cell \
writes that file: the code of the cells so far, up to the one that ends the other process. After a \
change in them, change it here, too."""


class Cell(NamedTuple):
    """A code cell: its source, what it prints, and the picture that it shows."""

    source: str
    printed: str = ""
    picture: Node | None = None

    def node(self, count: int) -> Node:
        """Return the cell that is the count-th to run as pandoc's reader of notebooks gives it."""
        counted = [["execution_count", str(count)]]
        inside = [code_block(["python"], self.source)]
        if output := plain(self.printed):
            inside.append(div("", ["output", "stream", "stdout"], [], [code_block([], output)]))
        if self.picture:
            shows = [self.picture, code_block([], "<IPython.core.display.Image object>")]
            inside.append(div("", ["output", "execute_result"], counted, shows))
        return div("", ["cell", "code"], counted, inside)


@dataclass
class Part:
    """Lines of a script that stand together in a notebook, in the place of a block."""

    line: int  # the block's line in the Org file
    guarded: bool
    rows: list[str]
    printed: str = ""

    @property
    def code(self) -> str:
        """The lines as one text, which neither begins nor ends with an empty line."""
        return "\n".join(self.rows).strip()


def parts_of(post: Post, script: Path) -> list[Part]:
    """Return the parts of a script and what they printed, in the order in which they run.

    Raises ValueError where that is not the order of the chapter, or where a part cannot run alone.
    """
    parts: list[Part] = []
    owners: dict[int, Part] = {}  # by the line of the script
    top, behind = None, False
    for number, line in enumerate(post.scripts[script], 1):
        if line.top is not top:
            top, behind = line.top, False
        behind = behind and (not line.text or line.text.startswith(INDENT))
        if line.text == GUARD:
            behind = True
        elif line.text.strip() and not SECTION.fullmatch(line.text):
            place = block_of(line, post.chapters) if behind else top.line
            if not parts or (parts[-1].line, parts[-1].guarded) != (place, behind):
                parts.append(Part(place, behind, []))
            parts[-1].rows.append(line.text.removeprefix(INDENT if behind else ""))
            owners[number] = parts[-1]
        elif parts:
            parts[-1].rows.append("")
    for number, output in post.runs[script].printed:
        owners.get(number, parts[-1]).printed += output
    check_parts(post, parts)
    return parts


def check_parts(post: Post, parts: list[Part]) -> None:
    """Raise ValueError where cells would run in another order, or where one could not run."""
    for before, part in pairwise(parts):
        if part.line < before.line:
            problem = "behind a guard stand only blocks of the chapter, in their order"
            raise ValueError(f"{shown(post.org)}:{part.line}: {problem}")
    for part in parts:
        try:
            ast.parse(part.code)
        except SyntaxError as error:
            problem = f"no cell of a notebook can run this block alone: {error.msg}"
            raise ValueError(f"{shown(post.org)}:{part.line}: {problem}") from None


def quiet(code: str, silent: set[str]) -> str:
    """Return the code of a cell, with a semicolon if it could end by showing a value."""
    *_, last = [None, *ast.parse(code).body]
    called = last.value.func if isinstance(getattr(last, "value", None), ast.Call) else None
    if not isinstance(last, ast.Expr) or (isinstance(called, ast.Name) and called.id in silent):
        return code
    rows = code.encode().split(b"\n")  # the column of a statement counts bytes
    row, column = rows[last.end_lineno - 1], last.end_col_offset
    rows[last.end_lineno - 1] = row[:column] + b";" + row[column:]
    return b"\n".join(rows).decode()


def silent_functions(script: ast.Module) -> set[str]:
    """Return the functions of a script that say that they return None, and print."""
    functions = (one for one in script.body if isinstance(one, ast.FunctionDef) and one.returns)
    return {one.name for one in functions if ast.unparse(one.returns) == "None"} | {"print"}


def writing(why: str, name: str, parts: list[Part]) -> list[Node | Cell]:
    """Return the text before the cell that writes parts of a script into a file, and that cell."""
    source = "\n\n\n".join(part.code for part in parts)
    cell = Cell(f"%%writefile {name}\n{source}", f"Writing {name}\n")
    return [{"t": "Para", "c": [text(why)]}, cell]


def cells_of(post: Post, script: Path) -> tuple[list[Node | Cell], dict[int, list[Node | Cell]]]:
    """Return what stands before a chapter's text, and in the place of each block, by its line."""
    parts, name = parts_of(post, script), f"chapter_{script.stem[:2]}"
    silent = silent_functions(ast.parse(read_text(script)))
    has_guard = any(part.guarded for part in parts)
    apart = [part for part in parts if has_guard and not part.guarded]
    before: list[Node | Cell] = []
    if apart:
        printed = "".join(part.printed for part in apart)
        before = [*writing(WORKERS, f"{name}.py", apart), Cell(f"from {name} import *", printed)]
    cells: dict[int, list[Node | Cell]] = {}
    is_named = False
    for place, part in enumerate(parts):
        if part.guarded == has_guard:
            source, cell = quiet(part.code, silent), cells.setdefault(part.line, [])
            if FILE.search(source) and not is_named:
                ends = [end for end, one in enumerate(parts[:place], 1) if EXIT.search(one.code)]
                needed = parts[: max(ends, default=place)]
                cell += [] if apart else writing(AGAIN, f"{name}.py", needed)
                source = f'__file__ = "{name}.py"  # a notebook has no file of its own\n\n{source}'
                is_named = True
            cell.append(Cell(source, part.printed))
    return before, cells
