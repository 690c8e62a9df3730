"""make bench: ratios, both sides measured in one run, in turn, medians; Markdown tables.

Nothing else should run meanwhile. 'make bench WORDS=tangling' measures only the rows that have one
of the words in their names; QUICK=1 leaves out those that take minutes; ROUNDS=n measures n rounds
of each row instead of 5, or of 3 where a round takes minutes; README=1 writes the tables into
README.md. DEVICE=cuda is passed on to both sides: a GPU was not at hand to try it.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import commands, memory, project, steps, table, training
from bench.children import SCRIPTS
from bench.machine import machine
from bench.measure import Row, medians
from literate.files import read_text, write_all

ROWS = [*training.ROWS, *steps.ROWS, *project.ROWS, *commands.ROWS]
FILE, README = Path("logs", "bench.md"), Path("README.md")


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    usage = "make bench [WORDS='word word'] [QUICK=1] [ROUNDS=n] [README=1]"
    parser = argparse.ArgumentParser(prog="bench", usage=usage)
    parser.add_argument("words", nargs="*", help="measure only rows with one of these words")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--rounds", type=int, choices=range(1, 100), help="rounds of each row")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md")
    return parser


def picked(name: str, words: list[str]) -> bool:
    """Tell whether a name has one of the words, or none were given."""
    return not words or any(word in name for word in words)


def measured(row: Row, asked: int | None) -> str:
    """Measure a row; return its line. ValueError where ours trains to a higher test loss."""
    rounds = row.rounds(asked)
    taken = medians(row.sides(), rounds, warm=not row.long)
    line = table.line(row.name, taken, rounds)
    if table.worse(taken):
        raise ValueError(f"ours ends at a higher test MSE: {line}")
    return line


def printed(
    head: tuple[str, str], work: dict[str, Callable[[], str]]
) -> tuple[list[str], list[str]]:
    """Print a table, each line when it is measured; return its lines, and what went wrong."""
    done, problems = ["", *head], []
    print(*done, sep="\n")
    for name, measure in work.items():
        try:
            done.append(measure())
            print(done[-1], flush=True)
        except subprocess.CalledProcessError as error:
            said = "\n".join(error.stdout.splitlines()[-20:])  # as of pytest, which says it there
            problems.append(f"{name}: {error}\n{said}\n{error.stderr}")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return done, problems


def main(arguments: list[str]) -> int:
    """Measure the rows that are asked for; print and write their tables; return the exit status."""
    parser = command_line()
    asked = parser.parse_args(arguments)
    if asked.readme and (asked.words or asked.quick):
        parser.error("README.md shows all rows: neither WORDS nor QUICK goes with README")
    rows = [r for r in ROWS if picked(r.name, asked.words) and not (asked.quick and r.long)]
    scripts = [s for s in SCRIPTS if picked(memory.name(s), asked.words) and not asked.quick]
    work = {
        table.TIMES: {row.name: partial(measured, row, asked.rounds) for row in rows},
        table.PEAKS: {memory.name(script): partial(memory.line, script) for script in scripts},
    }
    if not rows and not scripts:
        there = [*(row.name for row in ROWS), *map(memory.name, SCRIPTS)]
        parser.error(f"no row is called {' '.join(asked.words)}; there are: {'; '.join(there)}")

    text, problems = [machine()], []
    print(*text)
    for head, items in work.items():
        if items:
            done, wrong = printed(head, items)
            text, problems = text + done, problems + wrong
    written = {FILE: "\n".join(text) + "\n"}
    if asked.readme and not problems:
        written[README] = table.into_readme(read_text(README), "\n".join(text))
    write_all({path: content.encode() for path, content in written.items()})
    for problem in problems:
        print(f"bench: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
