"""How the tests are dealt to workers, and what they inherit."""

import itertools
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import conftest
from conftest import ROOT, OneRunOneWorker, pytest_xdist_make_scheduler


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/long/test_browser.py::test_a[1280-dark]", "tests/long/test_browser.py"),
        ("tests/long/test_graphs_and_gradients.py::test_b", None),
        ("tests/long/test_books_long.py::test_b", None),
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


@pytest.mark.parametrize("name", sorted(conftest.WITHOUT_TORCH))
def test_a_file_that_needs_no_torch_is_there_and_imports_none(name):
    text = (ROOT / "tests" / name).read_text(encoding="utf-8")
    assert not re.search(r"^ *(import|from) (torch|bench)", text, re.MULTILINE)


FILES = {"test_07_loss.py": 3, "test_org.py": 40, "test_08_model.py": 2, "test_tangle.py": 9}
TESTS = [f"tests/{file}::test_{n}[a::b]" for file, count in FILES.items() for n in range(count)]


class Worker:
    """A stand-in for a worker of pytest-xdist, which is told what to run and when to end."""

    def __init__(self, number, without_torch):
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.workerinput = {"without_torch": without_torch}
        self.waiting, self.ran, self.shutting_down = [], [], False
        self.tests = list(filter(conftest.needs_no_torch, TESTS)) if without_torch else TESTS

    def send_runtest_some(self, indices):
        """Take tests, by their places among those that this worker collected."""
        self.waiting += indices

    def shutdown(self):
        """Take no more."""
        self.shutting_down = True


def scheduler_of(workers):
    """Return a scheduler that has heard from all these workers, the last of them first."""
    option = SimpleNamespace(loadscopereorder=True)
    config = SimpleNamespace(getvalue=lambda _: ["popen"] * len(workers), option=option)
    config.getoption = {"dist": "loadfile"}.get
    config.hook = SimpleNamespace(pytest_collectreport=lambda report: None)
    scheduler = pytest_xdist_make_scheduler(config, None)
    for worker in workers:
        scheduler.add_node(worker)
    for worker in reversed(workers):
        assert not scheduler.collection_is_completed
        scheduler.add_node_collection(worker, worker.tests)
    return scheduler


@pytest.mark.parametrize("slow", range(4))
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_test_runs_once_and_none_of_a_chapter_in_a_worker_without_torch(count, slow):
    workers = [Worker(number, number % 2 == 1) for number in range(count)]
    scheduler = scheduler_of(workers)
    scheduler.schedule()
    turn = 0
    while any(worker.waiting for worker in workers):
        turn += 1
        for number, worker in enumerate(workers):
            if worker.waiting and (number != slow or turn % 9 == 0):
                worker.ran.append(worker.waiting.pop(0))
                scheduler.mark_test_complete(worker, worker.ran[-1])
    assert scheduler.tests_finished
    assert all(worker.shutting_down for worker in workers)
    assert not scheduler.has_pending
    names = [[worker.tests[index] for index in worker.ran] for worker in workers]
    assert sorted(itertools.chain(*names)) == sorted(TESTS)
    for part in names:
        files = [name.partition("::")[0] for name in part]
        assert files == sorted(files, key=files.index)  # no file is interrupted by another
    if count > 1:
        assert not conftest.needs_no_torch(names[0][0])


def test_workers_that_collected_something_else_stop_the_run():
    for number, changed in ((0, TESTS[:-1]), (1, []), (2, TESTS[1:])):
        workers = [Worker(number, number % 2 == 1) for number in range(3)]
        workers[number].tests = changed
        scheduler = scheduler_of(workers)
        scheduler.schedule()
        assert not any(worker.waiting for worker in workers)


def test_ctrl_c_works_in_what_tests_start_even_where_it_was_ignored():
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import conftest
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", check=True)
