"""A wrong DEVICE or EPOCHS is one line that names it and exit status 2, before anything is made.

The scripts run in this process, whose torch they share, up to where they end; one runs as from a
shell.
"""

import re
import runpy

import pytest

from conftest import SCRIPTS, TANGLED, run_script

READS_DEVICE = [script for script in SCRIPTS if "DEVICE" in script.read_text(encoding="utf-8")]


@pytest.fixture
def end_of(tmp_path, monkeypatch, capfd):
    """Return a function that runs a script to its exit; its status, what it printed, its errors."""

    def run(script, name, value):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", [str(script)])
        monkeypatch.setenv("DEVICE", "cpu")
        monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as request:
            runpy.run_path(str(script), run_name="__main__")
        return request.value.code, *capfd.readouterr()

    return run


def test_there_are_such_scripts():
    assert len(READS_DEVICE) > 8


@pytest.mark.parametrize("script", READS_DEVICE, ids=lambda script: script.stem)
def test_a_device_that_is_not_there_is_one_line_and_status_2(script, tmp_path, end_of):
    status, out, errors = end_of(script, "DEVICE", "nonsense")
    assert status == 2
    assert re.fullmatch(r"DEVICE=nonsense: .*\n", errors)
    assert list(tmp_path.iterdir()) == []
    if not script.name.startswith("02"):  # the chapter that explains devices has begun by then
        assert out == ""


@pytest.mark.parametrize("epochs", ["0", "abc", "-3", "1.5"])
def test_epochs_must_be_a_positive_whole_number(epochs, tmp_path, end_of):
    status, out, errors = end_of(TANGLED / "14_autoencoder.py", "EPOCHS", epochs)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"EPOCHS={re.escape(epochs)}: .*\n", errors)
    assert list(tmp_path.iterdir()) == []


def test_the_status_is_the_one_that_a_shell_sees(tmp_path):
    run = run_script(TANGLED / "14_autoencoder.py", tmp_path, EPOCHS="0")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []
