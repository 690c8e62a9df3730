"""On another processor the scripts print the same text and draw the same figures, byte for byte.

The settings make NumPy, OpenBLAS and PyTorch work as on an x86-64 processor without AVX-512. The
scripts are those whose results hang on the last bits of long sums: searches, trainings, t-SNE,
and descents that come to rest.
"""

import os
import platform
import re

import pytest

from conftest import ROOT, TANGLED, chapter_of, link_data, run_script

WITHOUT_AVX512 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL",
    "ATEN_CPU_CAPABILITY": "avx2",
}
CHOSEN = [*WITHOUT_AVX512, "OPENBLAS_L2_SIZE"]  # where these are set, nobody asks the processor


@pytest.fixture(params=["without AVX-512", "with all that it has"])
def settings(request, monkeypatch):
    """Return what to set for a processor; for this one as it is, see that nothing is set."""
    if request.param == "without AVX-512":
        return WITHOUT_AVX512
    if not any(name in os.environ for name in CHOSEN):
        pytest.skip("nothing is set here, so make ran with all that the processor has")
    for name in CHOSEN:
        monkeypatch.delenv(name, raising=False)
    return {}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these settings are of x86-64")
@pytest.mark.parametrize(
    "name", ["13_hyperparameter_search", "14_autoencoder", "autoencoder_variants", "same_line"]
)
def test_text_and_figures_are_the_same(name, settings, tmp_path):
    script = TANGLED / f"{name}.py"
    chapter = chapter_of(script)
    if chapter.device != "cpu":
        pytest.skip(f"make ran it on {chapter.device}, and this run is on the CPU")
    if name == "autoencoder_variants" and not settings:
        pytest.skip("one comparison of the longest script is enough")
    link_data(tmp_path)
    run = run_script(script, tmp_path, **settings)
    # NumPy warns where the processor has none of the features that it is told to do without.
    missing = r".*ImportWarning: NPY_DISABLE_CPU_FEATURES.*\n(?: .*\n)*"
    assert (run.returncode, re.sub(missing, "", run.stderr)) == (0, "")
    assert run.stdout == chapter.output
    drawn = sorted((tmp_path / "figures").glob("*"))
    assert drawn or name == "same_line"
    for path in drawn:
        assert path.read_bytes() == (ROOT / "figures" / path.name).read_bytes(), path.name
