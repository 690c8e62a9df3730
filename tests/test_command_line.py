"""__main__.py: each command is called with what it was given, and every error is one line."""

import gc
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from conftest import ROOT
from literate import __main__ as command_line
from orgs import fails_with_one_line, org_text, run, run_process

COMMANDS = [
    "tangle",
    "detangle",
    "diffs",
    "run",
    "numbers",
    "page",
    "site",
    "epub",
    "pdf",
    "notebooks",
    "exercises",
    "doctor",
    "watch",
]


def test_the_help_names_each_command(tmp_path):
    result = run_process(tmp_path, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: python -m literate ")
    for command in COMMANDS:
        assert f"\n    {command} " in result.stdout


@pytest.mark.parametrize("arguments", [[], ["weave"], ["tangle"], ["run", "a.py"], ["watch", "a"]])
def test_a_wrong_command_line_is_refused(arguments, tmp_path):
    result = run(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: python -m literate")


CALLS = {
    "tangle p.org": ("tangle", "tangle_command", [Path("p.org")]),
    "detangle a.py": ("detangle", "detangle_command", [Path("a.py"), None]),
    "detangle a.py p.org": ("detangle", "detangle_command", [Path("a.py"), Path("p.org")]),
    "diffs p.org": ("diffs", "diffs_command", [Path("p.org")]),
    "run a.py a.json": ("run", "run_command", [Path("a.py"), Path("a.json"), None, None]),
    "run a.py a.json a.objects": (
        "run",
        "run_command",
        [Path("a.py"), Path("a.json"), Path("a.objects"), None],
    ),
    "run a.py a.json --maker 5": (
        "run",
        "run_command",
        [Path("a.py"), Path("a.json"), None, 5],
    ),
    "numbers p.org": ("numbers", "numbers_command", [Path("p.org")]),
    "page p.org p.html": ("page", "page_command", [Path("p.org"), Path("p.html")]),
    "site p.org s": ("site", "site_command", [Path("p.org"), Path("s")]),
    "epub p.org p.epub": ("epub", "epub_command", [Path("p.org"), Path("p.epub")]),
    "pdf p.org p.pdf": ("pdf", "pdf_command", [Path("p.org"), Path("p.pdf")]),
    "notebooks p.org n": ("notebooks", "notebooks_command", [Path("p.org"), Path("n")]),
    "exercises": ("exercises", "exercises_command", [None]),
    "exercises 04_a": ("exercises", "exercises_command", ["04_a"]),
    "doctor": ("doctor", "doctor_command", [Path()]),
    "watch p.org p.html -- make x": (
        "watch",
        "watch_command",
        [Path("p.org"), Path("p.html"), 5500, ["make", "x"]],
    ),
    "watch --port 7 p.org p.html -- make -j": (
        "watch",
        "watch_command",
        [Path("p.org"), Path("p.html"), 7, ["make", "-j"]],
    ),
}


@pytest.mark.parametrize("line", CALLS)
def test_a_command_is_called_with_what_it_was_given(line, monkeypatch):
    module, function, wanted = CALLS[line]
    called = []

    def command(*arguments):
        called.append(list(arguments))
        weaves = module in ("numbers", "page", "site", "epub", "pdf", "notebooks")
        assert gc.isenabled() == (not weaves)
        return 7

    monkeypatch.setitem(
        sys.modules, f"literate.{module}", types.SimpleNamespace(**{function: command})
    )
    assert command_line.main(line.split()) == 7
    assert called == [wanted]
    assert gc.isenabled()


ERRORS = {
    "a value": (ValueError("p.org:3: wrong"), "p.org:3: wrong\n"),
    "a value of two lines": (ValueError("wrong\nand more"), "wrong and more\n"),
    "a file": (FileNotFoundError(2, "No such file", "x/y"), "x/y: No such file\n"),
    "two files": (OSError(18, "Cross-device link", "x", None, "y"), "y: Cross-device link\n"),
    "a file by its bytes": (
        PermissionError(13, "Permission denied", b"x"),
        "x: Permission denied\n",
    ),
    "no file": (BrokenPipeError(32, "Broken pipe"), "p.org: Broken pipe\n"),
    "no number": (OSError("it broke"), "p.org: it broke\n"),
    "depth": (RecursionError(), "p.org: this is nested too deeply\n"),
    "not UTF-8": (UnicodeError("odd"), "odd\n"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_is_one_line(case, monkeypatch, capsys):
    error, line = ERRORS[case]

    def fail(*_):
        raise error

    monkeypatch.setitem(sys.modules, "literate.page", types.SimpleNamespace(page_command=fail))
    with pytest.raises(SystemExit) as request:
        command_line.main(["page", "p.org", "p.html"])
    assert request.value.code == 1
    assert capsys.readouterr() == ("", line)


def test_a_mistake_of_ours_is_no_error_of_the_user(monkeypatch):
    def fail(*_):
        raise KeyError("ours")

    monkeypatch.setitem(sys.modules, "literate.page", types.SimpleNamespace(page_command=fail))
    with pytest.raises(KeyError):
        command_line.main(["page", "p.org", "p.html"])


def test_the_exit_status_is_the_command_s(tmp_path):
    """From the shell, as a user and make see it."""
    assert fails_with_one_line(run_process(tmp_path, "tangle", "p.org"), "p.org: No such file")
    (tmp_path / "p.org").write_text(org_text("x"))
    result = run_process(tmp_path, "tangle", "p.org")
    assert (result.returncode, result.stdout, result.stderr) == (0, "tangled a.py\n", "")
    (tmp_path / "a.py").write_text("edited\n")
    assert run_process(tmp_path, "tangle", "p.org").returncode == 1


@pytest.mark.parametrize("status", [0, 5, -signal.SIGTERM, -signal.SIGINT])
def test_leave_ends_as_the_script_did(status):
    code = f"from literate.__main__ import leave; leave({status})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert ended.returncode == status
