"""Each of the fourteen scripts, copied alone into an empty folder, runs there and says the same."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from conftest import ROOT, TANGLED, link_data, run_script

SCRIPTS = sorted(TANGLED.glob("[0-9][0-9]_*.py"))
READS_DEVICE = [script for script in SCRIPTS if "DEVICE" in script.read_text(encoding="utf-8")]
READS_EPOCHS = [script for script in SCRIPTS if "EPOCHS" in script.read_text(encoding="utf-8")]


def name(script):
    """Return what pytest shows for a script."""
    return script.stem


def pictures(folder):
    """Return the bytes of every figure below a folder."""
    return {path.name: path.read_bytes() for path in (folder / "figures").glob("*.png")}


def test_there_are_fourteen_scripts():
    assert [script.name[:2] for script in SCRIPTS] == [f"{n:02}" for n in range(1, 15)]


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_runs_alone_without_a_warning_and_as_it_ran_before(script, tmp_path, run_once):
    """Copied into an empty folder it runs there, and three runs give the same text and pictures.

    The log is of the run that make made through 'literate.py run', which must not be felt.

    Chapter 14 runs for one epoch here, so its text is another; its own tests compare two runs.
    """
    alone = Path(shutil.copy(script, tmp_path))
    link_data(tmp_path)
    run = run_script(alone, tmp_path, EPOCHS="1")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout.splitlines()[-1].startswith("checked: ")
    if script not in READS_EPOCHS:
        before = run_once(script)
        assert run.stdout == before.output
        assert pictures(tmp_path) == pictures(before.folder)
        if not torch.accelerator.is_available():  # with one, make ran the script there
            log = ROOT / "logs" / f"{script.stem}.log"
            assert run.stdout == log.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_reads_only_what_the_folder_allows(script):
    """A script is standalone: it imports no other script, and names no absolute path."""
    text = script.read_text(encoding="utf-8")
    siblings = "|".join(other.stem for other in TANGLED.glob("*.py"))
    assert not re.search(rf"^(import|from) ({siblings})\b", text, re.MULTILINE)
    assert not re.search(r"""["']/\w""", text)


@pytest.mark.parametrize("script", READS_DEVICE, ids=name)
def test_a_device_that_is_not_there_is_one_line_and_status_2(script, tmp_path):
    run = run_script(script, tmp_path, DEVICE="nonsense")
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(r"DEVICE=nonsense: .*\n", run.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("epochs", ["0", "abc", "-1", "1.5"])
@pytest.mark.parametrize("script", READS_EPOCHS, ids=name)
def test_epochs_must_be_a_positive_whole_number(script, epochs, tmp_path):
    run = run_script(script, tmp_path, EPOCHS=epochs)
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(rf"EPOCHS={re.escape(epochs)}: .*\n", run.stderr)
    assert list(tmp_path.iterdir()) == []


def test_who_reads_device_and_epochs():
    numbers = {script.name[:2] for script in READS_DEVICE}
    assert numbers == {f"{n:02}" for n in range(1, 15)} - {"01", "03"}
    assert [script.name[:2] for script in READS_EPOCHS] == ["14"]
