"""Weave an Org file, and what its scripts printed, into one web page.

This is the work behind 'python tangled/literate.py weave ORG HTML'. The page is one file: it
holds its figures, its formulas and its style, and asks nothing of a network.
"""

import ast
import base64
import json
import re
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache, partial
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import pypandoc
from literate import (
    REFERENCE,
    Block,
    Line,
    content_at,
    content_of,
    outside_blocks,
    read_blocks,
    read_text,
    shown,
    sum_at,
    tangle_text,
    write_all,
)
from pygments.lexer import inherit
from pygments.lexers import PythonLexer, get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, String

Node = dict[str, Any]  # an element of pandoc's document: its type "t" and its content "c"

COLOURS = {Comment: "c", Keyword: "k", String: "s", String.Doc: "c", Number: "n", Name.Label: "r"}
COLOURS |= {Name.Function: "f", Name.Class: "f", Name.Decorator: "d", Name.Builtin: "b"}
COLOURS |= {Name.Tag: "k", Name.Attribute: "f", Generic.Inserted: "i", Generic.Deleted: "x"}
FOLD_OVER, FOLD_AT = 12, 8  # an output of more lines than the first is folded after the second
WIDE = 2.2  # a picture that is more times as wide as high scrolls on a phone
SCROLLS = [["tabindex", "0"]]  # the keyboard reaches what scrolls


class Transcript(NamedTuple):
    """What a script printed, as (line, text) pairs, and the device on which it ran."""

    printed: list[tuple[int, str]]
    device: str

    @property
    def text(self) -> str:
        """All that the script printed."""
        return "".join(text for _, text in self.printed)


def read_transcript(script: Path, log: Path) -> Transcript:
    """Return the transcript beside a log; raise ValueError if it is not of this script and log.

    What is in the log alone was printed by another process, or is a warning.
    """
    path = log.with_suffix(".json")
    content = read_text(path)
    try:
        found = json.loads(content)
        printed = [(int(line), str(text)) for line, text in found["output"]]
        ran, device = found["sha256"], str(found["device"])
    except (ValueError, KeyError, TypeError):
        problem = "is not a transcript; remove it, and 'make' writes it again"
        raise ValueError(f"{shown(path)} {problem}") from None
    if ran != sum_at(script):
        raise ValueError(f"{shown(script)} has changed since it ran; 'make' runs it again")
    transcript = Transcript(printed, device)
    if transcript.text != read_text(log):
        problem = f"holds text that {shown(script)} itself did not print: a warning?"
        raise ValueError(f"{shown(log)} {problem}")
    return transcript


def read_runs(org: Path, scripts: dict[Path, list[Line]]) -> dict[Path, Transcript]:
    """Return the transcripts of the scripts that have a log in logs/: the others were not run.

    Raises ValueError where a script is not what the Org file says, or not what ran.
    """
    runs = {}
    for script, lines in scripts.items():
        if content_at(script) != content_of(lines):
            problem = f"is not what {shown(org)} says; 'make tangle' writes it"
            raise ValueError(f"{shown(script)} {problem}")
        log = org.parent.resolve() / "logs" / f"{script.stem}.log"
        if log.exists():
            runs[script] = read_transcript(script, log)
    return runs


def chapter_lines(text: str) -> list[int]:
    """Return the line numbers of the top-level headings of an Org file."""
    return [number for number, row in enumerate(text.split("\n"), 1) if row.startswith("* ")]


def block_of(line: Line, chapters: list[int]) -> int:
    """Return the line in the Org file of the block that answers for a script's line."""
    own, top = line.block.line, line.top.line
    return own if bisect_right(chapters, own) == bisect_right(chapters, top) else top


def printed_by_block(
    scripts: dict[Path, list[Line]], runs: dict[Path, Transcript], chapters: list[int]
) -> dict[int, str]:
    """Return what each block printed, by the line at which the block starts in the Org file."""
    printed: dict[int, str] = {}
    for script, run in runs.items():
        for line, output in run.printed:
            block = block_of(scripts[script][line - 1], chapters)
            printed[block] = printed.get(block, "") + output
    return printed


class Page:
    """What an Org file says and its scripts printed, and how far the weaving has come."""

    def __init__(self, org: Path) -> None:
        self.org, self.text = org, read_text(org)
        self.folder = org.parent.resolve()
        self.scripts = tangle_text(org, self.text)  # refuses an Org file with a mistake in it
        self.blocks = read_blocks(self.text)[0]
        self.chapters = chapter_lines(self.text)
        self.runs = read_runs(org, self.scripts)
        self.printed = printed_by_block(self.scripts, self.runs, self.chapters)
        self.headings: list[tuple[int, str, str]] = []  # level, id and title
        self.woven = 0  # blocks that are on the page
        self.figures = 0

    @property
    def elsewhere(self) -> dict[Path, str]:
        """The scripts that ran on another device than the CPU, with that device."""
        return {script: run.device for script, run in self.runs.items() if run.device != "cpu"}

    def scripts_of(self, chapter: int) -> list[Path]:
        """Return what the blocks of a chapter tangle to; 0 is what stands before the first."""
        tops = {script: lines[0].top.line for script, lines in self.scripts.items()}
        return [path for path, top in tops.items() if bisect_right(self.chapters, top) == chapter]

    def users_of(self, name: str) -> list[Path]:
        """Return the scripts that hold a line of the block of this name, in order."""
        holds = {
            path: any(line.block and line.block.name == name for line in lines)
            for path, lines in self.scripts.items()
        }
        return sorted(path for path in holds if holds[path])


class NowebLexer(PythonLexer):
    """Python in which a line may be a reference to another block."""

    tokens = {"root": [(r"[<]<\S+>>$", Name.Label), inherit]}  # noqa: RUF012 (Pygments has it so)


def pieces_of(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the code of a block piece by piece, each with the letter of its colour, or none."""
    lexer = NowebLexer() if block.language == "python" else get_lexer_by_name(block.language)
    for kind, text in lexer.get_tokens("\n".join(block.body)):
        while kind not in COLOURS and kind.parent is not None:
            kind = kind.parent
        yield COLOURS.get(kind, ""), text


def coloured(block: Block) -> str:
    """Return the code of a block as HTML, with each reference as a link to its block."""
    html = ""
    pieces = groupby(pieces_of(block), key=lambda piece: piece[0])
    runs = [(colour, "".join(text for _, text in run)) for colour, run in pieces]
    runs[-1] = (runs[-1][0], runs[-1][1].rstrip("\n"))  # the lexers end every code with one
    for colour, text in runs:
        code = escape(text, quote=False)
        if colour == "r" and (reference := REFERENCE.match(text)):
            html += f'<a class="r" href="#code-{reference[1]}">{code}</a>'
        else:
            html += f'<span class="{colour}">{code}</span>' if colour else code
    # Between two references blank lines say nothing to a reader: the style sheet narrows them.
    between = re.compile(r'(?<=</a>)\n\n+(?= *<a class="r")')
    return between.sub(lambda gap: f'<span class="gap">{gap[0]}</span>', html)


def name_bar(page: Page, block: Block) -> str:
    """Return the line above a named block: its name, and links to the scripts that use it."""
    users = page.users_of(block.name)
    short = len(users) > 3
    titles = [re.sub(r"_.*", "", path.name) if short else path.name for path in users]
    links = ", ".join(
        f'<a href="#{path.name}">{title}</a>' for path, title in zip(users, titles, strict=True)
    )
    uses = f'<span class="uses">in {"scripts " if short else ""}{links}</span>' if links else ""
    return f'<p class="bar"><a class="name" href="#code-{block.name}">{block.name}</a> {uses}</p>'


def output_html(text: str) -> str:
    """Return what a block printed as HTML: whole where it is short, else partly folded."""
    lines = escape(text, quote=False).splitlines(keepends=True)
    seen = lines if len(lines) <= FOLD_OVER else lines[:FOLD_AT]
    hidden = lines[len(seen) :]
    html = f'<pre tabindex="0"><samp>{"".join(seen)}</samp></pre>'
    if hidden:
        html += f"<details><summary>{len(hidden)} more lines</summary>"
        html += f'<pre tabindex="0"><samp>{"".join(hidden)}</samp></pre></details>'
    return f'<div class="output"><p class="bar">prints</p>{html}</div>' if lines else ""


def raw(html: str, kind: str = "RawBlock") -> Node:
    """Return HTML as an element of pandoc's document."""
    return {"t": kind, "c": ["html", html]}


def weave_block(page: Page, node: Node) -> Node:
    """Return a block as HTML: its name, its code in colour, and what it printed."""
    block = page.blocks[page.woven] if page.woven < len(page.blocks) else None
    if block is None or "\n".join(block.body) != node["c"][1].rstrip("\n"):
        return node
    page.woven += 1
    identity = f' id="code-{block.name}"' if block.name else ""
    html = f'<div class="block"{identity}>' + (name_bar(page, block) if block.name else "")
    html += f'<pre tabindex="0"><code class="{block.language}">{coloured(block)}</code></pre>'
    return raw(html + output_html(page.printed.get(block.line, "")) + "</div>")


def picture(page: Page, name: str) -> tuple[str, int, int]:
    """Return the address of a picture that is in the page itself, its width and its height."""
    content = (page.folder / name).read_bytes()
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"{name} is not a PNG picture")
    width, height = struct.unpack(">II", content[16:24])
    address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return address, width, height


def weave_figure(page: Page, node: Node) -> Node:
    """Return a figure with its number, its text for the blind, and the picture itself."""
    attributes, caption, content = node["c"]
    image = content[0]["c"][0]
    name = image["c"][2][0]
    alt = dict(attributes[2]).get("alt")
    if not alt:
        raise ValueError(f"{shown(page.org)}: {name} needs a #+caption: and an :alt text")
    address, width, height = picture(page, name)
    size = [["width", str(width)], ["height", str(height)]]
    if width > WIDE * height:
        content = [{"t": "Div", "c": [["", ["wide"], SCROLLS], content]}]
    page.figures += 1
    image["c"] = [["", [], size], [{"t": "Str", "c": alt}], [address, ""]]
    number = {"t": "Strong", "c": [{"t": "Str", "c": f"Figure {page.figures}."}]}
    caption[1][0]["c"] = [number, {"t": "Space"}, *caption[1][0]["c"]]
    return node | {"c": [[f"figure-{Path(name).stem}", [], []], caption, content]}


def refuse_image(org: Path, node: Node) -> Node:
    """Return a picture that is in the page itself; raise ValueError for one that is no figure."""
    name = node["c"][2][0]
    if not name.startswith("data:"):
        raise ValueError(f"{shown(org)}: {name} needs a #+caption: and an :alt text")
    return node


def script_line(script: Path, folder: Path) -> str:
    """Return a line of HTML that names a script, and holds it for download."""
    data = base64.b64encode(script.read_bytes()).decode()
    link = f'<a href="data:text/plain;base64,{data}" download="{script.name}">download</a>'
    path = script.relative_to(folder)
    return f'<p class="script" id="{script.name}"><code>{path}</code> {link}</p>'


def weave_heading(page: Page, node: Node) -> Node:
    """Return a heading one level lower, as the page has a title, with a link to itself."""
    level, (key, _, _), title = node["c"]
    chapters = [key for depth, key, _ in page.headings if depth == 1]
    if level > 1:
        key = f"{chapters[-1]}-{re.sub(r'-[0-9]+$', '', key)}"
    page.headings.append((level, key, words(title)))
    label = escape(f"Link to: {words(title)}")
    link = raw(f'<a class="anchor" href="#{key}" aria-label="{label}">#</a>', "RawInline")
    heading = {"t": "Header", "c": [level + 1, [key, [], []], [*title, {"t": "Space"}, link]]}
    scripts = page.scripts_of(len(chapters) + 1) if level == 1 else []
    lines = "".join(script_line(script, page.folder) for script in scripts)
    return {"t": "Div", "c": [["", [], []], [heading, raw(lines)]]}


def words(node: Any) -> str:
    """Return the words of an element of pandoc's document; a paragraph ends with a new line."""
    if isinstance(node, list):
        return "".join(words(part) for part in node)
    if not isinstance(node, dict):
        return ""
    if node["t"] == "Str":
        return node["c"]
    if node["t"] in ("Code", "Math", "RawInline", "RawBlock"):
        return node["c"][1]
    end = "\n" if node["t"] in ("Para", "Plain") else ""
    return words(node["c"]) + end if "c" in node else " "


def contents_html(page: Page) -> str:
    """Return the list of chapters, each with the list of its sections."""
    html, before = "", 0
    for level, key, title in page.headings:
        html += "<ol>" if level > before else "</li>" + "</ol></li>" * (before - level)
        html += f'<li><a href="#{key}">{escape(title)}</a>'
        before = level
    return html + "</li></ol>" * before


def breakable(node: Node) -> Node:
    """Return inline code that may go on in the next line after a dot, a bracket and the like."""
    code = re.sub(r"(?<=[.(_,=])(?=\w)", "<wbr>", escape(node["c"][1], quote=False))
    return raw(f"<code>{code}</code>", "RawInline")


def weave_table(node: Node) -> Node:
    """Return a table that scrolls where it is too wide."""
    return {"t": "Div", "c": [["", ["wide"], SCROLLS], [walk(node, {"Code": breakable})]]}


def weave_formula(node: Node) -> Node:
    """Return a formula; one with a line of its own scrolls where it is too wide."""
    if node["t"] == "RawInline":
        if node["c"][0] != "latex":
            return node
        node = {"t": "Math", "c": [{"t": "DisplayMath"}, node["c"][1]]}
    if node["c"][0]["t"] == "InlineMath":
        return node
    return {"t": "Span", "c": [["", ["wide"], SCROLLS], [node]]}


def walk(node: Any, visitors: dict[str, Callable[[Node], Node]]) -> Any:
    """Return a document in which visitors have replaced the elements of their types."""
    if isinstance(node, list):
        return [walk(part, visitors) for part in node]
    if not isinstance(node, dict):
        return node
    node = {key: walk(part, visitors) for key, part in node.items()}
    visit = visitors.get(node.get("t"))
    return visit(node) if visit else node


STATED = re.compile(
    r"(?<![\w.^/])(?<![a-z]-)\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?!\w|-[a-zA-Z]|\.\d)"
)
NO_RESULT = re.compile(
    r"(?:PyTorch|Python|NumPy|[Cc]hapters?|[Ff]igures?|[Ss]teps?)\s"
    r"\d[\d.]*(?:(?:,| and| to| or)\s\d[\d.]*)*"
    r"|, [12]\d{3}\)"  # the year of a source
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:_\d+)*(?:\.\d*)?(?:e[+-]?\d+)?")


def value_of(number: str) -> float:
    """Return the value of a number as prose or Python writes it, without its sign."""
    return float(number.replace(",", "").replace("_", ""))


@cache
def constants_of(source: str) -> set[float]:
    """Return the numbers in Python code that are neither in a comment nor in a string."""
    constants = (one.value for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Constant))
    return {float(value) for value in constants if type(value) in (int, float)}


def unproved_numbers(prose: str, output: str, source: str) -> list[str]:
    """Return the numbers that a text states, and that a script neither printed nor holds."""
    printed = {value_of(number) for number in NUMBER.findall(output)}
    held = printed | constants_of(source)

    def proved(number: str) -> bool:
        decimals = len(number.partition(".")[2]) if "e" not in number else 0
        rounded = {round(value, decimals) for value in printed} if decimals else set()
        return value_of(number) in held | rounded

    stated = STATED.findall(NO_RESULT.sub("", prose))
    return [number for number in stated if not proved(number)]


def prose_of(document: Node, chapters: int) -> list[str]:
    """Return the prose of each chapter, without blocks of code and headings.

    The first entry is what stands before the first heading.
    """
    prose = [""] * (chapters + 1)
    chapter = 0
    for node in document["blocks"]:
        chapter += node["t"] == "Header" and node["c"][0] == 1
        if node["t"] not in ("CodeBlock", "Header"):
            prose[chapter] += words(node) + "\n"
    return prose


def line_of(page: Page, chapter: int, number: str) -> int:
    """Return the first line in the prose of a chapter that states a number."""
    for line, text, _, _ in outside_blocks(page.text.split("\n")):
        if bisect_right(page.chapters, line) == chapter and number in STATED.findall(text):
            return line
    return page.chapters[chapter - 1] if chapter else 1


def runs_of(page: Page) -> dict[int, tuple[str, str]]:
    """Return, for each chapter that is checked, the output and the source of its scripts."""
    runs: dict[int, tuple[str, str]] = {}
    for chapter in range(1, len(page.chapters) + 1):
        for script in page.scripts_of(chapter):
            if script in page.runs and script not in page.elsewhere:
                output, source = runs.get(chapter, ("", ""))
                output += f"\n{page.runs[script].text}"
                runs[chapter] = (output, f"{source}\n{read_text(script)}")
    if page.elsewhere:
        return runs  # the introduction speaks of all chapters
    everything = tuple("\n".join(parts) for parts in zip(*runs.values(), strict=True))
    return runs | dict.fromkeys(range(min(runs, default=0)), everything)


def check_numbers(page: Page, document: Node) -> None:
    """Raise ValueError, with a line for each, for numbers in the prose that no run has shown."""
    prose, problems = prose_of(document, len(page.chapters)), []
    for chapter, (output, source) in sorted(runs_of(page).items()):
        for number in unproved_numbers(prose[chapter], output, source):
            place = f"{shown(page.org)}:{line_of(page, chapter, number)}"
            problems.append(f"{place}: no script of this chapter prints or states {number}")
    if problems:
        raise ValueError("\n".join(problems))


def read_document(page: Page) -> Node:
    """Return pandoc's document of an Org file; raise ValueError where it lacks a chapter."""
    document = json.loads(pypandoc.convert_text(page.text, "json", format="org"))
    headings = [node for node in document["blocks"] if node["t"] == "Header"]
    chapters = sum(node["c"][0] == 1 for node in headings)
    if chapters != len(page.chapters):
        problem = f"pandoc shows {chapters} of {len(page.chapters)} chapters: is one not to export?"
        raise ValueError(f"{shown(page.org)}: {problem}")
    return document


def weave(page: Page) -> str:
    """Return the page of an Org file; raise ValueError where it would say what is not so."""
    document = read_document(page)
    check_numbers(page, document)
    visitors = {"CodeBlock": partial(weave_block, page), "Figure": partial(weave_figure, page)}
    visitors |= {"Header": partial(weave_heading, page), "Table": weave_table}
    visitors |= {"Math": weave_formula, "RawInline": weave_formula}
    woven = walk(walk(document, visitors), {"Image": partial(refuse_image, page.org)})
    if page.woven < len(page.blocks):
        line = page.blocks[page.woven].line
        raise ValueError(f"{shown(page.org)}:{line}: pandoc reads this block in another way")
    # Pygments has coloured the code, so pandoc need not load its own colours.
    options = ["--mathml", "--wrap=none", "--syntax-highlighting=none"]
    body = pypandoc.convert_text(json.dumps(woven), "html5", "json", options)
    frame = {kind: Path(__file__).with_name(f"page.{kind}") for kind in ("html", "css", "js")}
    return Template(read_text(frame["html"])).substitute(
        title=escape(words(document["meta"]["title"]["c"])),
        style=read_text(frame["css"]),
        script=read_text(frame["js"]),
        contents=contents_html(page),
        body=body,
    )


def weave_command(org: Path, target: Path) -> int:
    """Write the page of an Org file, whole or not at all; return 0."""
    page = Page(org)
    html = weave(page).encode()
    write_all({target.absolute(): html})
    for script, device in page.elsewhere.items():
        print(f"{shown(script)} ran on {device}: the numbers in its prose were not checked")
    print(f"wove {shown(target)}, {len(html) / 1e6:.1f} MB")
    return 0
