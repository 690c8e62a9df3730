"""What make runs, and what it leaves alone."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import POST, ROOT

ORG = "pytorch-first-principles.org"


def make(project, *arguments, python=sys.executable):
    """Run make in a project as a person would, untouched by the make that runs these tests."""
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "EPOCHS"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    given = [f"PYTHON={python}"] if python else []
    return subprocess.run(
        ["make", *given, *arguments],
        cwd=project,
        env=environment | {"DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def commands(run):
    """Return the scripts that make ran, or would run, in order."""
    assert run.returncode == 0, run.stderr
    return re.findall(r"^\S*python\S* (tangled/.*?)(?: >.*)?$", run.stdout, re.MULTILINE)


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project with everything made; logs and data are stand-ins."""
    for name in (ORG, "Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("tangled", "figures"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in re.findall(r"\w+-\w+-idx\d-ubyte", (ROOT / "Makefile").read_text(encoding="utf-8")):
        (raw / name).write_text("stand-in")
    assert make(tmp_path, "tangle").returncode == 0
    (tmp_path / "data" / "verified").touch()
    (tmp_path / "logs").mkdir()
    for script in (tmp_path / "tangled").glob("*.py"):
        if script.stem not in ("literate", "mnist"):
            (tmp_path / "logs" / f"{script.stem}.log").write_text("stand-in")
    return tmp_path


def change(project, old, new):
    """Replace a text that occurs once in the project's Org file."""
    text = (project / ORG).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (project / ORG).write_text(text.replace(old, new), encoding="utf-8")


def would_run(project):
    """Return what 'make all' runs, with a stand-in for Python that runs the tangler alone.

    This is not --dry-run, under which make cannot see that the tangler left a script as it was.
    """
    stand_in = project / "stand-in-python"
    stand_in.write_text(
        "#!/bin/sh\n"
        f'case "$1" in tangled/literate.py) exec {sys.executable} "$@";; *) echo ran "$1";; esac\n'
    )
    stand_in.chmod(0o755)
    return commands(make(project, "all", python=stand_in))


def assert_nothing_to_do(project):
    """Run make, which must find everything made."""
    assert make(project, "all").stdout == "make: Nothing to be done for 'all'.\n"


def test_a_second_make_runs_nothing(project):
    assert_nothing_to_do(project)


def test_a_word_of_prose_runs_the_tangler_alone(project):
    change(project, "You know Python and a little NumPy,", "You know Python and some NumPy,")
    assert commands(make(project, "all")) == [f"tangled/literate.py tangle {ORG}"]
    assert {log.read_text() for log in (project / "logs").iterdir()} == {"stand-in"}
    assert_nothing_to_do(project)


def test_a_block_of_chapter_7_runs_chapter_7_alone(project):
    change(project, "loss_fn = nn.MSELoss()\npredictions", "loss_fn = nn.MSELoss()\n\npredictions")
    ran = commands(make(project, "all"))
    assert ran == [f"tangled/literate.py tangle {ORG}", "tangled/07_loss.py"]
    logs = {log.name: log.read_text() for log in (project / "logs").iterdir()}
    assert "MSELoss 1.6667" in logs.pop("07_loss.log")
    assert set(logs.values()) == {"stand-in"}
    assert_nothing_to_do(project)


def test_a_shared_block_runs_every_chapter_that_uses_it_and_no_other(project):
    change(project, "true_a, true_b, n = 1, 2, 100\n", "true_a, true_b, n = 1, 2, 101\n")
    assert make(project, "tangle").returncode == 0
    ran = would_run(project)
    users = [
        f"tangled/{script.name}"
        for script in sorted((project / "tangled").glob("[0-9]*.py"))
        if "n = 1, 2, 101" in script.read_text(encoding="utf-8")
    ]
    assert ran == users
    assert 8 < len(users) < 14


def test_a_missing_figure_runs_its_chapter(project):
    (project / "figures" / "net2.png").unlink()
    assert would_run(project) == ["tangled/05_computation_graph.py"]


def test_the_makefile_knows_every_figure(project):
    """Each committed figure, when missing, makes exactly one chapter run."""
    for figure in sorted((project / "figures").glob("*.png")):
        kept = figure.read_bytes()
        figure.unlink()
        assert len(would_run(project)) == 1, figure.name
        figure.write_bytes(kept)


def test_a_missing_script_is_tangled_again(project):
    (project / "tangled" / "07_loss.py").unlink()
    ran = commands(make(project, "all"))
    assert ran == [f"tangled/literate.py tangle {ORG}", "tangled/07_loss.py"]


def test_a_raw_file_that_changed_or_went_is_checked_again(project):
    raw = project / "data" / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_text("trunc")
    assert would_run(project) == ["tangled/mnist.py"]
    (project / "data" / "verified").touch()
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert would_run(project) == ["tangled/mnist.py"]


def test_a_chapter_that_fails_stops_make_and_keeps_the_old_log(project):
    change(project, "mean = nn.MSELoss(", "sys.exit('broken')\nmean = nn.MSELoss(")
    run = make(project, "07_loss")
    assert run.returncode != 0
    assert "broken" in run.stderr
    assert (project / "logs" / "07_loss.log").read_text() == "stand-in"
    assert list((project / "logs").glob("*.new")) == []


def test_a_chapters_target_shows_what_it_printed(project):
    run = make(project, "07_loss")
    assert run.stdout == "stand-in"


def test_a_script_edited_by_hand_stops_make(project):
    script = project / "tangled" / "07_loss.py"
    edited = script.read_text(encoding="utf-8").replace("lr=0.1", "lr=0.2")
    script.write_text(edited, encoding="utf-8")
    change(project, "You know Python and a little NumPy,", "You know Python and some NumPy,")
    run = make(project, "all")
    assert run.returncode != 0
    assert "tangled/07_loss.py was edited by hand" in run.stderr
    assert script.read_text(encoding="utf-8") == edited


def test_notebooks_are_made_once_and_again_when_one_is_missing(project):
    shutil.copy(ROOT / "requirements.in", project)
    for log in (ROOT / "logs").iterdir():
        shutil.copy(log, project / "logs")
    command = [f"tangled/literate.py notebooks {ORG} notebooks"]
    assert commands(make(project, "notebooks")) == command
    made = {path: path.stat().st_ino for path in (project / "notebooks").glob("*.ipynb")}
    assert len(made) == 14
    assert make(project, "notebooks").stdout == "make: Nothing to be done for 'notebooks'.\n"
    gone = project / "notebooks" / "07_loss.ipynb"
    gone.unlink()
    assert commands(make(project, "notebooks")) == command
    assert {path: path.stat().st_ino for path in made if path != gone} == {
        path: inode for path, inode in made.items() if path != gone
    }
    assert gone.exists()
    assert make(project, "clean").returncode == 0
    assert not (project / "notebooks").exists()


def test_help_lists_every_target_that_is_documented(project):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE))
    assert documented >= {"all", "tangle", "data", "test", "help", "clean", "distclean"}
    listed = set(re.findall(r"^make ([a-z]+) ", make(project, "help").stdout, re.MULTILINE))
    assert listed == documented


def test_without_python_an_environment_is_made_first(project):
    run = make(project, "--dry-run", "all", python=None)
    lines = [line for line in run.stdout.splitlines() if "venv" in line]
    assert "-m venv .venv" in lines[0]
    assert "--require-hashes -r requirements.txt" in lines[1]


def test_an_old_python_is_one_clear_line():
    """Run the Makefile's own check, with a version that no Python has reached."""
    check = re.search(r"-c '(.*?)'", (ROOT / "Makefile").read_text(encoding="utf-8"))[1]
    command = [sys.executable, "-c", check.replace("(3, 11)", "(99, 0)")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "Python 3.11 or newer is needed: make SYSTEM_PYTHON=/path/to/it\n"


def test_clean_keeps_what_a_user_has(project):
    (project / "my_notes.txt").write_text("mine")
    assert make(project, "clean").returncode == 0
    assert (project / "my_notes.txt").exists()
    assert (project / "figures" / "net.png").exists()
    assert (project / "data" / "verified").exists()
    assert not (project / "logs").exists()


def test_requirements_are_exact_hashed_and_cover_what_is_asked_for():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^(\S+)==(\S+) .*\\$\n((?:    --hash=sha256:\w{64}.*\n)+)", lock, re.MULTILINE
    )
    locked = {name: version for name, version, _ in entries}
    assert len(entries) == len(re.findall(r"^\w", lock, re.MULTILINE))
    asked = (ROOT / "requirements.in").read_text(encoding="utf-8")
    for name, version, why in re.findall(r"^([\w-]+)==(\S+)(.*)$", asked, re.MULTILINE):
        assert locked[name] == version
        assert why.strip().startswith("# "), f"{name} needs a word on why"


def test_scripts_import_only_what_is_asked_for():
    """Every package that a script or a test imports is named in requirements.in."""
    asked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.in").read_text(), re.MULTILINE))
    package = {"sklearn": "scikit-learn", "ax": "ax-platform", "PIL": "torchvision"}
    files = [*(ROOT / "tangled").glob("*.py"), *(ROOT / "tests").glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    imported -= sys.stdlib_module_names | {"conftest"}
    assert {package.get(name, name) for name in imported} <= asked
    assert POST
