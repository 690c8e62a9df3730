"""What make runs, and what it leaves alone, on a copy of the project in which all is made.

The tangler is real. What was run, drawn and woven are empty stand-ins: make looks at times only.
"""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from making import ORG, PAGE, change, commands, contents, copy_sources, make, numbered, stand_in

PROSE = "You know Python and a little NumPy,"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a project in which everything is made."""
    project = tmp_path_factory.mktemp("made")
    copy_sources(project)
    for name in ("logs", "figures", "checkpoints"):
        (project / name).mkdir()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for kind, place in {"draws": "figures/{}.png", "keeps": "checkpoints/{}.json"}.items():
        for names in re.findall(rf"_{kind} +:= (.*)", makefile):
            for name in names.split():
                (project / place.format(name)).touch()
    for script in numbered(project):
        for suffix in ("log", "json", "objects"):
            (project / "logs" / f"{script.stem}.{suffix}").write_text(f"{suffix} of a run\n")
    (project / PAGE).touch()
    return project


@pytest.fixture
def project(made, tmp_path):
    """Return a copy of that project, with the same times."""
    return shutil.copytree(made, tmp_path / "project")


def would_run(project, target="all"):
    """Return what make runs with the stand-in for Python.

    This is not --dry-run, under which make cannot see that the tangler left a script as it was.
    """
    return commands(make(project, target, python=stand_in(project)))


def assert_nothing_to_do(project, target="all"):
    """Run make, which must find everything made."""
    run = make(project, target, python=stand_in(project))
    assert run.stdout == f"make: Nothing to be done for '{target}'.\n"


def test_a_second_make_runs_nothing(project):
    assert_nothing_to_do(project)


def test_a_word_of_prose_runs_the_tangler_and_the_weaver_alone(project):
    change(project, PROSE, "You know Python and some NumPy,")
    assert would_run(project) == ["tangle", "page"]
    assert_nothing_to_do(project)


def test_a_block_of_chapter_7_runs_chapter_7_alone(project):
    change(project, "loss_fn = nn.MSELoss()\npredictions", "loss_fn = nn.MSELoss()\n\npredictions")
    assert would_run(project) == ["tangle", "run 07_loss", "page"]
    assert_nothing_to_do(project)


@pytest.mark.parametrize("name", ["org.py", "tangle.py", "files.py", "__main__.py"])
def test_a_new_tangler_tangles_again_and_runs_no_chapter(project, name):
    (project / "literate" / name).touch()
    assert would_run(project) == ["tangle", "page"]
    assert_nothing_to_do(project)


@pytest.mark.parametrize(
    "name",
    [
        "page.py",
        "html.py",
        "footer.py",
        "post.py",
        "numbers.py",
        "diffs.py",
        "touch.py",
        "page/page.css",
        "page/decoder.js",
    ],
)
def test_a_new_weaver_or_a_colour_of_the_page_weaves_again_and_runs_no_chapter(project, name):
    assert (project / "literate" / name).exists()
    (project / "literate" / name).touch()
    assert would_run(project) == ["page"]
    assert_nothing_to_do(project)


@pytest.mark.parametrize("name", ["watch.py", "exercises.py", "doctor.py"])
def test_a_new_watcher_runner_of_exercises_or_doctor_changes_nothing(project, name):
    assert (project / "literate" / name).exists()
    (project / "literate" / name).touch()
    assert_nothing_to_do(project)


@pytest.mark.parametrize("folder", ["exercises", "exercises/solutions"])
def test_a_missing_exercise_or_solution_is_tangled_again(project, folder):
    path = project / "tangled" / folder / "04_forgotten_zero.py"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    assert would_run(project) == ["tangle"]
    assert path.read_text(encoding="utf-8") == text
    assert_nothing_to_do(project)


def test_a_missing_page_is_woven_again(project):
    (project / PAGE).unlink()
    assert would_run(project) == ["page"]


@pytest.mark.parametrize("suffix", ["log", "json", "objects"])
def test_what_a_run_left_is_made_again_when_it_is_missing(project, suffix):
    (project / "logs" / f"07_loss.{suffix}").unlink()
    assert would_run(project) == ["run 07_loss", "page"]
    assert_nothing_to_do(project)


def test_a_shared_block_runs_every_chapter_that_uses_it_and_no_other(project):
    change(project, "true_a, true_b, n = 1, 2, 100\n", "true_a, true_b, n = 1, 2, 101\n")
    ran = would_run(project)
    users = [
        f"run {script.stem}"
        for script in numbered(project)
        if "n = 1, 2, 101" in script.read_text(encoding="utf-8")
    ]
    assert [ran[0], *sorted(ran[1:-1]), ran[-1]] == ["tangle", *users, "page"]
    assert 8 < len(users) < len(numbered(project))


def test_the_longest_scripts_start_first(project):
    for log in (project / "logs").glob("*.log"):
        log.unlink()
    one_by_one = make(project, "-j1", "all", python=stand_in(project))
    ran = [one for one in commands(one_by_one) if one.startswith("run ")]
    assert (ran[0], ran[3]) == ("run 14_autoencoder", "run autoencoder_variants")
    for name in ran[1:3]:  # while the first has torch imported for all
        code = (project / "tangled" / f"{name.removeprefix('run ')}.py").read_text("utf-8")
        assert not re.search(r"^(import|from) torch\b", code, re.MULTILINE)
    assert sorted(ran) == sorted(f"run {script.stem}" for script in numbered(project))


@pytest.mark.parametrize(
    ("arguments", "cores", "jobs"),
    [(["all"], 2, "2"), (["all"], 16, "4"), (["-j3", "all"], 2, "3"), (["watch"], 2, None)],
)
def test_as_many_scripts_run_side_by_side_as_cores_allow(
    project, tmp_path, monkeypatch, arguments, cores, jobs
):
    (tmp_path / "getconf").write_text(f"#!/bin/sh\necho {cores}\n")
    (tmp_path / "getconf").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with (project / "Makefile").open("a", encoding="utf-8") as file:
        file.write('\nall watch: shown\nshown: ; @echo "[$$MAKEFLAGS]"\n')
    shown = make(
        project, "-o", PAGE, *arguments[:-1], arguments[-1], python=stand_in(project)
    ).stdout
    given = re.search(r"-j(\d+)", re.search(r"^\[(.*)\]$", shown, re.MULTILINE)[1])
    assert (given and given[1]) == jobs


def test_the_makefile_knows_every_figure(project):
    """Each committed figure, when missing, makes exactly one chapter run."""
    for figure in sorted((ROOT / "figures").glob("*.png")):
        (project / "figures" / figure.name).unlink()
        (script, page) = would_run(project)
        assert script.startswith("run "), figure.name
        assert page == "page"
        drawn_by = (project / "tangled" / f"{script.removeprefix('run ')}.py").read_text()
        assert f'"{figure.stem}"' in drawn_by or figure.stem.startswith("image_")
        (project / "figures" / figure.name).touch()


@pytest.mark.parametrize(
    ("kept", "script"), [("descent", "03_gradient_descent"), ("decoder", "14_autoencoder")]
)
def test_what_a_figure_to_touch_needs_is_made_again_by_its_chapter(project, kept, script):
    path = project / "checkpoints" / f"{kept}.json"
    path.unlink()
    assert would_run(project) == [f"run {script}", "page"]
    assert f'keep("{kept}", ' in (project / "tangled" / f"{script}.py").read_text()
    path.touch()
    before = (project / "logs" / f"{script}.log").stat().st_mtime_ns - 1_000_000
    os.utime(path, ns=(before, before))  # a chapter writes it before it ends, and its log then
    assert_nothing_to_do(project)


def test_a_missing_script_is_tangled_again(project):
    (project / "tangled" / "07_loss.py").unlink()
    assert would_run(project) == ["tangle", "run 07_loss", "page"]


def test_a_raw_file_that_changed_or_went_is_checked_again(project):
    raw = project / "data" / "MNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_text("trunc")
    assert would_run(project, "data") == ["mnist"]
    assert_nothing_to_do(project, "data")
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert would_run(project) == ["mnist"]


def test_a_chapter_that_fails_stops_make_and_keeps_what_was_made(project):
    logs, page = contents(project / "logs"), (project / PAGE).stat().st_mtime_ns
    (project / "tangled" / "07_loss.py").touch()
    run = make(project, "all", python=stand_in(project, "exit 1;"))
    assert run.returncode != 0
    assert "what 07_loss.py printed" in run.stderr
    assert contents(project / "logs") == logs
    assert (project / PAGE).stat().st_mtime_ns == page
    assert would_run(project) == ["run 07_loss", "page"]


def test_where_all_run_mnist_comes_first_and_one_chapter_asks_for_none(project):
    """Chapter 14 takes longest: to begin soon it needs MNIST before all others but a few begin."""
    python = stand_in(project)
    python.write_text(f'#!/bin/sh\ncase "$*" in *mnist.py) exit 1;; esac\n{python.read_text()}')
    meanwhile, waits = (project / "logs" / f"{name}.log" for name in ("01_data", "07_loss"))
    for path in (meanwhile, waits, project / "data" / "verified"):
        path.unlink()
    assert make(project, "-k", "all", python=python).returncode != 0
    assert (meanwhile.exists(), waits.exists()) == (True, False)
    assert make(project, "07_loss", python=python).returncode == 0
    assert waits.exists()


def test_a_chapters_target_shows_what_it_printed(project):
    assert make(project, "07_loss").stdout == "log of a run\n"
    (project / "logs" / "07_loss.log").unlink()
    run = make(project, "--silent", "07_loss", python=stand_in(project))
    assert run.stdout == "what 07_loss.py printed\n"


def test_a_script_edited_by_hand_stops_make(project):
    script = project / "tangled" / "07_loss.py"
    edited = script.read_text(encoding="utf-8").replace("lr=0.1", "lr=0.2")
    script.write_text(edited, encoding="utf-8")
    change(project, PROSE, "You know Python and some NumPy,")
    run = make(project, "all", python=stand_in(project))
    assert run.returncode != 0
    assert "tangled/07_loss.py was edited by hand" in run.stderr
    assert script.read_text(encoding="utf-8") == edited
    assert "run" not in run.stdout


def test_diffs_are_made_when_one_asks_and_run_nothing_else(project):
    assert would_run(project, "diffs") == ["diffs"]
    assert would_run(project, "diffs") == ["diffs"]
    assert_nothing_to_do(project)


@pytest.mark.parametrize(("form", "look"), [("epub", "book.css"), ("pdf", "book.typ")])
def test_a_book_is_made_again_when_its_look_or_the_post_changes(project, form, look):
    assert would_run(project, form) == [form]
    assert_nothing_to_do(project, form)
    shutil.copystat(project / PAGE, project / PAGE.replace("html", form))
    assert_nothing_to_do(project, form)
    (project / "literate" / "books" / look).touch()
    assert_nothing_to_do(project)  # the page knows nothing of books
    assert would_run(project, form) == [form]
    change(project, PROSE, "You know Python and some NumPy,")
    assert would_run(project, form) == ["tangle", form]
    assert make(project, "clean").returncode == 0
    assert not list(project.glob(f"*.{form}"))


def test_the_site_is_made_of_page_and_notebooks_and_once(project):
    assert would_run(project, "site") == ["notebooks", "site"]
    assert_nothing_to_do(project, "site")
    change(project, PROSE, "You know Python and some NumPy,")
    assert would_run(project, "site") == ["tangle", "page", "notebooks", "site"]
    assert_nothing_to_do(project, "site")


def renew(path, project):
    """Touch a file after the site was made: the clock of a file system may stand for some ms."""
    path.touch()
    after = (project / "site" / "SHA256SUMS").stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(after, after))


@pytest.mark.parametrize("name", ["site.py", "search.py", "pictures.py", "site/search.js"])
def test_what_only_the_site_needs_makes_only_the_site_again(project, name):
    would_run(project, "site")
    assert (project / "literate" / name).exists()
    renew(project / "literate" / name, project)
    assert_nothing_to_do(project)
    assert would_run(project, "site") == ["site"]
    assert_nothing_to_do(project, "site")


def test_a_book_that_is_new_makes_the_site_again(project):
    would_run(project, "site")
    renew((project / ORG).with_suffix(".epub"), project)
    assert would_run(project, "site") == ["site"]
    assert_nothing_to_do(project, "site")


def test_another_address_weaves_page_and_site_again_and_runs_no_chapter(project):
    would_run(project, "site")
    there = "REPOSITORY=https://a.org/b"
    for place in (["SITE_URL=https://a.org/b"], [there], [there, "SITE_URL=https://c.org"], []):
        again = make(project, "site", *place, python=stand_in(project))
        assert commands(again) == ["page", "site"], place
        same = make(project, "site", *place, python=stand_in(project))
        assert same.stdout == "make: Nothing to be done for 'site'.\n", place


def test_notebooks_are_made_once_and_again_when_one_is_missing(project):
    assert would_run(project, "notebooks") == ["notebooks"]
    assert len(list((project / "notebooks").glob("*.ipynb"))) == 14
    assert_nothing_to_do(project, "notebooks")
    gone = project / "notebooks" / "07_loss.ipynb"
    gone.unlink()
    assert would_run(project, "notebooks") == ["notebooks"]
    assert gone.exists()
    assert make(project, "distclean").returncode == 0
    assert gone.exists()  # it is in git, and may hold somebody's work
    assert not (project / "logs").exists()
    assert not (project / "notebooks" / ".made").exists()


def test_help_lists_every_target_that_is_documented(project):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE))
    assert documented >= {"all", "tangle", "data", "test", "verify", "help", "clean", "distclean"}
    listed = set(re.findall(r"^make ([a-z]+) ", make(project, "help").stdout, re.MULTILINE))
    assert listed == documented


def test_one_chapter_is_run_and_checked_alone(project):
    change(project, "loss_fn = nn.MSELoss()\npredictions", "loss_fn = nn.MSELoss()\n\npredictions")
    run = make(project, "check-07", python=stand_in(project))
    assert commands(run) == ["tangle", "run 07_loss", "numbers"]
    assert re.findall(r"-m (ruff|pytest) .*", run.stdout) == ["ruff", "pytest"]
    chosen = re.search(r"-m pytest .*?(tests/.*\n.*)", run.stdout)[1].replace("\\\n", "").split()
    files = ["tests/test_07_*.py", "tests/test_exercises.py", "tests/long/test_wrong_answers.py"]
    assert chosen == [*files, "-k", "07_"]


def test_a_file_of_that_name_is_no_check(project):
    (project / "check-07").touch()
    assert "-m pytest" in make(project, "--dry-run", "check-07").stdout


def test_a_thread_of_a_script_that_waits_keeps_no_core_busy(project):
    (project / "logs" / "07_loss.log").unlink()
    trouble = 'echo "$OMP_WAIT_POLICY $OPENBLAS_NUM_THREADS";'
    make(project, "logs/07_loss.log", python=stand_in(project, trouble))
    assert "passive 1\n" in (project / "logs" / "07_loss.log").read_text()


def test_all_runs_of_one_make_name_it_as_their_maker(project):
    """So they find the same server, which ends with this make."""
    for name in ("06_optimizer", "07_loss"):
        (project / "logs" / f"{name}.log").unlink()
    trouble = 'echo "$7 $8"; ps -o comm= -p "$8";'
    make(project, "logs/06_optimizer.log", "logs/07_loss.log", python=stand_in(project, trouble))
    said = {
        (project / "logs" / f"{name}.log").read_text().partition("\n")[2]
        for name in ("06_optimizer", "07_loss")
    }
    assert len(said) == 1
    assert re.fullmatch(r"--maker \d+\nmake\n", said.pop())


def test_each_chapter_can_be_checked_and_nothing_else(project):
    numbers = [path.name[:2] for path in sorted((project / "tangled").glob("[01]*.py"))]
    assert len(numbers) == 14
    for number in numbers:
        assert len(list(ROOT.glob(f"tests/test_{number}_*.py"))) == 1
        assert "-m pytest" in make(project, "--dry-run", f"check-{number}").stdout
    run = make(project, "check-99")
    assert (run.returncode, run.stdout) == (2, "")
    assert "No rule to make target 'check-99'" in run.stderr


def test_the_doctor_installs_nothing_and_needs_no_environment(project):
    run = make(project, "doctor", python=None)
    assert run.stdout.startswith("system ")
    assert "/.venv/" not in run.stdout
    assert not (project / ".venv").exists()


def test_without_python_an_environment_is_made_first(project):
    run = make(project, "--dry-run", "all", python=None)
    lines = [line for line in run.stdout.splitlines() if "venv" in line]
    assert "-m venv .venv" in lines[0]
    assert "--require-hashes -r requirements.txt" in run.stdout
    assert "requirements-tests.txt" not in run.stdout
    run = make(project, "--dry-run", "test", python=None)
    both = re.findall(r"pip install .*?--require-hashes -r (\S+\.txt)", run.stdout)
    assert both == ["requirements.txt"] * 2 + ["requirements-tests.txt"] * 2  # by uv, and by pip


# It makes an environment whose Python only says what it is asked for.
MAKES_ENVIRONMENT = """#!/bin/sh
case "$1" in
  -m) mkdir -p .venv/bin .venv/lib; cp said-python .venv/bin/python; chmod +x .venv/bin/python ;;
esac
"""


@pytest.mark.parametrize(
    ("uv", "by"),
    [("exit 0", ["uv"]), ("exit 1", ["uv", "pip"]), ("", ["pip"])],
    ids=["uv", "uv that fails", "no uv"],
)
def test_packages_are_installed_by_uv_or_else_by_pip(project, tmp_path, monkeypatch, uv, by):
    (project / "said-python").write_text('#!/bin/sh\necho "python $@" >> said\n')
    (project / "system-python").write_text(MAKES_ENVIRONMENT)
    (tmp_path / "bin").mkdir()
    tools = ["sh", "mkdir", "cp", "chmod", "touch", "ln", "getconf", "sed"]
    for tool in (*tools, "make"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    if uv:
        (tmp_path / "bin" / "uv").write_text(f'#!/bin/sh\necho "uv $@" >> said\n{uv}\n')
    for program in (project / "system-python", *(tmp_path / "bin").glob("uv")):
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    environment = ".venv/installed-for-tests"
    run = make(project, environment, "SYSTEM_PYTHON=./system-python", python=None)
    assert (run.returncode, run.stderr) == (0, "")
    said = (project / "said").read_text().splitlines()
    assert [re.search(r"^uv|pip", line)[0] for line in said] == by * 2
    half = len(said) // 2
    for lines, lock in ((said[:half], "requirements.txt"), (said[half:], "requirements-tests.txt")):
        assert all(line.endswith(f" --require-hashes -r {lock}") for line in lines)
        assert all("--no-compile" in line for line in lines if line.startswith("python"))
    again = make(project, environment, "SYSTEM_PYTHON=./system-python", python=None)
    assert again.stdout == f"make: '{environment}' is up to date.\n"


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
    assert (project / ORG).exists()
    assert not (project / "logs").exists()
    assert not (project / PAGE).exists()


LOCKS = ("requirements.txt", "requirements-tests.txt")


def asked_for(lock):
    """Return the (name, version, why) of what is asked for, from which a lock is made."""
    asked = (ROOT / lock).with_suffix(".in").read_text(encoding="utf-8")
    return re.findall(r"^([\w-]+)==(\S+)(.*)$", asked, re.MULTILINE)


def locked(lock):
    """Return {(name, version): hashes} of a lock."""
    entries = re.findall(
        r"^(\S+)==(\S+) .*\\$\n((?:    --hash=sha256:\w{64}.*\n)+)",
        (ROOT / lock).read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {(name, version): set(re.findall(r"\w{64}", sums)) for name, version, sums in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_requirements_are_exact_hashed_and_cover_what_is_asked_for(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert len(locked(lock)) == len(re.findall(r"^\w", text, re.MULTILINE))
    asked = asked_for(lock)
    assert len(asked) >= 10
    for name, version, why in asked:
        assert (name, version) in locked(lock)
        assert why.strip().startswith("# "), f"{name} needs a word on why"


def test_the_tests_add_packages_and_change_none():
    post, tests = map(locked, LOCKS)
    names = {name for name, _ in post}
    assert {one: sums for one, sums in tests.items() if one[0] in names}.items() <= post.items()
    added = {name for name, _ in tests} - names
    assert {"pytest", "ruff", "playwright"} <= added
    assert not [name for name, _, _ in asked_for(LOCKS[0]) if name in added]


def imported_by(*folders):
    """Return the packages that the files in some folders import, but for our own."""
    package = {"sklearn": "scikit-learn", "ax": "ax-platform", "PIL": "torchvision"}
    package |= {
        "yaml": "pyyaml",
        "pypandoc": "pypandoc-binary",
        "IPython": "ipykernel",
        "xdist": "pytest-xdist",
    }
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    own = {
        path.stem
        for name in ("tangled", "tests", "literate")
        for path in ROOT.glob(f"{name}/**/*.py")
    }
    own |= sys.stdlib_module_names | {"literate", "sitecustomize", "bench"}
    return {package.get(name, name) for name in found - own}


def test_everything_imports_only_what_is_asked_for():
    """The scripts and the builder what is in requirements.in, the tests what is in either."""
    post, tests = ({name for name, _, _ in asked_for(lock)} for lock in LOCKS)
    assert {"torch", "pygments"} <= imported_by("tangled", "literate") <= post
    assert "pytest" in imported_by("tests") <= post | tests
