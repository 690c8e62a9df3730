"""Each script alone in an empty folder, as on another processor, where every warning counts.

Each runs once, in whole, and its one run is looked at from all sides: it says what it said when
make ran it, draws the figures that are committed byte for byte, warns of nothing and leaves
nothing else. Its processes start by spawn. NumPy, OpenBLAS and PyTorch work as on an x86-64
processor without AVX-512; or, where the environment that make ran in has chosen a processor, with
all that this one has. Chapter 10 compiles, too, where there is a C++ compiler. Chapter 14 runs
so in test_notebooks_run.py, for one epoch, and its weights are compared bit by bit. Two appendices
take long, and make has run them: they run alone before a release, not in CI.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from conftest import ROOT, SCRIPTS, TANGLED, chapter_of, link_data, run_script

FIGURES = dict(
    re.findall(r"^(\w+)_draws +:= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
)

WITHOUT_AVX512 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
    "ATEN_CPU_CAPABILITY": "avx2",
}
CHOSEN = [*WITHOUT_AVX512, "OPENBLAS_L2_SIZE"]  # where these are set, nobody asks the processor
# NumPy warns where the processor has none of the features that it is told to do without.
MISSING = r".*ImportWarning: NPY_DISABLE_CPU_FEATURES.*\n(?: .*\n)*"
COMPILES = TANGLED / "10_training_loop.py"
LONG = [TANGLED / f"{name}.py" for name in ("autoencoder_variants", "same_line")]
EXTRA = [
    *(pytest.param(path, marks=pytest.mark.once_more) for path in LONG),
    TANGLED / "old_calls.py",
]


class Alone(NamedTuple):
    """A script that ran alone, its run, its folder, and what torchrun left of its logs."""

    script: Path
    run: subprocess.CompletedProcess[str]
    folder: Path
    left: list[str]


def run_alone(script: Path, folder: Path, **variables: str) -> Alone:
    """Run a copy of a script in this folder, as on another processor."""
    copy = Path(shutil.copy(script, folder))
    link_data(folder)
    with TemporaryDirectory() as temporary:  # a short path: names of sockets have a limit
        # The first is for processes that the script starts: they may not warn either.
        options = {"PYTHONWARNINGS": "error", "TMPDIR": temporary} | variables
        with pytest.MonkeyPatch.context() as patch:
            if any(name in os.environ for name in CHOSEN):
                for name in CHOSEN:
                    patch.delenv(name, raising=False)
            elif platform.machine() == "x86_64":
                options |= WITHOUT_AVX512
            if script == COMPILES and shutil.which("g++"):
                options |= {"COMPILE": "1", "TORCHINDUCTOR_CACHE_DIR": f"{temporary}/compiled"}
            run = run_script(copy, folder, by_spawn=True, **options)
        left = [path.name for path in Path(temporary).glob("torchelastic*")]
    return Alone(script, run, folder, left)


@pytest.fixture(
    scope="module",
    # The last ones take longest, so they go first; chapter 14 is not among them.
    params=[*EXTRA, *(script for script in reversed(SCRIPTS) if script.name[:2] != "14")],
    ids=lambda script: script.stem,
)
def alone(request, tmp_path_factory):
    """Run one script alone."""
    return run_alone(request.param, tmp_path_factory.mktemp(request.param.stem))


def assert_it_ended_well(run: subprocess.CompletedProcess[str]) -> None:
    """Assert that a script warned of nothing and said at last what it checked."""
    assert (run.returncode, re.sub(MISSING, "", run.stderr)) == (0, "")
    assert run.stdout.splitlines()[-1].startswith("checked: ")


def test_it_ends_well_without_a_warning_and_says_what_it_checked(alone):
    script, run, folder, _ = alone
    assert_it_ended_well(run)
    if script == COMPILES and shutil.which("g++"):  # the script checks that these end as the others
        table = (folder / "runs" / "cost_ladder.txt").read_text(encoding="utf-8")
        compiled = ["by hand, compiled", "module, compiled"]
        assert re.findall(r"^(.*, compiled) ", table, re.MULTILINE) == compiled


def test_it_says_what_it_said_when_make_ran_it(alone):
    """So neither 'literate run' is felt, nor the way processes start, nor the processor."""
    script, run, _, _ = alone
    chapter = chapter_of(script)
    if chapter.device != "cpu":
        pytest.skip(f"make ran it on {chapter.device}, and this run was on the CPU")
    assert run.stdout == chapter.output


def test_it_draws_the_figures_that_are_committed_byte_for_byte(alone):
    script, _, folder, _ = alone
    expected = {f"{name}.png" for name in FIGURES.get(script.stem, "").split()}
    assert {path.name for path in (folder / "figures").glob("*")} == expected
    if chapter_of(script).device != "cpu":
        pytest.skip("make drew the figures on another device")
    for name in sorted(expected):
        same = (folder / "figures" / name).read_bytes() == (ROOT / "figures" / name).read_bytes()
        assert same, name


def test_it_leaves_nothing_but_what_the_post_says(alone):
    script, _, folder, left = alone
    there = {path.name for path in folder.iterdir()} - {script.name, "data", "__pycache__"}
    expected = {"figures"} if script.stem in FIGURES else set()
    if script.name[:2] in ("03", "11"):
        expected.add("checkpoints")
    if script.name[:2] in ("10", "au"):
        expected.add("runs")
    assert there == expected
    assert not [path for path in folder.glob("*/.*") if path.parent.name != "data"]
    assert left == []  # torchrun's logs go away


def test_make_knows_every_figure():
    drawn = [name for names in FIGURES.values() for name in names.split()]
    assert sorted(drawn) == sorted(path.stem for path in (ROOT / "figures").glob("*.png"))


def test_a_process_that_fails_makes_chapter_12_fail(tmp_path):
    source = (TANGLED / "12_parallelism.py").read_text(encoding="utf-8")
    match = re.search(r"^( +)averaged = gradient_of\(ddp_model, .*\n", source, re.MULTILINE)
    fails = f"{match[1]}sys.exit(3 if dist.get_rank() == 1 else 0)\n"
    broken = tmp_path / "broken.py"
    source = source.replace(match[0], fails + match[0])
    assert "--max-restarts=1" in source  # which would only let it fail a second time
    broken.write_text(source.replace("--max-restarts=1", "--max-restarts=0"), encoding="utf-8")
    run = run_script(broken, tmp_path)
    assert run.returncode == 1
    assert "(exitcode: 3) local_rank: 1" in run.stderr
    assert "checked" not in run.stdout
