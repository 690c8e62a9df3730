"""What make runs, for real: in a copy of the project with what 'make all' made there."""

import re
import shutil

import pytest

from conftest import POST, ROOT
from making import ORG, PAGE, change, commands, contents, copy_sources, make


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project with everything made; the data are stand-ins."""
    assert (ROOT / PAGE).exists(), "these tests look at what 'make all' made: run it first"
    copy_sources(tmp_path)
    shutil.copytree(ROOT / "figures", tmp_path / "figures", copy_function=shutil.copyfile)
    shutil.copytree(ROOT / "logs", tmp_path / "logs", copy_function=shutil.copyfile)
    (tmp_path / "checkpoints").mkdir()
    for path in (ROOT / "checkpoints").glob("*.json"):  # what the figures to touch are made of
        shutil.copyfile(path, tmp_path / "checkpoints" / path.name)
    shutil.copyfile(ROOT / PAGE, tmp_path / PAGE)
    return tmp_path


def assert_nothing_to_do(project):
    """Run make, which must find everything made."""
    assert make(project, "all").stdout == "make: Nothing to be done for 'all'.\n"


def test_a_word_of_prose_is_on_the_page_and_no_log_is_touched(project):
    logs = contents(project / "logs")
    change(project, "You know Python and a little NumPy,", "You know Python and some NumPy,")
    assert commands(make(project, "all")) == ["tangle", "page"]
    assert contents(project / "logs") == logs
    assert "You know Python and some NumPy" in (project / PAGE).read_text(encoding="utf-8")
    assert_nothing_to_do(project)


def test_a_block_of_chapter_7_runs_chapter_7_alone(project):
    logs = contents(project / "logs")
    change(project, "loss_fn = nn.MSELoss()\npredictions", "loss_fn = nn.MSELoss()\n\npredictions")
    assert commands(make(project, "all")) == ["tangle", "run 07_loss", "page"]
    new_logs = contents(project / "logs")
    changed = {name for name in logs if logs[name] != new_logs[name]}
    assert "07_loss.json" in changed <= {"07_loss.json", "07_loss.objects"}
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
    assert commands(make(project, "all")) == ["tangle", "page"]
    new_page = (project / PAGE).read_text(encoding="utf-8")
    assert "mean loss of the last epoch: 0.016\n" in new_page


def test_a_wrong_number_in_the_prose_stops_make(project):
    page = (project / PAGE).read_bytes()
    change(
        project, "Why does it end at 1.0235 and 1.9690?", "Why does it end at 1.0236 and 1.9690?"
    )
    run = make(project, "all")
    assert run.returncode != 0
    line = (project / ORG).read_text(encoding="utf-8").split("1.0236")[0].count("\n") + 1
    assert run.stderr.splitlines()[0].startswith(f"{ORG}:{line}: ")
    assert "1.0236" in run.stderr.splitlines()[0]
    assert (project / PAGE).read_bytes() == page


def test_a_colour_of_the_page_is_on_the_page(project):
    style = project / "literate" / "page" / "page.css"
    text = style.read_text(encoding="utf-8")
    assert text.count("--paper: light-dark(#fdfcfa,") == 1
    style.write_text(text.replace("--paper: light-dark(#fdfcfa,", "--paper: light-dark(#ffffff,"))
    assert commands(make(project, "all")) == ["page"]
    assert "#ffffff" in (project / PAGE).read_text(encoding="utf-8")
    assert_nothing_to_do(project)


def test_a_missing_page_is_woven_again_to_the_same_bytes(project):
    page = (project / PAGE).read_bytes()
    (project / PAGE).unlink()
    assert commands(make(project, "all")) == ["page"]
    assert (project / PAGE).read_bytes() == page


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


def test_a_notebook_that_is_missing_is_made_again_and_the_others_are_left(project):
    assert commands(make(project, "notebooks")) == ["notebooks"]
    made = {path: path.stat().st_ino for path in (project / "notebooks").glob("*.ipynb")}
    assert len(made) == 14
    assert make(project, "notebooks").stdout == "make: Nothing to be done for 'notebooks'.\n"
    gone = project / "notebooks" / "07_loss.ipynb"
    gone.unlink()
    assert commands(make(project, "notebooks")) == ["notebooks"]
    assert gone.exists()
    assert all(path.stat().st_ino == inode for path, inode in made.items() if path != gone)
