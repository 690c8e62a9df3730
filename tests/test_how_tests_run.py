"""How the tests are dealt to workers, and what they inherit."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT, OneRunOneWorker, pytest_xdist_make_scheduler


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/long/test_browser.py::test_a[1280-dark]", "tests/long/test_browser.py"),
        ("tests/long/test_graphs_and_gradients.py::test_b", None),
        ("tests/long/test_scripts_alone.py::test_it_ends[07_loss]", "[07_loss]"),
        ("tests/long/test_scripts_alone.py::test_it_draws[07_loss]", "[07_loss]"),
        ("tests/long/test_scripts_alone.py::test_alone", ...),
        ("tests/long/test_emacs.py::test_c[x]", ...),
    ],
)
def test_what_shares_a_run_goes_to_one_worker(nodeid, scope):
    own = {None: nodeid.partition("::")[0], ...: nodeid}.get(scope, scope)
    assert OneRunOneWorker._split_scope(None, nodeid) == own


def test_only_where_groups_are_asked_for():
    config = SimpleNamespace(getoption={"dist": "load"}.get)
    assert pytest_xdist_make_scheduler(config, None) is None


def test_ctrl_c_works_in_what_tests_start_even_where_it_was_ignored():
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import conftest
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", check=True)
