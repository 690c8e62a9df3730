"""literate.py run: a script runs as under Python, and a transcript says which line printed what."""

import hashlib
import json
import os
import re
import subprocess
import sys
import textwrap
from itertools import pairwise

import pytest

from conftest import TANGLED

LITERATE = TANGLED / "literate.py"


def run_both(folder, code, *, options=(), name="script.py", **environment):
    """Run a script plainly and through the recorder, in one folder; return both results."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(code), encoding="utf-8")
    commands = ([name], [str(LITERATE), "run", name, "transcript.json"])
    return [
        subprocess.run(
            [sys.executable, *options, *command],
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for command in commands
    ]


def transcript(folder):
    """Return what the transcript in a folder says, as {line: text}."""
    output = json.loads((folder / "transcript.json").read_text(encoding="utf-8"))["output"]
    return {line: text for line, text in output}  # noqa: C416 (each line once, in these scripts)


def same(folder, code, **options):
    """Assert that both ways of running agree in all they show; return the plain result."""
    plain, recorded = run_both(folder, code, **options)
    assert recorded.stdout == plain.stdout
    assert recorded.stderr == plain.stderr
    assert recorded.returncode == plain.returncode
    return plain


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


def test_each_text_is_credited_to_its_line(tmp_path):
    plain = same(tmp_path, PRINTS)
    found = transcript(tmp_path)
    # The main thread may be at its next line when the other thread prints.
    loop, join = found.pop(6), found.pop(16, "") + found.pop(17, "")
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
    assert plain.stderr == ""


def test_a_transcript_holds_all_text_in_order_and_the_sum_of_the_script(tmp_path):
    plain = same(tmp_path, PRINTS)
    content = json.loads((tmp_path / "transcript.json").read_text(encoding="utf-8"))
    assert "".join(text for _, text in content["output"]) == plain.stdout
    lines = [line for line, _ in content["output"]]
    assert all(line != after for line, after in pairwise(lines))
    assert content["device"] == "cpu"
    assert content["sha256"] == hashlib.sha256((tmp_path / "script.py").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "transcript.json"]


def test_lines_of_a_guarded_script(tmp_path):
    code = 'if __name__ == "__main__":\n    print("first")\n\n    print("second")\n'
    same(tmp_path, code)
    assert transcript(tmp_path) == {2: "first\n", 4: "second\n"}


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
    """,
    "__future__ is not inherited": "def f(a: 1 + 1): pass\nprint(f.__annotations__)\n",
    "an encoding": "# -*- coding: latin-1 -*-\nprint('plain')\n",
    "what write returns": "import sys\nprint(sys.stdout.write('four'))\n",
    "asyncio": "import asyncio\nasync def f():\n    print('async')\nasyncio.run(f())\n",
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
        context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else "{method}")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            print("result", pool.submit(work, Point(1)).result().x)
"""
SAME |= {f"workers by {method}": WORKERS.format(method=method) for method in ("spawn", "fork")}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_runs_as_under_python(tmp_path, code):
    same(tmp_path, code)


def test_a_script_under_torchrun(tmp_path):
    code = """
        import os, subprocess, sys
        if "RANK" in os.environ:
            print(f"rank {os.environ['RANK']} of {__name__}", flush=True)
        else:
            launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            launch += ["--nproc-per-node=2", __file__]
            run = subprocess.run(launch, capture_output=True, text=True, check=True)
            print("\\n".join(sorted(run.stdout.splitlines())))
    """
    plain = same(tmp_path, code, OMP_NUM_THREADS="1")
    assert plain.stdout == "rank 0 of __main__\nrank 1 of __main__\n"


@pytest.mark.parametrize("name", ["with space.py", "été.py"])
def test_other_names(tmp_path, name):
    same(tmp_path, SAME["names"], name=name)


def test_another_folder_and_a_link(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "helper.py").write_text("print('helper')\n")
    code = "import helper, sys\nprint(__file__, sys.argv, sys.path[0])\n"
    same(tmp_path, "", name="other.py")
    (inner / "real.py").write_text(code)
    (tmp_path / "script.py").symlink_to(inner / "real.py")
    for name in ("inner/real.py", "script.py"):
        commands = ([name], [str(LITERATE), "run", name, "transcript.json"])
        plain, recorded = (
            subprocess.run(
                [sys.executable, *command],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            for command in commands
        )
        assert recorded.stdout == plain.stdout
        assert "helper" in plain.stdout


def test_no_resource_is_left_open(tmp_path):
    plain = same(tmp_path, PRINTS, options=("-X", "dev", "-W", "error"))
    assert plain.stderr == ""


# --- what fails

FAILING = [
    name for name in SAME if re.match(r"an exception|a chained|a syntax|exit (3|with a|in)", name)
]


@pytest.mark.parametrize("name", [*FAILING, "interrupt", "exit without clean-up"])
def test_a_failure_leaves_the_old_transcript(tmp_path, name):
    (tmp_path / "transcript.json").write_text("old")
    plain = same(tmp_path, SAME[name])
    assert plain.returncode != 0
    assert (tmp_path / "transcript.json").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "transcript.json"]


@pytest.mark.parametrize(
    ("script", "place", "line"),
    [
        ("none.py", "transcript.json", "none.py: No such file or directory\n"),
        ("script.py", "script.py/t.json", "script.py/.t.json.new: Not a directory\n"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(tmp_path, script, place, line):
    (tmp_path / "script.py").write_text("print(1)\n")
    run = subprocess.run(
        [sys.executable, str(LITERATE), "run", script, place],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, line)


def test_folders_for_the_transcript_are_made(tmp_path):
    (tmp_path / "script.py").write_text("print(1)\n")
    command = [sys.executable, str(LITERATE), "run", "script.py", "a/b/transcript.json"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "a" / "b" / "transcript.json").exists()
