"""The forge's workflows: valid, pinned, with no more rights than they need; and what git holds.

No test here asks a forge. What the linters zizmor and actionlint would say is not repeated.
"""

import re
import subprocess

import pytest
import yaml

from conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = {
    f"{name}: {job}": inside
    for name, workflow in WORKFLOWS.items()
    for job, inside in workflow["jobs"].items()
}
STEPS = [step for job in JOBS.values() for step in job["steps"]]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PINNED = re.compile(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def commands(steps=STEPS):
    """Return the lines of shell that some steps run."""
    return [line for step in steps for line in step.get("run", "").splitlines()]


def test_there_are_two_with_their_jobs():
    assert list(JOBS) == ["site: build", "site: publish", "test: test"]


def test_every_action_is_the_forges_own_and_pinned_with_its_version_beside_it():
    used = [
        line.split("uses: ")[1]
        for text in TEXTS.values()
        for line in text.splitlines()
        if "uses: " in line
    ]
    assert len(used) == sum("uses" in step for step in STEPS) >= 7
    assert [one for one in used if not PINNED.fullmatch(one)] == []
    assert len(set(used)) == len({one.partition("@")[0] for one in used})  # each in one version


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_starts_where_no_stranger_has_rights(name):
    started = set(WORKFLOWS[name][True])  # what YAML takes "on" for
    assert started <= {"push", "pull_request", "workflow_dispatch"}
    assert WORKFLOWS[name][True]["push"] == {"branches": ["main"]}
    assert WORKFLOWS[name]["permissions"] == {}
    assert WORKFLOWS[name]["concurrency"]["group"].startswith(name)


def test_a_job_may_read_and_only_publishing_may_write():
    allowed = {name: job["permissions"] for name, job in JOBS.items()}
    assert allowed == {
        "test: test": {"contents": "read"},
        "site: build": {"contents": "read", "pages": "read"},
        "site: publish": {"pages": "write", "id-token": "write"},
    }
    assert "pull_request" not in WORKFLOWS["site"][True]
    assert not any("run" in step for step in JOBS["site: publish"]["steps"])  # nor our code there


def test_a_job_ends_and_leaves_no_credentials_to_what_it_runs():
    assert all(5 <= job["timeout-minutes"] <= 60 for job in JOBS.values())
    fetched = [
        step["with"] for step in STEPS if step.get("uses", "").startswith("actions/checkout")
    ]
    assert fetched == [{"persist-credentials": False}] * 2
    assert not any("${{" in line for line in commands())
    assert "secrets." not in "".join(TEXTS.values())


def test_the_tests_run_with_each_python_that_the_project_allows():
    least, beyond = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', PROJECT, re.M).groups()
    matrix = JOBS["test: test"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(least), int(beyond))]
    assert matrix["system"] == ["ubuntu-latest", "macos-latest"]
    asked = (ROOT / "requirements.in").read_text(encoding="utf-8")
    assert f"for Python 3.{least} to 3.{int(beyond) - 1} on" in asked
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python 3.{least} to 3.{int(beyond) - 1}" in readme


def test_what_is_run_is_there():
    called = [re.match(r"make ([a-z ]+)", line) for line in commands() if "make " in line]
    made = {word for call in called for word in call[1].split()}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert made == {"all", "test", "notebooks", "doctor", "epub", "pdf", "site"}
    assert made <= set(re.findall(r"^([a-z]+):.*## ", makefile, re.M))
    (uv,) = {line for line in commands() if "uv==" in line}
    assert uv.split()[-1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_what_make_needs_is_in_git_and_what_it_makes_is_not():
    """But for what a forge shows: scripts, figures and notebooks."""

    def ignored(*names):
        command = ["git", "check-ignore", "--no-index", *names]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ran.returncode == 128:
            pytest.skip("this is no copy that git knows")
        return ran.stdout.split()

    shown = [
        "tangled/07_loss.py",
        "figures/net.png",
        "notebooks/07_loss.ipynb",
        "notebooks/SHA256SUMS",
    ]
    made = ["notebooks/.made", "logs/07_loss.log", "checkpoints/x", "runs/x", "exercises/07.py"]
    assert ignored(*shown) == []
    assert ignored(*made) == made
