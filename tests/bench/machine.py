"""The name of the machine, as the table states it."""

import os
import platform
import re
import subprocess
from pathlib import Path


def processor() -> str:
    """Return the name of the processor, or of its family where the system tells no more."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"^model name\s*: (.+)$", information.read_text(), re.MULTILINE)
        return found[1] if found else platform.machine()
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.check_output(command, text=True).strip()
    return platform.processor() or platform.machine()


def accelerator() -> str:
    """Return the name of the accelerator that DEVICE leaves in use, and 'no GPU' without one."""
    import torch  # late: chapter14 sets how torch computes

    if not torch.accelerator.is_available() or os.environ.get("DEVICE") == "cpu":
        return "no GPU"
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(os.environ.get("DEVICE") or None)
    return torch.accelerator.current_accelerator().type


def machine() -> str:
    """Return a sentence on processor, cores, accelerator, system and versions."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{processor()}, {cores} cores", accelerator(), platform.system()]
    parts += [f"Python {platform.python_version()}", f"torch {torch.__version__}"]
    return ", ".join(parts) + "."
