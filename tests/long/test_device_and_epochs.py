"""A wrong DEVICE or EPOCHS is one line that names it and exit status 2, before anything is made."""

import re

import pytest

from conftest import SCRIPTS, TANGLED, run_script

READS_DEVICE = [script for script in SCRIPTS if "DEVICE" in script.read_text(encoding="utf-8")]


@pytest.mark.parametrize("script", READS_DEVICE, ids=lambda script: script.stem)
def test_a_device_that_is_not_there_is_one_line_and_status_2(script, tmp_path):
    run = run_script(script, tmp_path, DEVICE="nonsense")
    assert run.returncode == 2
    assert re.fullmatch(r"DEVICE=nonsense: .*\n", run.stderr)
    assert list(tmp_path.iterdir()) == []
    if not script.name.startswith("02"):  # the chapter that explains devices has begun by then
        assert run.stdout == ""


@pytest.mark.parametrize("epochs", ["0", "abc", "-3", "1.5"])
def test_epochs_must_be_a_positive_whole_number(epochs, tmp_path):
    run = run_script(TANGLED / "14_autoencoder.py", tmp_path, EPOCHS=epochs)
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(rf"EPOCHS={re.escape(epochs)}: .*\n", run.stderr)
    assert list(tmp_path.iterdir()) == []
