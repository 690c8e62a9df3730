"""How the tests are dealt to workers, and what they inherit; and the bench, which is no test."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.measure import ROUNDS, medians, row
from conftest import ROOT, TANGLED, OneRunOneWorker, pytest_xdist_make_scheduler
from definitions import Definitions


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


def test_both_sides_of_a_pair_take_turns_after_one_that_is_not_measured():
    calls = []
    assert len(medians((lambda: calls.append("a"), lambda: calls.append("b")))) == 2
    assert calls == ["a", "b"] * (ROUNDS + 1)


def test_a_row_says_how_many_times_as_long_the_second_takes():
    assert row("x", 2.0, 5.0) == "| x | 2 s | 5 s | 2.5 times as long |"
    assert row("x", 0.25, 0.1) == "| x | 250 ms | 100 ms | 0.4 times as long |"


def test_the_bench_knows_its_pairs_and_names_them_where_asked_for_another(tmp_path):
    command = [sys.executable, "-m", "bench", "no such pair"]
    ran = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": "tests"}, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("bench: no pair is called no such pair; there are: an epoch of ")


def test_the_bench_measures_what_chapter_14_defines():
    chapter = Definitions(TANGLED / "14_autoencoder.py")
    for name in ("set_up", "make_train_step", "train_epoch", "SequentialAutoencoder"):
        assert name in chapter
