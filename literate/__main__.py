"""The command line: 'python -m literate COMMAND', run from the project's folder.

Each command is imported when it is asked for, so that tangling needs the standard library and
nothing else. What is wrong with a file or with what it says is one line on stderr and exit
status 1, never a traceback.
"""

import argparse
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from literate.files import shown


@contextlib.contextmanager
def one_line_errors(place: Path) -> Iterator[None]:
    """Exit with one line and status 1 where a file, or what it says, is not in order."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or place
        problem = f"{shown(os.fsdecode(where))}: {error.strerror or error}"
    except RecursionError:
        problem = f"{shown(place)}: this is nested too deeply"
    except ValueError as error:
        problem = str(error)
    else:
        return
    print(" ".join(problem.splitlines()), file=sys.stderr)
    sys.exit(1)


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line, a sub-parser for each command."""
    parser = argparse.ArgumentParser(
        prog="python -m literate",
        description="Tangle an Org file into its scripts, and back; run and weave them.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("tangle", help="write the scripts that changed")
    command.add_argument("org", type=Path)
    command = commands.add_parser("detangle", help="carry a script's edits into the Org file")
    command.add_argument("script", type=Path)
    command.add_argument("org", type=Path, nargs="?")
    command = commands.add_parser("diffs", help="make the Org file's diffs from its blocks")
    command.add_argument("org", type=Path)
    command = commands.add_parser("run", help="run a script and note which line printed what")
    command.add_argument("script", type=Path)
    command.add_argument("transcript", type=Path)
    command.add_argument("objects", type=Path, nargs="?", help="keep the script's variables here")
    command.add_argument("--maker", type=int, metavar="PID", help="import torch once for its runs")
    command = commands.add_parser("numbers", help="check the prose against the runs")
    command.add_argument("org", type=Path)
    command = commands.add_parser("page", help="make a web page of prose, code and outputs")
    command.add_argument("org", type=Path)
    command.add_argument("html", type=Path)
    command = commands.add_parser("site", help="make a site with a page for each chapter")
    command.add_argument("org", type=Path)
    command.add_argument("folder", type=Path)
    command = commands.add_parser("epub", help="make an EPUB of prose, code and outputs")
    command.add_argument("org", type=Path)
    command.add_argument("epub", type=Path)
    command = commands.add_parser("pdf", help="make a PDF of the same")
    command.add_argument("org", type=Path)
    command.add_argument("pdf", type=Path)
    command = commands.add_parser("notebooks", help="make a notebook of each chapter")
    command.add_argument("org", type=Path)
    command.add_argument("folder", type=Path)
    command = commands.add_parser("exercises", help="run the learner's exercises, or one of them")
    command.add_argument("name", nargs="?", help="run this one, and again at each save")
    commands.add_parser("doctor", help="print what a report of an error should say")
    command = commands.add_parser("watch", help="make the page at each save, and show it")
    command.add_argument("org", type=Path)
    command.add_argument("html", type=Path)
    command.add_argument("--port", type=int, default=5500)
    command.add_argument("maker", nargs="+", help="the command that makes the page, after --")
    return parser


@contextlib.contextmanager
def no_collecting() -> Iterator[None]:
    """Keep Python from looking for garbage: weaving makes none, and it looks long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def call(chosen: argparse.Namespace) -> int:
    """Import and call the command that was chosen; return its exit status."""
    if chosen.command == "tangle":
        from literate.tangle import tangle_command

        return tangle_command(chosen.org)
    if chosen.command == "detangle":
        from literate.detangle import detangle_command

        return detangle_command(chosen.script, chosen.org)
    if chosen.command == "diffs":
        from literate.diffs import diffs_command

        return diffs_command(chosen.org)
    if chosen.command == "run":
        from literate.run import run_command

        return run_command(chosen.script, chosen.transcript, chosen.objects, chosen.maker)
    if chosen.command == "numbers":
        from literate.numbers import numbers_command

        return numbers_command(chosen.org)
    if chosen.command == "page":
        from literate.page import page_command

        return page_command(chosen.org, chosen.html)
    if chosen.command == "site":
        from literate.site import site_command

        return site_command(chosen.org, chosen.folder)
    if chosen.command == "epub":
        from literate.epub import epub_command

        return epub_command(chosen.org, chosen.epub)
    if chosen.command == "pdf":
        from literate.pdf import pdf_command

        return pdf_command(chosen.org, chosen.pdf)
    if chosen.command == "notebooks":
        from literate.notebooks import notebooks_command

        return notebooks_command(chosen.org, chosen.folder)
    if chosen.command == "exercises":
        from literate.exercises import exercises_command

        return exercises_command(chosen.name)
    if chosen.command == "doctor":
        from literate.doctor import doctor_command

        return doctor_command(Path())
    from literate.watch import watch_command

    return watch_command(chosen.org, chosen.html, chosen.port, chosen.maker)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status, or minus the signal that ended a script."""
    chosen = command_line().parse_args(arguments)
    place = getattr(chosen, "org", None) or getattr(chosen, "script", Path("exercises"))
    weaves = chosen.command in ("numbers", "page", "site", "epub", "pdf", "notebooks")
    with one_line_errors(place), no_collecting() if weaves else contextlib.nullcontext():
        return call(chosen)


def leave(status: int) -> None:
    """End with this exit status, or by the signal whose negative it is."""
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):  # nobody can handle these
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    leave(main())
