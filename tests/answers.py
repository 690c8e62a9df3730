"""Answers to the exercises, right and wrong, run in this process from their text.

Wrong answers stand in tests/wrong_answers/, a file for each chapter.
"""

import contextlib
import importlib.util
import io
import signal
import sys
import warnings
from types import ModuleType

from conftest import ROOT, TANGLED

EXERCISES = sorted((TANGLED / "exercises").glob("*.py"))
SOLUTIONS = TANGLED / "exercises" / "solutions"
NAMES = [path.stem for path in EXERCISES]
LIMIT = 60  # seconds, after which a wrong answer is stopped
FILES = sorted((ROOT / "tests" / "wrong_answers").glob("chapter_*.py"))


def wrong_answers():
    """Return the wrong answers of all chapters, by the exercise."""
    found = {}
    for path in FILES:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert {f"chapter_{name[:2]}" for name in module.WRONG} <= {path.stem}, path.name
        found |= module.WRONG
    return found


WRONG = wrong_answers()


def texts(name):
    """Return the text of an exercise and that of its solution."""
    exercise, solution = TANGLED / "exercises" / f"{name}.py", SOLUTIONS / f"{name}.py"
    return exercise.read_text(encoding="utf-8"), solution.read_text(encoding="utf-8")


def stop(_signal, _frame):
    """Stop an exercise that takes too long."""
    raise TimeoutError(f"no end after {LIMIT} seconds")


def run(name, text, folder, action="ignore"):
    """Run the text of an exercise in this process; return the exit status and what it printed."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    module, out = ModuleType("exercise"), io.StringIO()
    module.__file__ = str(path)
    before, old = sys.modules.get("exercise"), signal.signal(signal.SIGALRM, stop)
    sys.modules["exercise"] = module
    signal.alarm(LIMIT)
    status = 0
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter(action)
            exec(compile(text, str(path), "exec"), vars(module))
            try:
                module.run_check(name, module.check)
            except SystemExit as error:
                status = error.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        del sys.modules["exercise"]
        if before:
            sys.modules["exercise"] = before
    return status, out.getvalue()


def verdict_of(name, text, folder):
    """Return what the check says of a text that is not yet right."""
    status, out = run(name, text, folder)
    last = out.strip().split("\n")[-1]
    assert (status, last.partition(": not yet: ")[0]) == (1, name), f"{status}: {out}"
    assert "Traceback" not in out
    assert not last.startswith(f"{name}: not yet: the check stopped"), last
    return last.removeprefix(f"{name}: not yet: ")


def changed(text, pairs):
    """Return a text with the first of each pair, which it holds once, replaced by the second."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert text.count(old) == 1, f"the solution holds this {text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text
