"""Small posts for the tests, and the ways to run the builder on them."""

import contextlib
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from literate import tangle
from literate.__main__ import main

# What a user has: the package on the path, and nothing that the tests themselves were told.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)


def run_process(folder, *arguments, **options):
    """Run the builder in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "literate", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def run(folder, *arguments):
    """Run the builder in this process, which is faster; what it returns is the exit status."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = main(list(arguments))
        except SystemExit as request:
            status = request.code
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def small_files_only():
    """Let a process write no file of more than 500 bytes: a full disk, for all it knows."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))


def snapshot(folder):
    """Return everything below a folder: content and time stamp of files, names of folders."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def contents(folder):
    """Return {name: content} of the files below a folder that could have been tangled."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in tangle.SUFFIXES.values()
    }


def tangled_text(text, folder=Path("/project")):
    """Tangle a text in memory; return {name: text of the script}."""
    return {
        str(path.relative_to(folder)): tangle.content_of(lines).decode()
        for path, lines in tangle.tangle(text, folder).items()
    }


def fails_with_one_line(result, *parts):
    """Tell that a command ended with status 1 and one line that holds these parts."""
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1, result.stderr
    for part in parts:
        assert part in result.stderr
    return True


def org_text(body, arguments=":tangle a.py :noweb yes", *, before="", after=""):
    """Return an Org text with one block, whose #+begin_src is in line 1 unless moved."""
    return f"{before}#+begin_src python {arguments}\n{body}\n#+end_src\n{after}"


def named(name, body, arguments=""):
    """Return the Org text of a named block."""
    return f"#+name: {name}\n#+begin_src python {arguments}\n{body}\n#+end_src\n"


def edit(path, *pairs):
    """Replace text in a file; each must be there just as often as it says."""
    text = path.read_text()
    for old, new, count in pairs:
        assert text.count(old) == count
        text = text.replace(old, new)
    path.write_text(text)
