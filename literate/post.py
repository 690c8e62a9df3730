"""The woven document: the post with, under each block, what it printed; free of any format.

    Org file ── pandoc ──> document ──┐
        └── tangle ──> scripts ───────┼── Post ──> post.document ──> page, notebooks
                logs/ (transcripts) ──┘

In 'post.document', which is pandoc's,
- a source block is a Div of class "block" (and "set-up" where it opens a chapter's script, before
  the script's first section) with the identifier "code-NAME" if it has a name, and the attribute
  "line", its line in the Org file. It holds a CodeBlock and, if the block printed, a Div of class
  "output" with a CodeBlock. References stand as they are; lines '# %% Title' are left out, and so
  is a block that holds nothing else;
- a picture is a Figure with the identifier "figure-NAME", a caption that begins with its number,
  and an Image with its text for the blind and the file's path; the attribute "touch" names what a
  web page may show below it, to be touched;
- a diff has the attributes "from" and "to", the names of the blocks that it is made from;
- the blocks of an exercise are also of class "spec", "exercise", "check" or "mended"; the last is
  its solution, and stands there without its references to spec and check;
- a question is a Div of class "question", the first paragraph of which asks; the rest answers;
- a hint is a Div of class "hint", a solution one of class "solution";
- a heading has its final identifier; a chapter whose script ran elsewhere than on the CPU says so.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from literate import nodes
from literate.diffs import check_diffs
from literate.files import read_text, shown
from literate.folds import check_folds, fold_lines
from literate.nodes import Node, code_block, div, reading, walk, words
from literate.org import Block, OrgError, read_blocks
from literate.outputs import plain, printed_by_block, read_runs
from literate.safe import check_document, check_lines, elements, line_of
from literate.sections import SECTION, check_sections, opening_blocks, outline_of, read_headings
from literate.tangle import put_together
from literate.tasks import check_tasks, is_task, roles_of

TOUCH = "data-touch"  # the attribute of a picture that names a figure to touch
LABELS = {"set-up": "Set-up", "check": "Check"}  # what stands above such a block
LINE = "org-line"  # the header argument by which pandoc's blocks are known to be ours
PNG_HEAD, PNG_TAIL = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
ELSEWHERE = """\
This chapter ran on {}, which draws other random numbers than the CPU: what is printed here can \
differ from what the prose says."""


def marked(text: str, blocks: list[Block]) -> str:
    """Return an Org text in which each source block says in which line it stands."""
    rows = text.split("\n")
    for block in blocks:
        rows[block.line - 1] = f"{rows[block.line - 1].rstrip()} :{LINE} {block.line}"
    return "\n".join(rows)


def check_png(content: bytes, name: str) -> None:
    """Raise ValueError where a file is not a whole PNG picture."""
    if not content.startswith(PNG_HEAD):
        raise ValueError(f"{name} is not a PNG picture")
    if len(content) < 45 or not content.endswith(PNG_TAIL):
        raise ValueError(f"{name} is not a whole PNG picture: its end is missing")
    if bytes(4) in (content[16:20], content[20:24]):
        raise ValueError(f"{name} is a PNG picture without width or height")


class Post:
    """What an Org file says, what its scripts printed, and the document woven of both.

    Raises ValueError, with file name and line, where something is not in order.
    """

    def __init__(self, org: Path, meanwhile: Callable[["Post"], None] | None = None) -> None:
        """Read an Org file and weave it.

        Pandoc needs about a second to read a long post: 'meanwhile' is called with this post while
        it reads, for work on blocks, scripts and runs.
        """
        self.org, self.text = org, read_text(org)
        self.folder = org.parent.resolve()
        try:
            self.blocks, names = read_blocks(self.text)
            with reading(marked(self.text, self.blocks)) as document:
                tangled = put_together(self.blocks, names, self.folder)
                self.tasks = {one: tangled[one] for one in tangled if is_task(one, self.folder)}
                self.scripts = {one: tangled[one] for one in tangled if one not in self.tasks}
                self.outline = outline_of(self.text)
                self.chapters = [line for level, line in self.outline if level == 1]
                self.runs = read_runs(org, tangled)
                self.printed = printed_by_block(self.scripts, self.runs, self.chapters)
                check_lines(self.text)
                check_diffs(self.blocks)
                self.folds = fold_lines(self.text)
                self.roles = roles_of(self.tasks, self.blocks, self.folder)
                if meanwhile:
                    meanwhile(self)
                self.document = self.woven(document())
        except OrgError as error:
            raise ValueError(f"{shown(org)}:{error.line}: {error}") from None

    @property
    def elsewhere(self) -> dict[Path, str]:
        """The scripts that ran on another device than the CPU, with that device."""
        return {script: run.device for script, run in self.runs.items() if run.device != "cpu"}

    def scripts_of(self, chapter: int, tasks: bool = False) -> list[Path]:
        """Return a chapter's scripts, or its exercises; 0 is what stands before the first."""
        scripts = self.tasks if tasks else self.scripts
        tops = {script: lines[0].top.line for script, lines in scripts.items()}
        return [path for path, top in tops.items() if bisect_right(self.chapters, top) == chapter]

    @cached_property
    def users(self) -> dict[str, list[Path]]:
        """The scripts that hold a line of a block, in order, by the name of the block."""
        users: dict[str, list[Path]] = {}
        for path, lines in sorted(self.scripts.items()):
            for name in {line.block.name for line in lines if line.block and line.block.name}:
                users.setdefault(name, []).append(path)
        return users

    def users_of(self, name: str) -> list[Path]:
        """Return the scripts that hold a line of the block of this name, in order."""
        return self.users.get(name, [])

    def woven(self, document: Node) -> Node:
        """Return pandoc's document of the Org text with outputs, identifiers and numbers."""
        if "title" not in document["meta"]:
            raise OrgError(1, "the post needs a line '#+title:'")
        check_document(document, self.text)
        self.title = words(document["meta"]["title"]["c"])
        names = {script.name for script in (*self.scripts, *self.tasks)}
        self.headings = read_headings(document, self.outline, names)
        for script, lines in self.scripts.items():
            check_sections(script.name, lines, self.headings, self.chapters)
        self.opening = opening_blocks(self.scripts)
        self.left = {block.line: block for block in self.blocks}
        self.figures = 0
        visitors = {"CodeBlock": self.weave_block, "Figure": self.weave_figure}
        visitors |= {"RawInline": weave_formula, "RawBlock": weave_formula}
        blocks = walk(document["blocks"], visitors)
        for line in self.left:
            raise OrgError(line, "pandoc reads this block in another way")
        blocks = self.weave_headings(blocks)
        found = list(elements(blocks))
        self.check_pictures(found)
        check_folds(blocks, self.folds)
        check_tasks(blocks, self.roles)
        self.check_links(found)
        return document | {"meta": {"title": document["meta"]["title"]}, "blocks": blocks}

    def role_of(self, block: Block) -> str:
        """Return what a block is of an exercise, or nothing."""
        return self.roles[block.line][0] if block.line in self.roles else ""

    def code_of(self, block: Block) -> str:
        """Return the code of a block as it is shown; nothing where it holds no more than a mark."""
        rows = [row for row in block.body if not SECTION.fullmatch(row)]
        if self.role_of(block) == "mended":
            rows = rows[1:-1]  # which bring in spec and check
        return re.sub(r"\A(?:[ \t]*\n)+", "", "\n".join(rows)).rstrip()

    def weave_block(self, node: Node) -> Node | None:
        """Return a source block with what it printed; leave out one without code."""
        (_, classes, attributes), code = node["c"]
        own = dict(attributes).get(LINE)
        block = self.left.pop(int(own), None) if own and own.isdecimal() else None
        if block is None:
            return code_block(classes, code)
        code, role = self.code_of(block), self.role_of(block)
        if not code:
            return None
        kinds = ["block", "set-up"] if block.line in self.opening else ["block"]
        kinds += [role] if role else []
        parts = [code_block([block.language], code)]
        if output := plain(self.printed.get(block.line, "")):
            parts.append(div("", ["output"], [], [code_block([], output)]))
        identifier = f"code-{block.name}" if block.name else ""
        about = [["line", str(block.line)]]
        about += [[key, block.arguments[key]] for key in ("from", "to") if key in block.arguments]
        return div(identifier, kinds, about, parts)

    def weave_figure(self, node: Node) -> Node:
        """Return a figure with its number and its text for the blind."""
        attributes, caption, content = node["c"]
        image = content[0]["c"][0]
        name = image["c"][2][0]
        said = dict(attributes[2]) | dict(image["c"][0][2])
        alt = said.get("alt")
        if not alt or not caption[1]:
            raise self.wordless(name)
        check_png((self.folder / name).read_bytes(), name)
        self.figures += 1
        image = {"t": "Image", "c": [["", [], []], [nodes.text(alt)], [name, ""]]}
        number = {"t": "Strong", "c": [nodes.text(f"Figure {self.figures}.")]}
        caption[1][0]["c"] = [number, {"t": "Space"}, *caption[1][0]["c"]]
        touch = [["touch", said[TOUCH]]] if TOUCH in said else []
        identity = [f"figure-{Path(name).stem}", [], touch]
        return {"t": "Figure", "c": [identity, caption, [{"t": "Plain", "c": [image]}]]}

    def size_of(self, name: str) -> tuple[int, int]:
        """Return width and height of a picture of this post, in pixels."""
        return struct.unpack(">II", (self.folder / name).read_bytes()[16:24])

    def wordless(self, name: str) -> OrgError:
        """Return the error that a picture has no words."""
        return OrgError(line_of(self.text, name), f"{name} needs a #+caption: and an :alt text")

    def check_pictures(self, found: list[Node]) -> None:
        """Raise OrgError for a picture among these elements that is no figure."""
        for node in found:
            if node["t"] == "Image" and not node["c"][1]:
                raise self.wordless(node["c"][2][0])

    def weave_headings(self, blocks: list[Node]) -> list[Node]:
        """Return the blocks with the headings' identifiers, and where a chapter ran."""
        left, chapter, woven = iter(self.headings), 0, []
        for node in blocks:
            woven.append(node)
            if node["t"] != "Header":
                continue
            level, _, title = node["c"]
            woven[-1] = {"t": "Header", "c": [level, [next(left).key, [], []], title]}
            chapter += level == 1
            devices = [self.elsewhere.get(script) for script in self.scripts_of(chapter)]
            for device in dict.fromkeys(filter(None, devices if level == 1 else [])):
                woven.append({"t": "Para", "c": [nodes.text(ELSEWHERE.format(device))]})
        return woven

    def check_links(self, found: list[Node]) -> None:
        """Raise OrgError where two elements have one identifier, or a link leads nowhere."""
        there = {script.name for script in (*self.scripts, *self.tasks)} | {"text"}
        places = {"Header": 1, "Div": 0, "Figure": 0, "Span": 0}
        for node in found:
            key = node["c"][places[node["t"]]][0] if node["t"] in places else ""
            if key and key in there:
                raise OrgError(line_of(self.text, key), f"two things have the address {key!r}")
            there.add(key)
        for node in found:
            target = node["c"][2][0] if node["t"] == "Link" else "https:"
            if target.startswith("#") and target[1:] not in there - {""}:
                raise OrgError(line_of(self.text, target), f"the link {target} leads nowhere")


def weave_formula(node: Node) -> Node | None:
    """Return a formula of several lines; leave out what only Org reads."""
    if node["c"][0] != "latex":
        return None
    return {"t": "Math", "c": [{"t": "DisplayMath"}, node["c"][1]]}
