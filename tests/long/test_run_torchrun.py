"""run.py and torchrun: a script that starts itself again in several processes."""

from test_run import same  # noqa: F401 (a fixture)

TORCHRUN = """
    import os, subprocess, sys
    if "RANK" in os.environ:
        # In one piece: torchrun's processes write without a buffer, beside each other.
        print(f"rank {os.environ['RANK']} of {__name__}\\n", end="", flush=True)
    else:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launch += ["--nproc-per-node=2", __file__]
        run = subprocess.run(launch, capture_output=True, text=True, check=True)
        print("\\n".join(sorted(run.stdout.splitlines())))
"""


def test_a_script_under_torchrun(same):  # noqa: F811
    content = same(TORCHRUN, OMP_NUM_THREADS="1")
    assert content["output"] == [[10, "rank 0 of __main__\nrank 1 of __main__\n"]]
