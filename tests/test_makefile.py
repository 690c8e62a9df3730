"""What make runs, and what it leaves alone."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import POST, ROOT

ORG = "pytorch-first-principles.org"
PAGE = ORG.replace(".org", ".html")


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
    """Return what make did with Python, in order: 'tangle', 'run 07_loss', 'weave', 'mnist'."""
    assert run.returncode == 0, run.stderr
    pattern = r"^\S*python\S* tangled/(?:literate\.py (?:(run) tangled/)?)?(\w+)"
    return [
        " ".join(filter(None, words)) for words in re.findall(pattern, run.stdout, re.MULTILINE)
    ]


def need_a_run():
    """Fail where there is no run to test with."""
    assert (ROOT / PAGE).exists(), "these tests look at what 'make all' made: run it first"


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project with everything made; the data are stand-ins."""
    need_a_run()
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
    shutil.copytree(ROOT / "logs", tmp_path / "logs", copy_function=shutil.copyfile)
    shutil.copyfile(ROOT / PAGE, tmp_path / PAGE)
    return tmp_path


def contents(folder):
    """Return the bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
        f'#!/bin/sh\ncase "$2" in tangle) exec {sys.executable} "$@";; *) echo ran "$@";; esac\n'
    )
    stand_in.chmod(0o755)
    return commands(make(project, "all", python=stand_in))


def assert_nothing_to_do(project):
    """Run make, which must find everything made."""
    assert make(project, "all").stdout == "make: Nothing to be done for 'all'.\n"


def test_a_second_make_runs_nothing(project):
    assert_nothing_to_do(project)


def test_a_word_of_prose_runs_the_tangler_and_the_weaver_alone(project):
    logs = contents(project / "logs")
    change(project, "You know Python and a little NumPy,", "You know Python and some NumPy,")
    assert commands(make(project, "all")) == ["tangle", "weave"]
    assert contents(project / "logs") == logs
    assert "You know Python and some NumPy" in (project / PAGE).read_text(encoding="utf-8")
    assert_nothing_to_do(project)


def test_a_block_of_chapter_7_runs_chapter_7_alone(project):
    logs = contents(project / "logs")
    change(project, "loss_fn = nn.MSELoss()\npredictions", "loss_fn = nn.MSELoss()\n\npredictions")
    assert commands(make(project, "all")) == ["tangle", "run 07_loss", "weave"]
    new_logs = contents(project / "logs")
    assert {name for name in logs if logs[name] != new_logs[name]} == {"07_loss.json"}
    assert_nothing_to_do(project)


def test_a_number_that_changes_must_change_in_the_prose_too(project):
    """The run has the say: prose that disagrees stops make, prose that follows is woven."""
    page = (project / PAGE).read_bytes()
    change(project, "last epoch: {epoch_means[-1]:.3f}", "last epoch: {epoch_means[-1] * 2:.3f}")
    run = make(project, "all")
    log = (project / "logs" / "09_dataset.log").read_text(encoding="utf-8")
    assert "mean loss of the last epoch: 0.016" in log
    assert run.returncode != 0
    assert re.match(rf"{ORG}:\d+: no script of this chapter prints or states 0.008\n", run.stderr)
    assert (project / PAGE).read_bytes() == page
    prose = re.search(r"#\+caption: .* 0\.008\b.*", POST)[0]
    change(project, prose, prose.replace("0.008", "0.016"))
    assert commands(make(project, "all")) == ["tangle", "weave"]
    new_page = (project / PAGE).read_text(encoding="utf-8")
    assert "<samp>mean loss of the last epoch: 0.016\n</samp>" in new_page


def test_a_wrong_number_in_the_prose_stops_make(project):
    page = (project / PAGE).read_bytes()
    change(
        project, "Why does it stop at 1.0235 and 1.9690?", "Why does it stop at 1.0236 and 1.9690?"
    )
    run = make(project, "all")
    assert run.returncode != 0
    line = (project / ORG).read_text(encoding="utf-8").split("1.0236")[0].count("\n") + 1
    assert run.stderr.splitlines()[0].startswith(f"{ORG}:{line}: ")
    assert "1.0236" in run.stderr.splitlines()[0]
    assert (project / PAGE).read_bytes() == page


def test_a_colour_of_the_page_runs_no_chapter(project):
    change(project, "--paper: light-dark(#fdfcfa,", "--paper: light-dark(#ffffff,")
    assert commands(make(project, "all")) == ["tangle", "weave"]
    assert "#ffffff" in (project / PAGE).read_text(encoding="utf-8")
    assert_nothing_to_do(project)


def test_a_missing_page_is_woven_again(project):
    page = (project / PAGE).read_bytes()
    (project / PAGE).unlink()
    assert commands(make(project, "all")) == ["weave"]
    assert (project / PAGE).read_bytes() == page


def test_a_missing_log_or_transcript_runs_its_chapter(project):
    (project / "logs" / "07_loss.json").unlink()
    assert would_run(project) == ["run 07_loss", "weave"]
    (project / "logs" / "06_optimizer.log").unlink()
    assert set(would_run(project)) == {"run 06_optimizer", "run 07_loss", "weave"}


def test_a_shared_block_runs_every_chapter_that_uses_it_and_no_other(project):
    change(project, "true_a, true_b, n = 1, 2, 100\n", "true_a, true_b, n = 1, 2, 101\n")
    assert make(project, "tangle").returncode == 0
    ran = would_run(project)
    users = [
        f"run {script.stem}"
        for script in sorted((project / "tangled").glob("[0-9]*.py"))
        if "n = 1, 2, 101" in script.read_text(encoding="utf-8")
    ]
    assert ran == [*users, "weave"]
    assert 8 < len(users) < 14


def test_a_missing_figure_runs_its_chapter(project):
    (project / "figures" / "net2.png").unlink()
    assert would_run(project) == ["run 05_computation_graph", "weave"]


def test_the_makefile_knows_every_figure(project):
    """Each committed figure, when missing, makes exactly one chapter run."""
    for figure in sorted((project / "figures").glob("*.png")):
        kept = figure.read_bytes()
        figure.unlink()
        assert len(would_run(project)) == 2, figure.name
        figure.write_bytes(kept)


def test_a_missing_script_is_tangled_again(project):
    (project / "tangled" / "07_loss.py").unlink()
    assert commands(make(project, "all")) == ["tangle", "run 07_loss", "weave"]


def test_a_raw_file_that_changed_or_went_is_checked_again(project):
    raw = project / "data" / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_text("trunc")
    assert would_run(project) == ["mnist"]
    (project / "data" / "verified").touch()
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert would_run(project) == ["mnist"]


def test_a_chapter_that_fails_stops_make_and_keeps_what_was_made(project):
    logs, page = contents(project / "logs"), (project / PAGE).read_bytes()
    change(project, "mean = nn.MSELoss(", "sys.exit('broken')\nmean = nn.MSELoss(")
    run = make(project, "07_loss")
    assert run.returncode != 0
    assert "broken" in run.stderr
    assert contents(project / "logs") == logs
    assert (project / PAGE).read_bytes() == page


def test_a_chapters_target_shows_what_it_printed(project):
    run = make(project, "07_loss")
    assert run.stdout == (project / "logs" / "07_loss.log").read_text(encoding="utf-8")


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
    assert commands(make(project, "notebooks")) == ["notebooks"]
    made = {path: path.stat().st_ino for path in (project / "notebooks").glob("*.ipynb")}
    assert len(made) == 14
    assert make(project, "notebooks").stdout == "make: Nothing to be done for 'notebooks'.\n"
    gone = project / "notebooks" / "07_loss.ipynb"
    gone.unlink()
    assert commands(make(project, "notebooks")) == ["notebooks"]
    assert gone.exists()
    assert all(path.stat().st_ino == inode for path, inode in made.items() if path != gone)
    assert make(project, "clean").returncode == 0
    assert gone.exists()  # it may hold somebody's work


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
    assert not (project / PAGE).exists()


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
    package |= {"pypandoc": "pypandoc-binary", "IPython": "ipykernel"}
    files = [*(ROOT / "tangled").glob("*.py"), *(ROOT / "tests").glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    imported -= sys.stdlib_module_names | {"conftest"} | {path.stem for path in files}
    assert {package.get(name, name) for name in imported} <= asked
    assert POST
