"""Exercises for the learner: their own copies, run, with one line for each.

This is the work behind 'python -m literate exercises [NAME]'. What the post tangles into
tangled/exercises/ is copied into exercises/ where it is missing there, and never again: those
files are the learner's. An exercise says itself whether it is done; here it is only run, each
in a process of its own, and several side by side.
"""

import contextlib
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

SOURCE, OWN = Path("tangled", "exercises"), Path("exercises")
PAGE = "pytorch-first-principles.html"  # where hints and solutions fold
LIMIT = 120  # seconds, after which an exercise is stopped
MOST, KEPT = 10_000_000, 64_000  # bytes that it may print, and how many at the end are read
LOOK, PAUSE = 0.1, 0.3  # seconds between two looks at a run, and at a file
GONE = 1  # seconds, after which a file that is not there will not come back
# Several run side by side, so each gets one thread.
ALONE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def copy_missing() -> list[Path]:
    """Copy the exercises that are not yet in the learner's folder; return all, in order."""
    sources, found, new = sorted(SOURCE.glob("*.py")), [], 0
    if not sources:
        raise ValueError(f"{SOURCE} holds no exercises; 'make tangle' writes them")
    OWN.mkdir(exist_ok=True)
    for source in sources:
        own = OWN / source.name
        if not os.path.lexists(own):
            beside = own.with_name(f".{own.name}.new")
            shutil.copyfile(source, beside)
            beside.replace(own)
            new += 1
        found.append(own)
    if new:
        print(f"copied {new} of {len(found)} exercises into {OWN}/: they are yours to change")
    return found


class Ran(NamedTuple):
    """A run: its status, how its two channels end, and why it was stopped if it was."""

    status: int
    out: str
    errors: str
    stopped: str


def saved_at(script: Path) -> int:
    """Return when a file was last written, or 0 if it is not there."""
    try:
        return script.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def end_of(file: IO[bytes]) -> str:
    """Return the end of a file as text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - KEPT, 0))
    return "…" * (size > KEPT) + file.read(KEPT).decode("utf-8", "replace")


def run(script: Path, environment: dict[str, str], saved: int | None = None) -> Ran:
    """Run a script, and stop it if it takes too long, prints too much, or is no longer as saved."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        command = [sys.executable, str(script)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment
        )
        end, stopped = time.monotonic() + LIMIT, ""
        try:
            while not stopped and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK)
                if sum(os.fstat(file.fileno()).st_size for file in (out, errors)) > MOST:
                    stopped = f"it printed more than {MOST // 10**6} MB and was stopped"
                elif process.poll() is None and time.monotonic() > end:
                    stopped = f"it was still running after {LIMIT} seconds"
                elif saved not in (None, saved_at(script)):
                    stopped = "it was saved again"
        finally:
            process.kill()
            process.wait()
        return Ran(process.returncode, end_of(out), end_of(errors), stopped)


def line_of(name: str, ran: Ran) -> str:
    """Return the one line that says how an exercise stands, whatever happened to it."""
    # It may stand behind what the learner printed without a newline, and before what came later.
    verdicts = re.findall(rf"{re.escape(name)}: (?:done|not yet:.*)$", ran.out, re.MULTILINE)
    done, not_yet, errors = f"{name}: done", f"{name}: not yet:", ran.errors.strip()
    if ran.stopped:
        return f"{not_yet} {ran.stopped}"
    if verdicts and ran.status == (0 if verdicts[-1] == done else 1):
        return verdicts[-1]
    if not errors:
        return f"{not_yet} it ended before its check did"
    places = re.findall(rf'File ".*{re.escape(name)}\.py", line (\d+)', errors)
    where = f", in line {places[-1]}" if places else ""
    return f"{not_yet} Python stopped at {errors.rpartition(chr(10))[2].strip()}{where}"


def show_all(scripts: list[Path]) -> None:
    """Run all exercises side by side; show a line for each in their order, a sum, the next one."""
    environment = ALONE | os.environ
    pool, left = ThreadPoolExecutor(min(os.cpu_count() or 1, 8)), []
    try:
        for script, ran in zip(
            scripts, pool.map(lambda script: run(script, environment), scripts), strict=True
        ):
            line = line_of(script.stem, ran)
            print(line, flush=True)
            if not line.endswith(": done"):
                left.append(script.stem)
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{len(scripts) - len(left)} of {len(scripts)} done")
    if left:
        print(f"Next: make exercise NAME={left[0]}")


def saves(script: Path) -> Iterator[int]:
    """Yield when a file was saved, once and again after each save, until it is gone."""
    seen, there = 0, time.monotonic()
    # An editor that renames a new file into place leaves none for a moment.
    while (now := saved_at(script)) or time.monotonic() < there + GONE:
        there = time.monotonic() if now else there
        if now not in (0, seen):
            seen = now
            yield now
        time.sleep(PAUSE)


def show_one(script: Path, page: str) -> None:
    """Run one exercise, and again after each save until Ctrl-C; show all that it prints."""
    print(f"{script}: edit and save it, and it runs again; Ctrl-C ends this")
    for saved in saves(script):
        ran = run(script, dict(os.environ), saved)
        if saved_at(script) != saved:
            continue  # with what it is now
        line = line_of(script.stem, ran)
        before, _, after = ran.out.rpartition(line)
        texts = [text.strip("\n") for text in (before, after, ran.errors) if text.strip()]
        print("", *texts, line, sep="\n", flush=True)
        if not line.endswith(": done"):
            place = f"{page}#{script.name}, folded below it"
            if not Path(page).exists():
                place = f"{Path(page).with_suffix('.org')}, under {script.stem}"
            print(f"Hint and solution: {place}", flush=True)
    print(f"{script} is gone; the same command brings a fresh one")


def unknown(name: str, scripts: list[Path]) -> str:
    """Return the line that says which exercises have a name like this one, or how to see all."""
    names = [script.stem for script in scripts]
    if not name:
        return f"which one? Name it: make exercise NAME={names[0]}"
    near = [one for one in names if name in one] or difflib.get_close_matches(name, names)
    hint = f"near to it: {', '.join(near)}" if near else f"'ls {OWN}' shows all {len(names)}"
    return f"no exercise is named '{name}'; {hint}"


def exercises_command(name: str | None, page: str = PAGE) -> int:
    """Run the learner's exercises once, or one of them at each save; return the exit status."""
    scripts = copy_missing()
    script = OWN / f"{Path(name or '').name.removesuffix('.py')}.py"
    if name is not None and script not in scripts:
        print(unknown(name, scripts), file=sys.stderr)
        return 2
    try:
        if name is None:
            show_all(scripts)
        else:
            show_one(script, page)
    except KeyboardInterrupt:
        print()
        return 130 if name is None else 0
    return 0
