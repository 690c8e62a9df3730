"""Exercises for the learner: their own copies, run, with one line for each.

This is the work behind 'python -m literate exercises [NAME]'. What the post tangles into
tangled/exercises/ is copied into exercises/ where it is missing there, and never again: those
files are the learner's. An exercise says itself whether it is done; here it is only run, each
in a process of its own, and several side by side.
"""

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

SOURCE, OWN = Path("tangled", "exercises"), Path("exercises")
PAGE = "pytorch-first-principles.html"  # where hints and solutions fold
LIMIT = 120  # seconds, after which an exercise is stopped
PAUSE = 0.3  # seconds between two looks at a file
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


def run(script: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a script; return its status and what it wrote to its two channels.

    The status is -1 for one that had to be stopped.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        command = [sys.executable, str(script)]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment
        )
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            process.kill()
            process.wait()
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return status, *texts


def line_of(name: str, status: int, out: str, errors: str) -> str:
    """Return the one line that says how an exercise stands, whatever happened to it."""
    last = out.strip().rpartition("\n")[2]
    done, not_yet = f"{name}: done", f"{name}: not yet:"
    if (status == 0 and last == done) or (status == 1 and last.startswith(not_yet)):
        return last
    if status == -1:
        return f"{not_yet} it was still running after {LIMIT} seconds"
    if not errors.strip():
        return f"{not_yet} it ended before its check did"
    places = re.findall(rf'File ".*{re.escape(name)}\.py", line (\d+)', errors)
    where = f", in line {places[-1]}" if places else ""
    return f"{not_yet} Python stopped at {errors.strip().rpartition(chr(10))[2].strip()}{where}"


def show_all(scripts: list[Path]) -> None:
    """Run all exercises side by side; show a line for each in their order, and a sum."""
    environment = ALONE | os.environ
    pool, done = ThreadPoolExecutor(min(os.cpu_count() or 1, 8)), 0
    try:
        for script, result in zip(
            scripts, pool.map(lambda script: run(script, environment), scripts), strict=True
        ):
            line = line_of(script.stem, *result)
            done += line.endswith(": done")
            print(line, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{done} of {len(scripts)} done")


def saves(script: Path) -> Iterator[None]:
    """Yield once, and again after each save of a file, for ever."""
    seen = None
    while True:
        # An editor that renames a new file into place leaves none for a moment.
        now = script.stat().st_mtime_ns if script.exists() else seen
        if now != seen:
            seen = now
            yield
        time.sleep(PAUSE)


def show_one(script: Path, page: str) -> None:
    """Run one exercise, and again after each save until Ctrl-C; show all that it prints."""
    print(f"{script}: edit and save it, and it runs again; Ctrl-C ends this")
    for _ in saves(script):
        status, out, errors = run(script, dict(os.environ))
        line = line_of(script.stem, status, out, errors)
        printed = out.rstrip().removesuffix(line)
        print("\n" + printed + errors + line, flush=True)
        if not line.endswith(": done"):
            print(f"Hint and solution: {page}#{script.name}, folded below it", flush=True)


def unknown(name: str, scripts: list[Path]) -> str:
    """Return the line that says which exercises have a name like this one."""
    names = [script.stem for script in scripts]
    if not name:
        return f"which one? Name it: make exercise NAME={names[0]}"
    near = [one for one in names if name in one] or difflib.get_close_matches(name, names)
    near = near or [one for one in names if one[:2] == name[:2]] or names[:3]
    return f"no exercise is named '{name}'; near to it: {', '.join(near)}"


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
