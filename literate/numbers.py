"""Numbers in the prose: each must have been printed, or stand in the code, of its chapter's script.

A sentence with a number in it goes stale without anybody noticing. So a chapter's prose, its tables
and captions and formulas included, is measured against the run of its script. Not checked are code,
headings, versions and the numbers of chapters, figures and steps, which are no results.
"""

import ast
import re
import sys
from bisect import bisect_right
from functools import cache
from itertools import chain
from pathlib import Path

from literate.files import read_text, shown
from literate.nodes import words
from literate.org import outside_blocks
from literate.post import Post

STATED = re.compile(
    r"(?<![\w.^/])(?<![a-z]-)\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?!\w|-[a-zA-Z]|\.\d)"
)
NO_RESULT = re.compile(
    r"(?:PyTorch|Python|NumPy|[Cc]hapters?|[Ff]igures?|[Ss]teps?)\s"
    r"\d[\d.]*(?:(?:,| and| to| or)\s\d[\d.]*)*"
    r"|, [12]\d{3}\)"  # the year of a source
)
NUMBER = re.compile(r"(?<![\w.])\d+(?:_\d+)*(?:\.\d*)?(?:e[+-]?\d+)?")
LONG = 300  # digits: a longer number has no use here, and Python may refuse to read it


def value_of(number: str) -> float | str:
    """Return the value of a number as prose or Python writes it, without its sign.

    A number that is too long to be a float stands for itself, as it is written.
    """
    plain = number.replace(",", "").replace("_", "")
    value = float(plain)
    return plain.lstrip("0") if len(plain) > LONG or value == float("inf") else value


@cache
def constants_of(source: str) -> set[float]:
    """Return the numbers in Python code that are neither in a comment nor in a string."""
    left: list[object] = [ast.parse(source)]
    numbers: set[int | float] = set()
    while left:  # ast.walk takes twice as long
        one = left.pop()
        if isinstance(one, list):
            left += one
        elif isinstance(one, ast.Constant):
            numbers |= {one.value} if type(one.value) in (int, float) else set()
        elif isinstance(one, ast.AST):
            left += vars(one).values()
    # An integer beyond 2**1000 is longer than LONG; what it is no prose will say.
    return {float(value) for value in numbers if isinstance(value, float) or value < 2**1000}


def unproved_numbers(prose: str, output: str, *sources: str) -> list[str]:
    """Return the numbers that a text states, and that no script printed or holds."""
    printed = {value_of(number) for number in NUMBER.findall(output)}
    values = [value for value in printed if isinstance(value, float)]

    def proved(number: str) -> bool:
        decimals = len(number.partition(".")[2]) if "e" not in number else 0
        rounded = {round(value, decimals) for value in values} if decimals else set()
        value = value_of(number)
        return value in printed | rounded or any(value in constants_of(one) for one in sources)

    stated = STATED.findall(NO_RESULT.sub("", prose))
    return [number for number in stated if not proved(number)]


def prose_of(post: Post) -> list[str]:
    """Return the prose of each chapter, without code, outputs and headings.

    The first entry is what stands before the first chapter.
    """
    prose = [""]
    for node in post.document["blocks"]:
        if node["t"] == "Header":
            prose += [""] if node["c"][0] == 1 else []
        else:
            prose[-1] += words(node) + "\n"  # code has no words
    return prose


def line_of(post: Post, chapter: int, number: str) -> int:
    """Return the first line in the prose of a chapter that states a number."""
    for line, text, _, _ in outside_blocks(post.text.split("\n")):
        if bisect_right(post.chapters, line) == chapter and number in STATED.findall(text):
            return line
    return post.chapters[chapter - 1] if chapter else 1


def runs_of(post: Post) -> dict[int, tuple[str, list[str]]]:
    """Return, for each chapter that is checked, the output and the sources of its scripts."""
    runs: dict[int, tuple[str, list[str]]] = {}
    for chapter in range(1, len(post.chapters) + 1):
        for script in post.scripts_of(chapter):
            if script in post.runs and script not in post.elsewhere:
                output, sources = runs.get(chapter, ("", []))
                output += f"\n{post.runs[script].text}"
                code = [read_text(one) for one in (script, *post.scripts_of(chapter, tasks=True))]
                runs[chapter] = (output, sources + code)
    waiting = [one for one in post.scripts if one.stem[:2].isdigit() and one not in post.runs]
    if post.elsewhere or waiting or not runs:
        return runs  # the introduction speaks of all chapters
    outputs, codes = zip(*runs.values(), strict=True)
    everything = ("\n".join(outputs), list(chain.from_iterable(codes)))
    return runs | dict.fromkeys(range(min(runs)), everything)


def read_constants(post: Post) -> None:
    """Find the numbers in the scripts, and keep them; for this the post need not be woven.

    Those in exercises are found when a number is neither printed nor in its chapter's script.
    """
    for script in post.runs:
        constants_of(read_text(script))


def problems_of(post: Post) -> list[str]:
    """Return a line for each number in the prose that no run has shown."""
    prose, problems = prose_of(post), []
    for chapter, (output, sources) in sorted(runs_of(post).items()):
        for number in unproved_numbers(prose[chapter], output, *sources):
            place = f"{shown(post.org)}:{line_of(post, chapter, number)}"
            problems.append(f"{place}: no script of this chapter prints or states {number}")
    return problems


def print_problems(post: Post) -> bool:
    """Print the lines of problems_of on stderr; tell whether there are any."""
    problems = problems_of(post)
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return bool(problems)


def unchecked(post: Post) -> list[str]:
    """Return a line for each reason why numbers in the prose were not checked."""
    notes = [
        f"{shown(script)} ran on {device}: the numbers in its prose were not checked"
        for script, device in post.elsewhere.items()
    ]
    if not post.runs:
        return ["no script has run: no number in the prose was checked"]
    checked, names = runs_of(post), []
    titles = ["the introduction"]
    titles += [heading.title for heading in post.headings if heading.level == 1]
    for chapter, prose in enumerate(prose_of(post)):
        ran_elsewhere = any(script in post.elsewhere for script in post.scripts_of(chapter))
        if chapter not in checked and not ran_elsewhere and STATED.search(NO_RESULT.sub("", prose)):
            names.append(titles[chapter])
    if names:
        notes.append(f"without a run, so with numbers that were not checked: {'; '.join(names)}")
    return notes


def numbers_command(org: Path) -> int:
    """Check the numbers of an Org file, and all that a page needs; return 1 for one unproved."""
    post = Post(org, meanwhile=read_constants)
    if print_problems(post):
        return 1
    print("\n".join([*unchecked(post), "each number that was checked is one of its script's"]))
    return 0
