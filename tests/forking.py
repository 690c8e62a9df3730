"""Python code in a process of its own that need not import torch anew: a fork of this one."""

import os
import signal
import subprocess
import sys
import traceback
import warnings
from tempfile import TemporaryFile


def run_code(
    code: str, *arguments: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run 'python -W OPTION -c CODE ARGUMENT' in a fork of this process, for 60 seconds at most.

    What this process has imported is there, which would else take two seconds.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of pytest-xdist
            process = os.fork()
        if process == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(status_of(code, arguments, options))
        _, status = os.waitpid(process, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(code, os.waitstatus_to_exitcode(status), *texts)


def status_of(code: str, arguments: tuple[str, ...], options: tuple[str, ...]) -> int:
    """Run code as if it were a program; return the exit status."""
    signal.alarm(60)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = ["-c", *arguments]
    warnings.resetwarnings()
    warnings._processoptions(options)  # which reads them for Python at its start
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
        return 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
