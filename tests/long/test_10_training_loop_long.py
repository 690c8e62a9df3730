"""Chapter 10, again: with what it compiles only where that is asked for."""

import re
import shutil

import pytest

from conftest import TANGLED, run_script


@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
def test_compiled_ways_end_where_the_others_do(chapter, tmp_path):
    """The script itself checks it; what it prints is the same, as long as no time is far off."""
    script = shutil.copy(TANGLED / "10_training_loop.py", tmp_path)
    cache = str(tmp_path / "compiled")
    run = run_script(script, tmp_path, COMPILE="1", TORCHINDUCTOR_CACHE_DIR=cache)
    assert (run.returncode, run.stderr) == (0, "")
    table = (tmp_path / "runs" / "cost_ladder.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(.*, compiled) ", table, re.MULTILINE) == [
        "by hand, compiled",
        "module, compiled",
    ]
    if chapter.device == "cpu":
        assert run.stdout == chapter.output
