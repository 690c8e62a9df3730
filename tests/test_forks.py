"""warm.py and forks.py: scripts of one make share what they import, and nobody can tell.

A module torch of our own stands in for the real one: it notes who imports it, and takes no time.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from literate import warm
from literate.run import run_command
from literate.warm import user_behind, worthwhile
from orgs import ENVIRONMENT

TORCH = """\
import os
with open(os.environ["IMPORTS"], "a") as file:
    print(os.getpid(), file=file)
class accelerator:
    is_available = lambda: "ACCELERATOR" in os.environ
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere scripts start as ever")


def with_torch(folder):
    """Put a module torch into a folder, and return the folder."""
    (folder / "modules").mkdir()
    (folder / "modules" / "torch.py").write_text(TORCH)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Return a folder in which a module torch lies."""
    return with_torch(tmp_path)


@pytest.fixture
def maker():
    """Start a process that stands for make, and return it."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return a folder, and the number of a make whose server has forked once already."""
    folder = with_torch(tmp_path_factory.mktemp("served"))
    write(folder, "")
    with subprocess.Popen(["sleep", "1000"]) as process:
        assert run(folder, "script", process.pid)[:2] == (0, "")
        assert imports(folder) == 1
        yield folder, process.pid
        process.kill()


def own_environment(folder):
    """Return the variables that lead a script to the module torch in this folder."""
    path = os.pathsep.join([ENVIRONMENT["PYTHONPATH"], str(folder / "modules")])
    return {"PYTHONPATH": path, "IMPORTS": str(folder / "imports")}


def command(folder, name, *more, **environment):
    """Return what starts a run of a script in this folder, as Popen takes it."""
    arguments = ["run", f"{name}.py", f"{name}.json", *map(str, more)]
    return {
        "args": [sys.executable, "-m", "literate", *arguments],
        "cwd": folder,
        "env": ENVIRONMENT | own_environment(folder) | environment,
    }


@contextlib.contextmanager
def redirected(files):
    """Let descriptors of this process lead into these open files for a while."""
    saved = {number: os.dup(number) for number in files}
    for number, file in files.items():
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, kept in saved.items():
            os.dup2(kept, number)
            os.close(kept)


def run(folder, name, maker=None, objects=None, **environment):
    """Run a script; return its exit status, what it printed, and its transcript."""
    transcript = folder / f"{name}.json"
    transcript.unlink(missing_ok=True)
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryFile("w+") as typed,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)  # it changes, and must not
        for variable, value in (own_environment(folder) | environment).items():
            patch.setenv(variable, value)
        patch.setattr(sys, "orig_argv", [sys.executable])  # a worker of pytest-xdist has options
        patch.chdir(folder)
        typed.write("typed\n")
        typed.seek(0)
        with redirected({0: typed, 1: out, 2: err}):
            status = run_command(Path(f"{name}.py"), transcript, objects, maker)
        said = [file.seek(0) or file.read() for file in (out, err)]
    content = json.loads(transcript.read_text()) if transcript.exists() else None
    return status, *said, content


def write(folder, code, name="script"):
    """Write a script that imports torch first."""
    (folder / f"{name}.py").write_text(f"import torch\n{textwrap.dedent(code)}")


def imports(folder):
    """Return how often torch was imported since this was asked last."""
    file = folder / "imports"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return len(found)


def gone(pid):
    """Wait until a server has ended; its address is then free."""
    for _ in range(1000):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one,
        ):
            one.bind(f"\0literate {os.getuid()} {pid}")
            return True
        time.sleep(0.01)
    return False


SAME = {
    "lines": "def f():\n    print('in f')\nf()\nprint('é')\nf()\n",
    "an error": "print(1)\ndef f():\n    1 / 0\nf()\n",
    "an error in an error": "try:\n    1 / 0\nexcept ArithmeticError:\n    {}[2]\n",
    "a syntax error": "print(1)\nx = = 2\n",
    "a status": "import sys\nprint(1)\nsys.exit(3)\n",
    "a last word": "import sys\nsys.exit('why')\n",
    "an end without clean-up": "import os\nprint(1, flush=True)\nos._exit(4)\n",
    "a crash": "import os, signal\nprint(1)\nos.kill(os.getpid(), signal.SIGSEGV)\n",
    "text at exit": "import atexit\natexit.register(print, 'bye')\nprint('hi')\n",
    "stdin": "print(input())\n",
    "names": "print([name for name in globals()])\nprint(__name__, __file__, __spec__, __doc__)\n",
    "arguments": "import sys\nprint(sys.argv, sys.orig_argv, sys.path[:2], sys.stdin)\n",
    "environment": "import os\nprint(dict(os.environ), os.getcwd())\n",
    "its own name": "__file__ = 'x'\nprint(__file__)\n",
    "a child": """
        import os, subprocess, sys
        print("before")
        code = "import os; print(sorted(os.listdir('/dev/fd')))"
        subprocess.run([sys.executable, "-c", code], close_fds=False)
        print("after")
        """,
    "workers by spawn": """
        import multiprocessing
        def f(x):
            return x + 1
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(f, [1]))
        """,
    "a class that is pickled": """
        import pickle
        class Point: pass
        print(type(pickle.loads(pickle.dumps(Point()))) is Point)
        """,
    "signals": "import signal\nprint(signal.getsignal(signal.SIGINT), signal.SIGTERM)\n",
    "warnings": "import warnings\nwarnings.warn('mind')\n",
    "garbage": "import gc\nprint(gc.isenabled(), gc.get_threshold())\n",
}


@pytest.mark.parametrize("case", SAME)
def test_a_fork_shows_what_a_process_of_its_own_shows(case, served):
    folder, maker = served
    write(folder, SAME[case])
    alone = run(folder, "script")
    by_alone = imports(folder)
    assert run(folder, "script", maker) == alone
    assert imports(folder) == max(by_alone - 1, 0)  # a syntax error comes before any import


def test_the_objects_are_kept(folder, maker):
    write(folder, "a = [1, 2]\ndef f(): pass\n")
    run(folder, "script", None, folder / "alone.objects")
    run(folder, "script", maker.pid, folder / "forked.objects")
    alone = (folder / "alone.objects").read_bytes()
    assert b"a" in alone and (folder / "forked.objects").read_bytes() == alone


def test_those_side_by_side_import_torch_once_and_the_server_ends_with_its_maker(folder, maker):
    names = [f"script{number}" for number in range(5)]
    for name in names:
        write(folder, f"print({name!r})", name)
    runs = [
        subprocess.Popen(**command(folder, name, "--maker", maker.pid), stdout=subprocess.PIPE)
        for name in names
    ]
    said = [process.communicate()[0].decode() for process in runs]
    assert said == [f"{name}\n" for name in names]
    assert imports(folder) == 1
    maker.kill()
    maker.wait()
    assert gone(maker.pid)


def test_a_server_that_is_being_started_is_waited_for(folder, maker):
    """Who is a moment too late to start one finds an address at which nobody listens yet."""
    write(folder, "print(1)")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as late:
        late.settimeout(20)
        late.bind(f"\0literate {os.getuid()} {maker.pid}")
        started = command(folder, "script", "--maker", maker.pid)
        with subprocess.Popen(**started, stdout=subprocess.PIPE) as process:
            time.sleep(0.3)
            late.listen()
            late.accept()[0].close()  # this one declines
            assert process.communicate()[0] == b"1\n"


def test_another_make_has_a_server_of_its_own(folder, maker):
    write(folder, "print(1)")
    run(folder, "script", maker.pid)
    with subprocess.Popen(["sleep", "1000"]) as other:
        assert run(folder, "script", other.pid)[:2] == (0, "1\n")
        other.kill()
    assert imports(folder) == 2


@pytest.mark.parametrize(
    "environment",
    [{"ACCELERATOR": "1"}, {"OTHER": "1"}, {"PYTHONWARNINGS": "error"}],
    ids=["an accelerator is there", "another variable", "other warnings"],
)
def test_a_fork_that_would_differ_is_not_made(environment, folder, maker):
    """The server was started with none of these but the accelerator, which it looks for itself."""
    write(folder, "import os\nprint(os.environ.get('OTHER'), os.environ.get('PYTHONWARNINGS'))")
    start = {name: value for name, value in environment.items() if name == "ACCELERATOR"}
    run(folder, "script", maker.pid, **start)
    imports(folder)
    alone = run(folder, "script", **environment)
    assert run(folder, "script", maker.pid, **environment) == alone
    assert imports(folder) == 2


def test_other_options_of_python_are_the_script_s(folder, maker):
    write(folder, "import sys\nprint(sys.flags.optimize)")
    run(folder, "script", maker.pid)
    optimized = command(folder, "script", "--maker", maker.pid)
    optimized["args"].insert(1, "-O")
    assert subprocess.check_output(**optimized) == b"1\n"


def test_a_warning_of_an_import_is_the_script_s(folder, maker):
    with (folder / "modules" / "torch.py").open("a") as file:
        file.write("import warnings\nwarnings.warn('old', FutureWarning)\n")
    write(folder, "print(1)")
    for _ in range(2):
        status, out, _, transcript = run(folder, "script", maker.pid)
        assert (status, out) == (0, "1\n")
        assert "FutureWarning: old" in transcript["errors"]


def test_an_import_that_fails_is_the_script_s(folder, maker):
    (folder / "modules" / "torch.py").write_text("import none_such\n")
    write(folder, "print(1)")
    status, _, err, _ = run(folder, "script", maker.pid)
    assert status == 1
    assert err.endswith("ModuleNotFoundError: No module named 'none_such'\n")
    assert 'script.py", line 1' in err


def test_a_sitecustomize_of_the_user_s_is_run_by_each_script(folder, maker):
    (folder / "modules" / "sitecustomize.py").write_text("print('mine')\n")
    write(folder, "print(1)")
    alone = run(folder, "script")
    assert alone[3]["output"] == [[1, "mine\n"], [2, "1\n"]]
    for _ in range(2):
        assert run(folder, "script", maker.pid) == alone


def test_what_an_import_sets_in_the_environment_is_there(folder, maker):
    with (folder / "modules" / "torch.py").open("a") as file:
        file.write("os.environ['SET_BY_TORCH'] = '1'\n")
    write(folder, "import os\nprint(os.environ['SET_BY_TORCH'])")
    for _ in range(2):
        assert run(folder, "script", maker.pid)[1] == "1\n"
    assert imports(folder) == 1


def started(folder, maker):
    """Start a script that waits; return the run, and the script's own number."""
    write(folder, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)")
    process = subprocess.Popen(
        **command(folder, "script", "--maker", maker.pid), stdout=subprocess.PIPE
    )
    return process, int(process.stdout.readline())


def ends(pid):
    """Wait until a process has ended; nobody may be there to take notice."""
    for _ in range(1000):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone before it is read
            if ") Z " not in Path(f"/proc/{pid}/stat").read_text():
                time.sleep(0.01)
                continue
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_ended_ends_its_script(number, folder, maker):
    process, script = started(folder, maker)
    with process:
        process.send_signal(number)
        assert process.wait() == -number
    assert ends(script)
    assert not (folder / "script.json").exists()


def test_a_script_that_is_killed_ends_its_run(folder, maker):
    process, script = started(folder, maker)
    with process:
        os.kill(script, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    write(folder, "print(1)")
    again = command(folder, "script", "--maker", maker.pid)
    assert subprocess.check_output(**again) == b"1\n"
    assert imports(folder) == 1


def test_a_server_that_is_killed_ends_its_scripts_and_their_runs(folder, maker):
    process, script = started(folder, maker)
    with process:
        parent = int(Path(f"/proc/{script}/stat").read_text().rpartition(")")[2].split()[1])
        assert parent != process.pid
        os.kill(parent, signal.SIGKILL)
        assert process.wait() == -signal.SIGTERM
    assert ends(script)
    assert not (folder / "script.json").exists()


def test_scripts_go_on_where_make_is_killed_and_then_the_server_ends(folder, maker):
    process, script = started(folder, maker)
    with process:
        maker.kill()
        maker.wait()
        assert gone(maker.pid)  # nobody new is taken
        assert process.poll() is None
        os.kill(script, signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_where_no_server_can_be_had_a_script_starts_as_ever(folder, maker, monkeypatch):
    write(folder, "print(1)")
    monkeypatch.setattr(warm, "start_server", lambda *_: None)  # nobody listens for long
    assert run(folder, "script", maker.pid)[:2] == (0, "1\n")
    monkeypatch.setattr(warm, "server_for", lambda *_: Path("/none/such").stat())
    assert run(folder, "script", maker.pid)[:2] == (0, "1\n")
    assert imports(folder) == 2


def test_what_a_script_is_going_to_import():
    assert worthwhile("import numpy\n") == []
    assert worthwhile("# import torch\nimport torchvision\n") == []
    assert worthwhile("import torch\n") == ["torch"]
    code = "from torch import nn, optim\nfrom matplotlib import pyplot as plt\n"
    assert worthwhile(code) == ["torch", "torch._dynamo", "matplotlib.pyplot"]


def test_a_script_that_asks_for_a_variable_shares_where_it_is_there(monkeypatch):
    monkeypatch.delenv("ASKED", raising=False)
    code = 'import os\nos.environ.setdefault("ASKED", "2")\nimport torch\n'
    assert worthwhile(code) == []
    monkeypatch.setenv("ASKED", "2")
    assert worthwhile(code) == ["torch"]


def test_the_user_at_the_other_end():
    for one in socket.socketpair():
        with one:
            assert user_behind(one) == os.getuid()
