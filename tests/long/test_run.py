"""run.py: a script runs as under Python, and a transcript says which line printed what."""

import contextlib
import fcntl
import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import pickle
import platform
import pty
import signal
import subprocess
import sys
import termios
import textwrap
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import ROOT
from literate.run import Notes, credited, options, read_notes, run_command
from orgs import ENVIRONMENT, fails_with_one_line, run, run_process


@pytest.fixture(autouse=True)
def no_options(monkeypatch):
    """Take away Python's options of this process: a worker of pytest-xdist has some."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable])


@pytest.fixture
def same(tmp_path, capfdbinary):
    """Return a function that runs a script in both ways, and asserts that all they show agrees.

    Plainly, its output goes into files, as in 'python SCRIPT >out 2>err'.
    """

    def run_both(code, *, name="script.py", objects=None, **environment):
        script = tmp_path / name
        if code is not None:
            script.write_text(textwrap.dedent(code), encoding="utf-8")
        out, err = tmp_path / "out", tmp_path / "err"
        with pytest.MonkeyPatch.context() as patch, out.open("wb") as to, err.open("wb") as errors:
            patch.chdir(tmp_path)
            patch.delenv("PYTHONUNBUFFERED", raising=False)  # of this process, not the script's
            for variable, text in environment.items():
                patch.setenv(variable, text)
            plain = subprocess.run(
                [sys.executable, name],
                env=dict(os.environ),  # readline, if it was imported here, put more into C's
                stdout=to,
                stderr=errors,
                timeout=200,
                check=False,
            )
            status = run_command(Path(name), Path("transcript.json"), objects)
        shown = capfdbinary.readouterr()
        assert shown.err == err.read_bytes()
        assert shown.out == out.read_bytes()
        assert status == plain.returncode
        out.unlink()
        err.unlink()
        if status == 0:
            content = json.loads((tmp_path / "transcript.json").read_text(encoding="utf-8"))
            assert "".join(text for _, text in content["output"]) == shown.out.decode(
                environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0], "replace"
            )
            assert content["errors"] == shown.err.decode()
            return content
        return status, shown.out.decode(), shown.err.decode()

    return run_both


def lines(content):
    """Return what a transcript says, as {line: text}."""
    return {line: text for line, text in content["output"]}  # noqa: C416 (each line once)


# --- what a transcript says

PRINTS = """\
import contextlib, io, sys, threading
def inner():
    print("in a function")
inner()
for number in range(2):
    print(
        number,
        "in a loop", end="; ")
print()
class Body:
    print("in a class")
sys.stdout.write("written\\n")
sys.stdout.writelines(["two ", "lines\\n"])
print("flushed", flush=True)
thread = threading.Thread(target=inner)
thread.start()
thread.join()
list(map(print, "ab"))
with contextlib.redirect_stdout(io.StringIO()):
    print("nobody sees this")
exec("print('in exec')")
print("é → ∞"); print("same line")
if True:
    inner()
"""


def test_each_text_is_credited_to_its_line(same):
    found = lines(same(PRINTS))
    # The main thread may be at its next line when the other thread prints.
    loop, join = found.pop(6), found.pop(15, "") + found.pop(16, "") + found.pop(17, "")
    assert loop == "0 in a loop; 1 in a loop; "
    assert join == "in a function\n"
    assert found == {
        4: "in a function\n",
        9: "\n",
        10: "in a class\n",
        12: "written\n",
        13: "two lines\n",
        14: "flushed\n",
        18: "a\nb\n",
        21: "in exec\n",
        22: "é → ∞\nsame line\n",
        24: "in a function\n",
    }


def test_a_transcript_holds_all_text_in_order_and_the_sum_of_the_script(same, tmp_path):
    content = same(PRINTS)
    lines = [line for line, _ in content["output"]]
    assert all(line != after for line, after in pairwise(lines))
    assert content["device"] == "cpu"
    assert content["errors"] == ""
    assert content["sha256"] == hashlib.sha256((tmp_path / "script.py").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "transcript.json"]


def takes_in_one_too_many():
    """Return whether this Python's text layer joins 5,000 letters to 5,000 that it holds."""
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    text.write("x" * 5000)
    text.write("y" * 5000)
    return text.buffer.getvalue().endswith(b"y")


CREDITED = {
    "a guarded script": (
        'if __name__ == "__main__":\n    print("first")\n\n    print("second")\n',
        [[2, "first\n"], [4, "second\n"]],
    ),
    "nothing": ("x = 1\n", []),
    "at exit": (
        "import atexit\natexit.register(print, 'bye')\nprint('hello')\nx = 1\n",
        [[3, "hello\n"], [4, "bye\n"]],
    ),
    "at exit only": ("import atexit\natexit.register(print, 'bye')\n", [[2, "bye\n"]]),
    "a thread that is left alone": (
        "import threading, time\ndef late():\n    time.sleep(0.1)\n    print('late')\n"
        "threading.Thread(target=late).start()\nprint('early')\nx = 1\n",
        [[6, "early\n"], [7, "late\n"]],
    ),
    "chdir": ("import os\nos.chdir('/')\nprint('root')\n", [[3, "root\n"]]),
    "a file of its own": ("__file__ = 'x'\nprint(__file__)\n", [[2, "x\n"]]),
    "another main module": (
        "import sys, types\nsys.modules['__main__'] = types.ModuleType('x')\nprint(1)\n",
        [[3, "1\n"]],
    ),
    "the buffer": (
        "import sys\nsys.stdout.buffer.write(b'\\xc3')\nsys.stdout.buffer.write(b'\\xa9\\n')\n"
        "sys.stdout.buffer.write(bytearray(b'x'))\nsys.stdout.buffer.write(memoryview(b'y'))\n"
        "import array; sys.stdout.buffer.write(array.array('i', [0]))\n",
        [[3, "é\n"], [4, "x"], [5, "y"], [6, "\0\0\0\0"]],
    ),
    "no buffer at all": (
        "import sys\nprint('late')\nsys.stdout.buffer.raw.write(b'raw')\nprint('later')\n",
        [[3, "raw"], [2, "late\n"], [4, "later\n"]],
    ),
    "the buffer before the text": (
        "import sys\nprint('text')\nsys.stdout.buffer.write(b'buffer ')\n",
        [[3, "buffer "], [2, "text\n"]],
    ),
    "more than a buffer": (
        "print('x' * 9000)\nprint('y')\nprint('z' * 20000)\nimport sys\n"
        "sys.stdout.buffer.write(b'b' * 20000)\n",
        [[1, "x" * 9000 + "\n"], [2, "y\n"], [3, "z" * 20000], [5, "b" * 20000], [3, "\n"]],
    ),
    "a buffer that is full": (
        "print('x' * 5000)\nprint('y' * 5000)\nprint('z' * 5000)\n",
        [[1, "x" * 5000 + "\n"], [2, "y" * 5000 + "\n"], [3, "z" * 5000 + "\n"]],
    ),
    "text that is held back no longer": (
        "import sys\nprint('x' * 5000)\nprint('y' * 5000)\nsys.stdout.buffer.write(b'b')\n",
        [[2, "x" * 5000 + "\n"], [3, "y" * 5000], [4, "b"], [3, "\n"]]
        if takes_in_one_too_many()
        else [[2, "x" * 5000 + "\n"], [4, "b"], [3, "y" * 5000 + "\n"]],
    ),
    "text that is not held back": (
        "import sys\nsys.stdout.reconfigure(write_through=True)\nprint('a')\n"
        "sys.stdout.buffer.write(b'b')\n",
        [[3, "a\n"], [4, "b"]],
    ),
    "a flush": (
        "import os, sys\nprint('a')\nsys.stdout.flush()\nos.write(1, b'b')\n",
        [[2, "a\n"], [3, "b"]],
    ),
    "bytes that cannot be written": (
        "import sys\ntry:\n    sys.stdout.buffer.write(memoryview(b'abcd')[::2])\n"
        "except BufferError:\n    print('no')\nprint('yes')\n",
        [[5, "no\n"], [6, "yes\n"]],
    ),
    "many small pieces": (
        "for n in range(9000):\n    print('é', end='')\n    print('.', end='')\n",
        [[2, "é"], [3, "."]] * 9000,
    ),
    "os.write": (
        "import os\nprint('first', flush=True)\nos.write(1, b'then')\nprint('last')\n",
        [[2, "first\nthen"], [4, "last\n"]],
    ),
    "os.write before all": ("import os\nos.write(1, b'x')\nx = 1\nprint('y')\n", [[4, "xy\n"]]),
    "os.write alone": ("import os\nos.write(1, b'x')\n", [[1, "x"]]),
    "the number": (
        "import os, sys\nprint('first', flush=True)\nos.write(sys.stdout.fileno(), b'then')\n",
        [[2, "first\n"], [3, "then"]],
    ),
    "another object": (
        "import os\nprint('a', flush=True)\nwith os.fdopen(1, 'w', closefd=False) as f:\n"
        "    f.write('b')\nprint('c')\n",
        [[2, "a\n"], [3, "b"], [5, "c\n"]],
    ),
    "a wrapper of its own": (
        "import io, sys\nprint('a')\n"
        "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-8', write_through=True)\n"
        "print('é')\n",
        [[2, "a\n"], [4, "é\n"]],
    ),
    "a subprocess": (
        "import subprocess\nprint('a', flush=True)\nsubprocess.run(['echo', 'b'])\nprint('c')\n",
        [[2, "a\n"], [3, "b\n"], [4, "c\n"]],
    ),
    "the shell": (
        "import os\nprint('a', flush=True)\nos.system('echo b')\nprint('c')\n",
        [[2, "a\n"], [3, "b\n"], [4, "c\n"]],
    ),
    "a fork": (
        "import os\nprint('a', flush=True)\nif os.fork() == 0:\n    print('child')\n"
        "    raise SystemExit\nos.wait()\nprint('c')\n",
        [[2, "a\n"], [4, "child\n"], [7, "c\n"]],
    ),
    "a fork with text held back": (
        "import os\nprint('a')\npid = os.fork()\nif pid:\n    os.wait()\n",
        [[2, "a\na\n"]],
    ),
    "a write that fails": (
        "import sys\nsys.stdout.reconfigure(encoding='ascii')\n"
        "try:\n    print('é')\nexcept UnicodeEncodeError:\n    print('e')\n",
        [[6, "e\n"]],
    ),
    "a buffer that is closed": (
        "import sys\nprint('a')\nbuffer = sys.stdout.buffer\nsys.stdout.close()\n"
        "try:\n    buffer.write(b'b')\nexcept ValueError as error:\n"
        "    print(error, file=sys.stderr)\n",
        [[2, "a\n"]],
    ),
    "standard output that is closed": (
        "import sys\nprint('a')\nsys.stdout.close()\n"
        "try:\n    print('b')\nexcept ValueError:\n    sys.stdout = sys.stderr\n",
        [[2, "a\n"]],
    ),
    "another encoding": (
        "import sys\nprint('a')\nsys.stdout.reconfigure(errors='replace')\nprint('\\ud800')\n",
        [[2, "a\n"], [4, "?\n"]],
    ),
    "text that is sent elsewhere": (
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as f:\n"
        "    print('x')\nprint('y', f.getvalue())\n",
        [[4, "y x\n\n"]],
    ),
}


@pytest.mark.parametrize("case", CREDITED)
def test_text_is_credited(case, same):
    code, wanted = CREDITED[case]
    assert same(code)["output"] == wanted


NOTED = {
    "no notes": (b"x", [], [[1, "x"]]),
    "nothing": (b"", [(0, 1)], []),
    "before the first note": (b"ab", [(1, 3)], [[3, "ab"]]),
    "one line twice": (b"abc", [(0, 2), (1, 2), (2, 5)], [[2, "ab"], [5, "c"]]),
    "a note inside a character": ("aéb".encode(), [(0, 3), (2, 5)], [[3, "a"], [5, "éb"]]),
    "half a character": (b"a\xc3", [(0, 3), (1, 4)], [[3, "a"], [4, "\ufffd"]]),
    "a note that goes back": (b"abcdef", [(0, 1), (4, 2), (2, 3)], [[1, "abcd"], [3, "ef"]]),
    "a note beyond the end": (b"ab", [(0, 1), (9, 2)], [[1, "ab"]]),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_stands_between_two_notes_comes_from_the_first(case):
    content, places, wanted = NOTED[case]
    assert credited(content, Notes(places, {"encoding": "utf-8"}, {})) == wanted


def test_what_a_disk_takes_only_in_part_is_credited(monkeypatch):
    """Python's buffer then writes again; a real disk does this rarely, and a test's never."""
    monkeypatch.syspath_prepend(ROOT / "literate" / "hook")
    hook = importlib.import_module("literate_stdout")
    monkeypatch.delitem(sys.modules, "literate_stdout")
    notes, noted = hook.Notes(-1), []
    monkeypatch.setattr(notes, "note", lambda line, back: noted.append((line, back)) or line)
    notes.buffered = [(5, 1), (5, 2), (5, 2), (1, 3)]
    for size in (7, 4, 5):
        notes.written(size)
    assert noted == [(1, 7), (2, 2), (2, 4), (2, 5), (3, 1)]
    assert notes.buffered == []


def test_two_threads_print(same):
    """They take turns, so that both runs print the same."""
    content = same("""\
        import sys, threading
        turns = [threading.Semaphore(1), threading.Semaphore(0)]
        def work(mine):
            for number in range(2000):
                turns[mine].acquire()
                print("ab"[mine] * (number % 50), flush=number % 7 == 0)
                turns[1 - mine].release()
        threads = [threading.Thread(target=work, args=(mine,)) for mine in (0, 1)]
        for thread in threads: thread.start()
        print(end="")
        for thread in threads: thread.join()
        print("end")
    """)
    assert {line for line, _ in content["output"]} <= {9, 10, 11, 12}
    assert content["output"][-1][1].endswith("end\n")


def test_two_threads_print_at_once(same, tmp_path, capfdbinary):
    (tmp_path / "script.py").write_text(
        "import threading\ndef work(name):\n    for n in range(5000): print(name * 20)\n"
        "threads = [threading.Thread(target=work, args=(name,)) for name in 'ab']\n"
        "for thread in threads: thread.start()\nfor thread in threads: thread.join()\n"
    )
    assert run_command(tmp_path / "script.py", tmp_path / "t.json") == 0
    shown = capfdbinary.readouterr().out.decode()
    assert len(shown) == 2 * 5000 * 21
    output = json.loads((tmp_path / "t.json").read_text())["output"]
    assert "".join(text for _, text in output) == shown
    assert {line for line, _ in output} <= {5, 6}


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_what_several_processes_print(method, same):
    """Under spawn the child imports the script anew; what it prints has the line in progress."""
    content = same(f"""\
        import multiprocessing
        def work(number):
            print("worker prints", number)
        if __name__ == "__main__":
            print("start", flush=True)
            context = multiprocessing.get_context("{method}")
            process = context.Process(target=work, args=(1,))
            process.start()
            process.join()
            print("end")
    """)
    assert content["output"] == [[5, "start\n"], [8, "worker prints 1\n"], [10, "end\n"]]


def test_errors_are_kept_with_the_output(same):
    content = same("import sys\nprint('out')\nprint('é', file=sys.stderr)\nsys.stderr.write('x')\n")
    assert content["errors"] == "é\nx"
    assert content["output"] == [[2, "out\n"]]


def test_the_day_and_the_versions_are_kept(same):
    before = datetime.now(UTC).date().isoformat()
    content = same("import json, numpy\n")
    assert before <= content["date"] <= datetime.now(UTC).date().isoformat()
    assert content["versions"] == {
        "Python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
    }
    content = same("import sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n")
    assert content["versions"] == {"Python": platform.python_version()}


def test_the_device_is_kept(same):
    assert same("device = 'cuda:0'\n")["device"] == "cuda:0"
    assert same("class device:\n    pass\ndevice = 1, 2\n")["device"] == "(1, 2)"
    assert same("device = ''\n")["device"] == ""
    content = same("print('é')\ndevice = 'two\\nencoding ascii'\n")
    assert (content["device"], content["output"]) == ("two", [[1, "é\n"]])
    assert same("class Odd:\n    def __str__(self): 1 / 0\ndevice = Odd()\n")["device"] == "cpu"
    assert same("import os\ndevice = 'gone'\nos._exit(0)\n")["device"] == "cpu"


def test_a_script_that_closes_its_output_has_printed_what_it_has(tmp_path):
    """The error is Python's; where it shows a frame of ours is all that differs."""
    (tmp_path / "script.py").write_text(
        "import os\nprint('x', flush=True)\nprint('y')\nos.close(1)\n"
    )
    result = run_process(tmp_path, "run", "script.py", "t.json")
    assert (result.returncode, result.stdout) == (120, "x\n")
    assert result.stderr.splitlines()[-1] == "OSError: [Errno 9] Bad file descriptor"


# --- the same as plain Python

SAME = {
    "names": """
        import sys
        print(__name__, __file__, sys.argv, sys.path[0], __doc__, __spec__, __package__)
        print(__builtins__, __annotations__, type(__loader__))
        print(sys.modules["__main__"].__dict__ is globals())
        print(sorted(globals()))
    """,
    "a docstring": '"""What it does."""\nprint(__doc__)\nx: int = 1\nprint(__annotations__)\n',
    "an exception": "def f():\n    return 1 / 0\nprint(1)\nf()\n",
    "a chained exception": """
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError("chained") from error
    """,
    "an exception while handling another": "try:\n    1 / 0\nexcept ValueError:\n    pass\n",
    "an exception group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])\n",
    "an exception with a note": "e = ValueError(1)\ne.add_note('a note')\nraise e\n",
    "a syntax error": "print(1)\nif:\n",
    "exit 0": "import sys\nprint(1)\nsys.exit(0)\n",
    "exit 3": "import sys\nprint(1)\nsys.exit(3)\n",
    "exit with nothing": "import sys\nsys.exit()\n",
    "exit with a message": "import sys\nsys.exit('a message')\n",
    "exit in an inner function": "def f():\n    raise SystemExit(4)\nf()\n",
    "exit without clean-up": "import os\nprint(1, flush=True)\nos._exit(5)\n",
    "interrupt": "raise KeyboardInterrupt\n",
    "a killed script": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    "text at exit": "import atexit\natexit.register(print, 'bye')\nprint('hello')\n",
    "text for stderr": "import sys\nprint('out')\nprint('err', file=sys.stderr)\n",
    "a warning": "import warnings\nwarnings.warn('mind this')\n",
    "a file of its own": "import inspect\ndef f(): pass\nprint(inspect.getsource(f))\n",
    "pickle": """
        import pickle
import pty
        class Point: pass
        print(type(pickle.loads(pickle.dumps(Point()))) is Point, Point.__module__)
    """,
    "a subprocess": """
        import subprocess, sys
        print("before", flush=True)
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        print("after")
    """,
    "itself again": """
        import subprocess, sys
        if len(sys.argv) > 1:
            print("child", __name__, sys.argv[1])
        else:
            run = subprocess.run([sys.executable, __file__, "1"], capture_output=True, text=True)
            print(run.stdout)
    """,
    "attributes of stdout": """
        import sys
        print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.name)
        print(sys.stdout is sys.__stdout__, sys.stdout.line_buffering, type(sys.stdout))
        print(sys.stdout, sys.stdout.buffer, sys.stdout.buffer.raw, sys.stdout.errors)
        print(type(sys.stdout.buffer), type(sys.stdout.buffer.raw), type(sys.stdout).__name__)
        print(sys.stdout.write_through, sys.stdout.newlines, sys.stdout.mode, sys.stdout.seekable())
        print(vars(sys.stdout), sys.stdout.buffer.mode, sys.stdout.buffer.raw.mode)
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
        print(sys.stdout.line_buffering, sys.stdout.errors, "\\ud800")
    """,
    "__future__ is not inherited": "def f(a: 1 + 1): pass\nprint(f.__annotations__)\n",
    "an encoding": "# -*- coding: latin-1 -*-\nprint('plain')\n",
    "what write returns": "import sys\nprint(sys.stdout.write('four'))\n",
    "asyncio": "import asyncio\nasync def f():\n    print('async')\nasyncio.run(f())\n",
    "exit 0.0": "import sys\nprint(1)\nsys.exit(0.0)\n",
    "exit False": "import sys\nsys.exit(False)\n",
    "the stack": """
        import inspect, traceback
        def f():
            traceback.print_stack()
            print([frame.function for frame in inspect.stack()])
        f()
        class Shown:
            def __str__(self):
                return str(len(inspect.stack()))
        print(Shown())
    """,
    "what is loaded": """
        import os, sys
        print(sorted(sys.modules), sys.path, sorted(sys.path_importer_cache), sys.flags)
        print(dict(os.environ), sys.orig_argv, sys.warnoptions, sys.gettrace(), sys.excepthook)
        import threading
        print(threading.active_count(), [os.open(os.devnull, os.O_RDONLY) for _ in range(100)])
    """,
    "what a child inherits": """
        import subprocess, sys
        code = "import os; print(sorted(os.listdir('/dev/fd')))"
        subprocess.run([sys.executable, "-c", code], close_fds=False)
    """,
    "os.write between prints": """
        import os
        print("a")
        print("b")
        os.write(1, b"c")
        print("d")
    """,
    "an error of os.write": "import os\nos.write(99, b'x')\n",
    "text that cannot be encoded": """
        import sys
        sys.stdout.reconfigure(encoding="ascii")
        print("\\xe9")
    """,
    "a wrong type": "import sys\nsys.stdout.write(b'x')\n",
    "standard output is closed": "import sys\nsys.stdout.close()\nprint('x')\n",
    "segmentation fault": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "recursion": "def f():\n    f()\nf()\n",
    "stdin": "import sys\nprint(sys.stdin.read() == '', sys.stdin.encoding)\n",
}
WORKERS = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    class Point:
        def __init__(self, x): self.x = x
    def work(point):
        print("worker prints", point.x, flush=True)
        return Point(point.x + 1)
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else "METHOD")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            print("result", pool.submit(work, Point(1)).result().x)
"""

SAME |= {f"workers by {method}": WORKERS.replace("METHOD", method) for method in ("spawn", "fork")}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_runs_as_under_python(code, same):
    same(code)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONUNBUFFERED": "1"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:backslashreplace"},
        {"PYTHONPATH": ""},
        {"PYTHONPATH": "/nowhere:/else"},
        {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
    ],
    ids=str,
)
def test_the_environment_is_the_script_s(environment, same):
    same("print('é')\nprint(1, 2)\n", **environment)
    same(SAME["attributes of stdout"].replace("sys.stdout.buffer.raw", "0"), **environment)
    same(SAME["what is loaded"], **environment)


def test_without_a_search_path(same, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    same(SAME["what is loaded"])


def test_a_sitecustomize_of_the_user_s(same, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "sitecustomize.py").write_text("print('mine')\nVALUE = 5\n")
    content = same(
        "import sitecustomize\nprint(sitecustomize.VALUE, sitecustomize.__file__)\n",
        PYTHONPATH=str(mine),
    )
    assert content["output"][0] == [1, "mine\n"]
    (mine / "sitecustomize.py").write_text("1 / 0\n")
    assert "Error in sitecustomize" in same("print(1)\n", PYTHONPATH=str(mine))["errors"]
    (mine / "sitecustomize.py").write_text("import none_such\n")
    assert "none_such" in same("print(1)\n", PYTHONPATH=str(mine))["errors"]


@pytest.mark.parametrize("name", ["with space.py", "été.py", "a:b.py"])
def test_other_names(name, same):
    same(SAME["names"], name=name)


def test_another_folder_and_a_link(same, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "helper.py").write_text("print('helper')\n")
    (inner / "real.py").write_text("import helper, sys\nprint(__file__, sys.argv, sys.path[0])\n")
    (tmp_path / "script.py").symlink_to(inner / "real.py")
    for name in ("inner/real.py", "script.py", str(inner / "real.py")):
        assert same(None, name=name)["output"][0] == [1, "helper\n"]


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("python -m literate run -x.py", []),
        ("python -X dev -W error -m literate run", ["-X", "dev", "-W", "error"]),
        ("python -Xdev -Werror::m -u -BO -m x -S", ["-Xdev", "-Werror::m", "-u", "-BO"]),
        ("python -Bm literate -S", ["-B"]),
        ("python -Bc pass -S", ["-B"]),
        ("python --check-hash-based-pycs always x.py -S", ["--check-hash-based-pycs", "always"]),
        ("python - -S", []),
        ("python", []),
    ],
)
def test_options_of_python_are_found(command, wanted):
    assert options(command.split()) == wanted


def test_options_of_python_are_handed_on_and_nothing_is_left_open(tmp_path):
    (tmp_path / "script.py").write_text(PRINTS + "print(sys.flags.dev_mode, sys.warnoptions)\n")
    options = ["-X", "dev", "-W", "error"]
    plain, recorded = (
        subprocess.run(
            [sys.executable, *options, *command],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        )
        for command in (
            ["script.py"],
            ["-m", "literate", "run", "script.py", "transcript.json", "objects"],
        )
    )
    assert recorded.stdout == plain.stdout
    assert "True ['default', 'error']" in plain.stdout
    assert recorded.stderr == plain.stderr == ""


def test_a_hundred_thousand_prints_are_noted_by_the_buffer_and_not_one_by_one(same, monkeypatch):
    """The old recorder kept each text by itself and took 10.7 seconds to add them up."""
    noted = []

    def reading(script, content):
        noted.append(content)
        return read_notes(script, content)

    monkeypatch.setattr("literate.run.read_notes", reading)
    content = same("for n in range(100_000):\n    print(n, 'x')\n")
    assert len(content["output"]) == 1
    assert len(noted[0].splitlines()) < 200  # 0.8 MB are some hundred buffers of 8 kB


def test_our_own_process_stays_as_it_was(same):
    """The signals' handlers, and every descriptor."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    descriptors = len(list(Path("/dev/fd").iterdir()))
    handlers = [signal.getsignal(number) for number in numbers]
    same("print(1)\n", objects=Path("objects"))
    assert [signal.getsignal(number) for number in numbers] == handlers
    assert len(list(Path("/dev/fd").iterdir())) == descriptors


def test_a_script_that_ends_before_we_look_is_copied(same, monkeypatch):
    class Ended(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.wait()

    monkeypatch.setattr(subprocess, "Popen", Ended)
    assert same("print('x')\n")["output"] == [[1, "x\n"]]


def test_output_is_shown_while_the_script_runs(tmp_path):
    (tmp_path / "script.py").write_text(
        "import pathlib, sys, time\nprint('out', flush=True)\nprint('err', file=sys.stderr)\n"
        "while not pathlib.Path('seen').exists():\n    time.sleep(0.01)\n"
    )
    with start(tmp_path) as process:
        assert (process.stdout.readline(), process.stderr.readline()) == ("out\n", "err\n")
        (tmp_path / "seen").touch()
    assert process.returncode == 0


# --- what fails


def heed_signals():
    """Heed signals that the tests may have been told to ignore: by nohup, in the background."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(folder, *objects):
    """Start the builder on a script, as a shell does in the foreground."""
    return subprocess.Popen(
        [sys.executable, "-m", "literate", "run", "script.py", "transcript.json", *objects],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )


FAILING = ["an exception", "a chained exception", "a syntax error", "exit 3", "exit 0.0"]
FAILING += ["exit with a message", "exit in an inner function", "interrupt", "a killed script"]
FAILING += ["exit without clean-up", "an exception group", "segmentation fault", "recursion"]


def test_a_script_that_was_killed_kills_the_run_too(tmp_path):
    """No process can say how it takes SIGKILL, and ours must not try."""
    (tmp_path / "a.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    done = run_process(tmp_path, "run", "a.py", "a.json")
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_leaves_the_old_transcript(name, same, tmp_path):
    (tmp_path / "transcript.json").write_text("old")
    (tmp_path / "objects").write_text("old")
    status, *_ = same(SAME[name], objects=Path("objects"))
    assert status != 0
    assert (tmp_path / "transcript.json").read_text() == "old"
    assert (tmp_path / "objects").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("script", "place", "line"),
    [
        ("none.py", "transcript.json", "none.py: No such file or directory\n"),
        (".", "transcript.json", ".: Is a directory\n"),
        ("script.py", "script.py/t.json", "script.py/.t.json.new: Not a directory\n"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(script, place, line, tmp_path):
    (tmp_path / "script.py").write_text("print(1)\n")
    result = run(tmp_path, "run", script, place)
    assert (result.returncode, result.stderr) == (1, line)
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


def test_folders_for_the_transcript_are_made(tmp_path):
    (tmp_path / "script.py").write_text("print(1)\n")
    assert run(tmp_path, "run", "script.py", "a/b/transcript.json").returncode == 0
    assert (tmp_path / "a" / "b" / "transcript.json").exists()


def test_a_python_that_passes_over_the_hook_is_one_line(tmp_path):
    (tmp_path / "script.py").write_text("x = 1\n")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from literate.__main__ import main\n"
    code += "main(['run', 'script.py', 't.json'])"
    result = subprocess.run(
        [sys.executable, "-I", "-c", code, str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert fails_with_one_line(result, "script.py: ", "did Python ignore PYTHONPATH?")
    assert not (tmp_path / "t.json").exists()


WAITS = """
import os, pathlib, signal, sys, time
pathlib.Path("pid").write_text(str(os.getpid()))
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise
"""


def gone(pid):
    """Wait until there is no such process, for ten seconds."""
    for _ in range(1000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with contextlib.suppress(OSError):
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True  # nobody has asked yet how it ended
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_a_signal_ends_the_script_too_and_nothing_is_left(name, tmp_path):
    if name == "SIGKILL" and sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent was killed")
    number = signal.Signals[name]
    (tmp_path / "script.py").write_text(WAITS)
    with start(tmp_path, "objects") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
    assert process.returncode == -number
    assert out == ("interrupted\n" if name == "SIGINT" else "")
    assert ("KeyboardInterrupt" in err) == (name == "SIGINT")
    assert gone(int((tmp_path / "pid").read_text()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pid", "script.py"]


COUNTS = """
import signal, time
seen = []
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda number, _: seen.append(signal.Signals(number).name))
print("ready", flush=True)
while not seen: time.sleep(0.01)
time.sleep(0.3)
print(seen)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_script_may_take_a_signal_its_own_way(name, tmp_path):
    (tmp_path / "script.py").write_text(COUNTS)
    with start(tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.Signals[name])
        assert process.communicate(timeout=100) == (f"['{name}']\n", "")
    assert process.returncode == 0


def test_an_interrupt_from_the_keyboard_comes_once(tmp_path):
    """The terminal sends it to both processes, so that we need not pass it on."""
    (tmp_path / "script.py").write_text(COUNTS)
    keyboard, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "literate", "run", "script.py", "transcript.json"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=terminal,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        assert process.stdout.readline() == "ready\n"
        os.write(keyboard, b"\x03")
        assert process.stdout.read() == "['SIGINT']\n"
    os.close(keyboard)
    os.close(terminal)
    assert process.returncode == 0


def test_a_reader_that_is_gone_ends_the_script(tmp_path):
    (tmp_path / "script.py").write_text(WAITS.replace("time.sleep(60)", "while True: print(1)"))
    with start(tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == "script.py: Broken pipe\n"
    assert gone(int((tmp_path / "pid").read_text()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pid", "script.py"]


# --- the objects

OBJECTS = """
import math, sys
import numpy
number, text, nested, _private = 5, "é", {"a": [1.5, None]}, 3
class Class: pass
def function(): pass
builtin, kind, lambda_ = len, int, lambda: 1
generator, file = (n for n in [1]), sys.stdin
shared = [1]
pair = (shared, shared)
large, fits = bytes(5 * 2**20), bytes(3 * 2**20)
table, too_large = numpy.ones((300, 100)), numpy.ones(2**20)  # 8 bytes each
class Loud:
    def __reduce__(self):
        import warnings
        warnings.warn("mind this")
        return str, ("loud",)
class Broken:
    def __reduce__(self): raise RuntimeError
loud, broken = Loud(), Broken()
deep = []
for _ in range(100_000): deep = [deep]
"""


def test_objects_are_kept(same, tmp_path):
    content = same(OBJECTS, objects=Path("kept/objects"))
    assert content["errors"] == ""
    with (tmp_path / "kept/objects").open("rb") as file:
        kept = pickle.load(file)
    found = {name: pickle.loads(content) for name, content in kept.items()}
    assert len(found.pop("fits")) == 3 * 2**20
    assert found.pop("table").sum() == 300 * 100
    assert found == {
        "number": 5,
        "text": "é",
        "nested": {"a": [1.5, None]},
        "shared": [1],
        "pair": ([1], [1]),
        "loud": "loud",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kept",
        "script.py",
        "transcript.json",
    ]


def test_objects_are_those_of_the_end_and_of_one_process(same, tmp_path):
    code = "import atexit, os\nx = 1\nif os.fork() == 0:\n    x = 2\n    raise SystemExit\n"
    code += "os.wait()\natexit.register(lambda: globals().update(y=3))\n"
    same(code, objects=Path("objects"))
    kept = pickle.loads((tmp_path / "objects").read_bytes())
    assert {name: pickle.loads(content) for name, content in kept.items()} == {"x": 1, "y": 3}


def test_no_objects_are_kept_where_nobody_asks(same, tmp_path):
    same("x = 1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "transcript.json"]


def test_both_files_or_none(tmp_path):
    (tmp_path / "script.py").write_text("x = 1\n")
    result = run(tmp_path, "run", "script.py", "t.json", "script.py/objects")
    assert fails_with_one_line(result, "script.py/.objects.new: Not a directory")
    (tmp_path / "script.py").write_text("import os\nos._exit(0)\n")
    result = run(tmp_path, "run", "script.py", "t.json", "objects")
    assert fails_with_one_line(result, "script.py: ", "no objects to keep")
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]
