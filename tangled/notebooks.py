"""Write each chapter of an Org file as a notebook, with what its script printed and drew.

This is the work behind 'python tangled/literate.py notebooks ORG FOLDER'. It runs no chapter:
the outputs come from the transcripts in logs/ and from figures/.
"""

import ast
import base64
import json
import re
import sys
import textwrap
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import nbformat
import pypandoc
from literate import (
    REFERENCE,
    Block,
    Line,
    content_at,
    expand,
    index_blocks,
    read_blocks,
    read_sums,
    read_text,
    shown,
    sum_at,
    sum_of,
    sums_content,
    write_all,
)
from nbformat import NotebookNode, v4
from weave import Node, Page, block_of, raw, read_document, refuse_image, walk, words

NUMBERED = re.compile(r"\d\d_\w+")  # the name of a script that gets a notebook
GUARD = re.compile(r'(?:el)?if __name__ == "__main__":')
PACKAGES = {"sklearn": "scikit-learn", "ax": "ax-platform"}  # where it is not the module's name
NEEDS = {"torchviz": ("setuptools", "graphviz-pure"), "torch.utils.tensorboard": ("tensorboard",)}

MARKDOWN = "gfm+tex_math_dollars-tex_math_gfm"  # what Jupyter and Colab both show
MARK = "<!-- the next cell -->"
ORIGIN = """\
A chapter of the post *{title}* as a notebook. Its cells run from top to bottom. It is
made from `{org}`, so a change that is to last belongs there."""
WORKERS = """\
This chapter starts other processes, and they import what they need from a file. The next cell
writes that file: the functions and classes of the chapter, which are explained further down. After
a change in it, restart the kernel."""
INSTALL = "# Is a package missing? Take the # off the next line and run this cell.\n# %pip install "
GRAPHVIZ = "# Graphviz draws the graphs: graphviz-pure, or the program dot if your system has it.\n"


class Cell(NamedTuple):
    """A code cell: its source, what it prints, and a PNG file that it shows, with a text for it."""

    source: str
    printed: str = ""
    picture: bytes = b""
    alt: str = ""

    def outputs(self, count: int) -> list[NotebookNode]:
        """Return the outputs that the cell has where it is the count-th to run, from 1."""
        outputs = [v4.new_output("stream", text=self.printed)] if self.printed else []
        if self.picture:
            encoded = base64.b64encode(self.picture).decode()
            data = {"image/png": encoded, "text/plain": "<IPython.core.display.Image object>"}
            about = {"data": data, "metadata": {"image/png": {"alt": self.alt}}}
            outputs.append(v4.new_output("execute_result", **about, execution_count=count))
        return outputs


class Chapter:
    """A chapter that has a script: its blocks in order, and those that tangle to the script."""

    def __init__(self, page: Page, script: Path) -> None:
        self.page, self.script = page, script
        self.by_name = index_blocks(*read_blocks(page.text))
        tops = {line.top.line for line in page.scripts[script] if line.top}
        self.number = bisect_right(page.chapters, min(tops))
        self.blocks = [block for block in page.blocks if self.holds(block)]
        self.tangled = [block for block in self.blocks if block.line in tops]

    def holds(self, block: Block) -> bool:
        """Return whether a block stands in this chapter."""
        return bisect_right(self.page.chapters, block.line) == self.number

    def brought_in(self, text: str) -> list[Block]:
        """Return the blocks of this chapter that a line of code refers to."""
        reference = REFERENCE.search(text)
        named = self.by_name.get(reference[1], []) if reference else []
        return [block for block in named if self.holds(block)]


def lines_of(chapter: Chapter, block: Block, rows: Sequence[str] | None = None) -> list[Line]:
    """Return a block, or some of its rows, as tangled, without blank lines at either end."""
    part = replace(block, body=block.body if rows is None else tuple(rows))
    lines = list(expand(part, chapter.by_name))
    filled = [place for place, line in enumerate(lines) if line.text.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def text_of(lines: Iterable[Line]) -> str:
    """Return lines as one text, in which blank lines are empty, with the last line not ended."""
    return "\n".join(line.text.rstrip() for line in lines)


def printed_by(chapter: Chapter, lines: Iterable[Line]) -> str:
    """Return what the blocks that answer for these lines printed."""
    blocks = dict.fromkeys(block_of(line, chapter.page.chapters) for line in lines)
    return "".join(chapter.page.printed.get(block, "") for block in blocks)


def quiet(chapter: Chapter, code: str) -> str:
    """Return the code of a cell, with a semicolon if it could end by showing a value."""
    *_, last = [None, *ast.parse(code).body]
    if not isinstance(last, ast.Expr):
        return code
    definitions = definitions_in(text_of(chapter.page.scripts[chapter.script]))
    returns = {name: getattr(one, "returns", None) for name, one in definitions.items()}
    none = {name for name, result in returns.items() if result and ast.unparse(result) == "None"}
    called = last.value.func if isinstance(last.value, ast.Call) else None
    if isinstance(called, ast.Name) and called.id in none | {"print"}:
        return code
    rows = code.encode().split(b"\n")  # the column of a statement counts bytes
    row, column = rows[last.end_lineno - 1], last.end_col_offset
    rows[last.end_lineno - 1] = row[:column] + b";" + row[column:]
    return b"\n".join(rows).decode()


Definition = ast.FunctionDef | ast.ClassDef


def at_once(statement: ast.stmt) -> list[ast.AST]:
    """Return the parts of a statement that are evaluated when it runs."""
    if isinstance(statement, ast.FunctionDef):
        result = [statement.returns] if statement.returns else []
        return [*statement.decorator_list, statement.args, *result]
    if isinstance(statement, ast.ClassDef):
        inside = [part for inner in statement.body for part in at_once(inner)]
        return [*statement.decorator_list, *statement.bases, *statement.keywords, *inside]
    return [statement]


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that stand anywhere in pieces of code."""
    parts = (part for node in nodes for part in ast.walk(node))
    return {part.id for part in parts if isinstance(part, ast.Name)}


def names_used(code: str, definitions: dict[str, Definition]) -> set[str]:
    """Return the names that code may need when it runs, through all functions it names."""
    used = names_in(part for one in ast.parse(code).body for part in at_once(one))
    waiting = list(used)
    while waiting:
        if definition := definitions.get(waiting.pop()):
            new = names_in([definition]) - used
            used |= new
            waiting += new
    return used


def definitions_in(code: str) -> dict[str, Definition]:
    """Return the functions and classes that code defines at its top level, by name."""
    found = (one for one in ast.parse(code).body if isinstance(one, Definition))
    return {one.name: one for one in found}


def movable(chapter: Chapter) -> dict[int, Block]:
    """Return the blocks of definitions that an earlier block of the chapter brings in, by line."""
    found = {}
    for top in chapter.tangled:
        for block in (block for text in top.body for block in chapter.brought_in(text)):
            code = text_of(lines_of(chapter, block))
            only_defines = len(definitions_in(code)) == len(ast.parse(code).body)
            if only_defines and block.line > top.line:
                found[block.line] = block
    return found


def without(chapter: Chapter, block: Block, moved: dict[int, Block]) -> list[str]:
    """Return the rows of a block, without references to moved blocks and blank rows after them."""
    rows, gone = [], False
    for text in block.body:
        gone = any(one.line in moved for one in chapter.brought_in(text)) or (gone and not text)
        rows += [] if gone else [text]
    return rows


def plain_code(chapter: Chapter) -> dict[int, list[Line]]:
    """Return the lines of each code cell, by the line of the block in whose place it stands."""
    definitions = definitions_in(text_of(chapter.page.scripts[chapter.script]))
    moved = movable(chapter)
    while True:
        code = {
            block.line: lines_of(chapter, block, without(chapter, block, moved))
            for block in chapter.tangled
        }
        code |= {place: lines_of(chapter, block) for place, block in moved.items()}
        used = {place: names_used(text_of(lines), definitions) for place, lines in code.items()}
        needed_before = {
            place
            for place in moved
            for earlier, names in used.items()
            if earlier < place and names & set(definitions_in(text_of(code[place])))
        }
        if not needed_before:
            return {place: lines for place, lines in code.items() if lines}
        moved = {place: moved[place] for place in moved if place not in needed_before}


def guard_of(chapter: Chapter) -> int | None:
    """Return the row of a script's outline behind which all that runs stands, or None."""
    rows = enumerate(chapter.tangled[0].body)
    return next((row for row, text in rows if GUARD.fullmatch(text)), None)


def behind_guard(chapter: Chapter, guard: int) -> tuple[list[Line], dict[int, list[Line]]]:
    """Return the lines between a guard and the chapter's own blocks, and those blocks by line.

    Raises ValueError where the cells would run in another order than the script.
    """
    outline = chapter.tangled[0]
    rows = [text.removeprefix("    ") for text in outline.body[guard + 1 :]]
    own = [place for place, text in enumerate(rows) if chapter.brought_in(text)]
    first = own[0] if own else len(rows)
    code = {
        block.line: lines_of(chapter, block)
        for place in own
        for block in chapter.brought_in(rows[place])
    }
    stray = any(text and place not in own for place, text in enumerate(rows) if place > first)
    if stray or list(code) != sorted(code):
        where = f"{shown(chapter.page.org)}:{outline.line + 1 + guard}"
        raise ValueError(f"{where}: behind the guard, only blocks in the order of their chapter")
    return lines_of(chapter, outline, rows[:first]), code


def opening(chapter: Chapter, guard: int, head: list[Line], code: str) -> list[Cell]:
    """Return the cell that writes what stands before a guard, and the one that imports it."""
    name = f"chapter_{chapter.script.stem[:2]}"
    outline = chapter.tangled[0]
    before = text_of(lines_of(chapter, outline, outline.body[:guard]))
    imports = f"from {name} import *\n"
    if re.search(r"\b__file__\b", code):
        imports += f'\n__file__ = "{name}.py"  # a notebook has no file of its own\n'
    imports += f"\n{text_of(head)}" if head else ""
    return [
        Cell(f"%%writefile {name}.py\n{before}", f"Writing {name}.py\n"),
        Cell(quiet(chapter, imports.strip()), printed_by(chapter, head)),
    ]


def imports_of(source: str) -> set[str]:
    """Return the modules that a script imports and that Python does not bring along."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def packages_of(chapter: Chapter) -> list[str]:
    """Return the packages of a chapter as NAME==VERSION; ValueError for one without a version."""
    requirements = chapter.page.folder / "requirements.in"
    pinned = dict(re.findall(r"^([\w-]+)(==\S+)", read_text(requirements), re.MULTILINE))
    wanted = set()
    for module in imports_of(text_of(chapter.page.scripts[chapter.script])):
        name = module.partition(".")[0]
        wanted |= {PACKAGES.get(name, name), *NEEDS.get(module, ())}
    if missing := sorted(wanted - set(pinned)):
        problem = f"{shown(chapter.script)} needs {', '.join(missing)}, in no version"
        raise ValueError(f"{shown(requirements)}: {problem}")
    return [f"{name}{pinned[name]}" for name in pinned if name in wanted]


def set_up(chapter: Chapter, has_figures: bool) -> list[Cell]:
    """Return the cell that installs what the chapter imports, and imports what shows figures."""
    packages = packages_of(chapter)
    source = INSTALL + " ".join(packages) + "\n" if packages else ""
    source += GRAPHVIZ if any(one.startswith("graphviz-pure=") for one in packages) else ""
    source += "from IPython.display import Image" if has_figures else ""
    return [Cell(source.strip())] if source else []


def code_of(chapter: Chapter) -> tuple[list[str | Cell], dict[int, list[Line]]]:
    """Return the cells before a chapter's text, and the lines of each code cell in its place."""
    guard = guard_of(chapter)
    if guard is None:
        return [], plain_code(chapter)
    head, code = behind_guard(chapter, guard)
    text = "\n".join(text_of(lines) for lines in code.values())
    return [WORKERS, *opening(chapter, guard, head, text)], code


def fenced(chapter: Chapter, block: Block) -> Node:
    """Return a block that is no cell as text; an outline keeps its references."""
    lines = [] if block in chapter.tangled else lines_of(chapter, block)
    text = text_of(lines) or "\n".join(block.body)
    return {"t": "CodeBlock", "c": [["", [block.language], []], text]}


def figure_of(page: Page, node: Node) -> tuple[Cell, Node]:
    """Return the cell that shows a figure, and its caption."""
    attributes, caption, content = node["c"]
    name = content[0]["c"][0]["c"][2][0]
    alt = dict(attributes[2]).get("alt")
    if not alt:
        raise ValueError(f"{shown(page.org)}: {name} needs an :alt text")
    rows = textwrap.wrap(alt, 80, drop_whitespace=False)
    quoted = "\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    source = f'Image(\n    "{name}",\n    alt={quoted},\n)'
    emphasis = {"t": "Emph", "c": caption[1][0]["c"]}
    picture = (page.folder / name).read_bytes()
    return Cell(source, picture=picture, alt=alt), {"t": "Para", "c": [emphasis]}


Piece = str | list[Node] | Cell  # Markdown, text for pandoc, or code


def pieces_of(chapter: Chapter, nodes: list[Node], code: dict[int, list[Line]]) -> Iterator[Piece]:
    """Yield what a chapter's nodes become; ValueError where pandoc reads a block otherwise."""
    waiting = list(chapter.blocks)
    for node in nodes:
        if node["t"] == "Figure":
            cell, caption = figure_of(chapter.page, node)
            yield cell
            yield [caption]
        elif node["t"] != "CodeBlock" or not is_block(node, waiting[:1]):
            yield [node]
        elif lines := code.get(waiting[0].line):
            waiting.pop(0)
            yield Cell(quiet(chapter, text_of(lines)), printed_by(chapter, lines))
        else:
            yield [fenced(chapter, waiting.pop(0))]
    if waiting:
        place = f"{shown(chapter.page.org)}:{waiting[0].line}"
        raise ValueError(f"{place}: pandoc reads this block in another way")


def is_block(node: Node, blocks: list[Block]) -> bool:
    """Return whether a code block of pandoc's is the first of these."""
    return bool(blocks) and "\n".join(blocks[0].body) == node["c"][1].rstrip("\n")


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Return pieces in which texts that follow one another are one; a heading begins a new one."""
    result: list[Piece] = []
    for piece in pieces:
        grows = result and isinstance(piece, list) and isinstance(result[-1], list)
        if grows and piece[0]["t"] != "Header":
            result[-1] = result[-1] + piece
        else:
            result.append(piece)
    return result


def relink(targets: dict[str, str], node: Node) -> Node:
    """Return a link to a chapter as one to its notebook, and of one to an appendix its words."""
    attributes, content, (target, title) = node["c"]
    if not target.startswith("#"):
        return node
    if target[1:] not in targets:
        return {"t": "Span", "c": [["", [], []], content]}
    return {"t": "Link", "c": [attributes, content, [targets[target[1:]], title]]}


def plain_formula(node: Node) -> Node:
    """Return a formula that pandoc took over as it stands as one with a line of its own."""
    return {"t": "Math", "c": [{"t": "DisplayMath"}, node["c"][1]]}


def to_markdown(
    org: Path, document: Node, texts: list[list[Node]], targets: dict[str, str]
) -> list[str]:
    """Return each of these texts as Markdown, with links as they are in a notebook."""
    visitors = {"Link": partial(relink, targets), "RawInline": plain_formula}
    visitors |= {"Image": partial(refuse_image, org)}
    blocks = [node for text in texts for node in (*walk(text, visitors), raw(MARK))]
    tree = json.dumps(document | {"meta": {}, "blocks": blocks})
    markdown = pypandoc.convert_text(tree, MARKDOWN, "json", ["--wrap=none"])
    return [part.strip("\n") for part in markdown.split(MARK)[:-1]]


def notebook_content(pieces: Iterable[str | Cell]) -> bytes:
    """Return the notebook file with these cells, in nbformat 4.5."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    count = 0
    for place, piece in enumerate(pieces, 1):
        name = f"cell-{place:02}"
        if isinstance(piece, str):
            notebook.cells.append(v4.new_markdown_cell(piece, id=name))
            continue
        count += 1
        outputs = piece.outputs(count)
        cell = v4.new_code_cell(piece.source, id=name, execution_count=count, outputs=outputs)
        notebook.cells.append(cell)
    nbformat.validate(notebook)
    return f"{nbformat.writes(notebook)}\n".encode()


def chapters_of(page: Page) -> list[Chapter]:
    """Return the chapters that get a notebook; raise ValueError where one has not run."""
    numbered = [script for script in page.scripts if NUMBERED.fullmatch(script.stem)]
    for script in numbered:
        log = page.folder / "logs" / f"{script.stem}.log"
        if not log.exists():
            raise ValueError(f"{shown(log)} is missing: notebooks need a run: make all")
    if not numbered:
        raise ValueError(f"{shown(page.org)}: no chapter has a script with a number")
    return [Chapter(page, script) for script in numbered]


def nodes_by_chapter(document: Node) -> list[list[Node]]:
    """Return the nodes of each chapter; the first entry is what stands before the first heading."""
    nodes: list[list[Node]] = [[]]
    for node in document["blocks"]:
        if node["t"] == "Header" and node["c"][0] == 1:
            nodes.append([])
        nodes[-1].append(node)
    return nodes


def all_pieces(chapter: Chapter, nodes: list[Node], origin: str) -> list[Piece]:
    """Return all cells of a notebook in order; its title stands before the cell that installs."""
    before, code = code_of(chapter)
    pieces = merged(pieces_of(chapter, nodes[1:], code))
    has_figures = any(isinstance(piece, Cell) and piece.picture for piece in pieces)
    return [[nodes[0], raw(origin)], *set_up(chapter, has_figures), *before, *pieces]


def notebooks(org: Path) -> dict[str, bytes]:
    """Return the notebooks of an Org file, by the name of the file each goes into."""
    page = Page(org)
    chapters = chapters_of(page)
    document = read_document(page)
    nodes = nodes_by_chapter(document)
    names = {chapter.number: f"{chapter.script.stem}.ipynb" for chapter in chapters}
    targets = {nodes[number][0]["c"][1][0]: name for number, name in names.items()}
    origin = ORIGIN.format(title=words(document["meta"]["title"]["c"]), org=org.name)
    pieces = [all_pieces(chapter, nodes[chapter.number], origin) for chapter in chapters]
    texts = [piece for cells in pieces for piece in cells if isinstance(piece, list)]
    ready = iter(to_markdown(org, document, texts, targets))
    return {
        name: notebook_content(next(ready) if isinstance(one, list) else one for one in cells)
        for name, cells in zip(names.values(), pieces, strict=True)
    }


def notebooks_command(org: Path, folder: Path) -> int:
    """Write a notebook for each chapter; return 1 and write nothing where that loses an edit."""
    folder = folder.absolute()
    new = {folder / name: content for name, content in notebooks(org).items()}
    known = read_sums(folder / "SHA256SUMS")
    changed = [path for path, content in new.items() if content_at(path) != content]
    edited = [path for path in changed if path.exists() and sum_at(path) != known.get(path)]
    for path in edited:
        problem = "was changed since it was written, so nothing is written: rename it, or remove it"
        print(f"{shown(path)} {problem}", file=sys.stderr)
    if edited:
        return 1
    sums = sums_content({path: sum_of(content) for path, content in new.items()}, folder)
    write_all(new | {folder / "SHA256SUMS": sums})
    print(f"wrote {len(new)} notebooks into {shown(folder)}")
    return 0
