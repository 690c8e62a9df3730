"""make doctor: what a report says of the packages, the device, and how each script ran."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from conftest import ROOT
from literate import doctor

OURS = f"pytest=={version('pytest')}       # runs them\nhypothesis=={version('hypothesis')}\n"


def test_packages_that_are_as_asked():
    assert doctor.packages(OURS) == "all 2 as requirements.in asks"


def test_what_torch_was_built_for_is_no_other_version():
    torch = version("torch").partition("+")[0]
    assert doctor.packages(f"torch=={torch}\n") == "all 1 as requirements.in asks"


def test_packages_that_are_missing_or_of_another_version():
    asked = OURS.replace(f"pytest=={version('pytest')}", "pytest==0.1") + "no-such-package==2.0\n"
    expected = f"pytest {version('pytest')}, not 0.1, no-such-package is missing"
    assert doctor.packages(asked) == expected


def test_the_project_asks_for_packages():
    asked = (ROOT / "requirements.in").read_text(encoding="utf-8")
    assert "torch" in dict(doctor.ASKED.findall(asked))


def test_the_device_is_the_one_that_the_scripts_take(chapter_device):
    assert doctor.device().startswith(f"{chapter_device}, torch 2.")


@pytest.fixture
def chapter_device():
    """Return the kind of device that is there, as chapter 2 finds it."""
    import torch

    there = torch.accelerator.is_available()
    return torch.accelerator.current_accelerator().type if there else "cpu"


def project_with(folder, transcript):
    """Return a folder with one script, and a transcript of its run (a text, or what JSON holds)."""
    (folder / "tangled").mkdir()
    (folder / "logs").mkdir()
    script = folder / "tangled" / "01_data.py"
    script.write_text("print(1)\n")
    if transcript is not None:
        sha256 = hashlib.sha256(b"print(1)\n").hexdigest()
        text = transcript if isinstance(transcript, str) else json.dumps(transcript)
        (folder / "logs" / "01_data.json").write_text(text.replace("SHA", sha256))
    return folder


RUNS = {
    "on the CPU": ({"sha256": "SHA", "device": "cpu", "errors": ""}, "ran on cpu"),
    "on a GPU": ({"sha256": "SHA", "device": "cuda:0", "errors": ""}, "ran on cuda:0"),
    "with a warning": (
        {"sha256": "SHA", "device": "cpu", "errors": "Warning"},
        "ran on cpu, and wrote to its error channel",
    ),
    "of another text": ({"sha256": "0", "device": "cpu", "errors": ""}, "has changed since it ran"),
    "no run": (None, "has not run to its end"),
    "no JSON": ("{", "left a damaged logs/01_data.json"),
    "not enough": ({"sha256": "SHA"}, "left a damaged logs/01_data.json"),
    "not a transcript": ([], "left a damaged logs/01_data.json"),
}


@pytest.mark.parametrize(("transcript", "state"), RUNS.values(), ids=RUNS)
def test_how_a_script_ran(transcript, state, tmp_path, monkeypatch):
    monkeypatch.chdir(project_with(tmp_path, transcript))
    assert doctor.runs(doctor.Path()) == [f"{state}: 01_data"]


def test_scripts_that_ran_alike_share_a_line(tmp_path):
    project_with(tmp_path, None)
    for name in ("02_tensors", "mnist"):  # the latter leaves no log
        (tmp_path / "tangled" / f"{name}.py").touch()
    assert doctor.runs(tmp_path) == ["has not run to its end: 01_data, 02_tensors"]


def test_a_report_without_installation_git_and_scripts(tmp_path):
    """It is then that somebody needs one. -S hides the installed packages."""
    (tmp_path / "requirements.in").write_text("torch==2.15.0\n")
    environment = {"PYTHONPATH": str(ROOT), "PATH": str(tmp_path), "DEVICE": "cuda"}
    run = subprocess.run(
        [sys.executable, "-S", "-m", "literate", "doctor"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(maxsplit=1) for line in run.stdout.splitlines()]
    assert [name for name, _ in rows] == (
        ["system", "Python", "packages", "device", "commit", "variables", "scripts"]
    )
    report = dict(rows)
    assert f"{os.cpu_count()} cores" in report["system"]
    assert report["packages"] == "torch is missing"
    assert report["device"] == (
        "torch does not start: ModuleNotFoundError: No module named 'torch'"
    )
    assert report["commit"] == "unknown: no git, or not a clone"
    assert report["variables"] == "DEVICE=cuda"
    assert report["scripts"] == "there are none: run 'make tangle'"
    assert run.stderr == ""
