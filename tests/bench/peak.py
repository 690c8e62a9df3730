"""The most memory that a command holds: it, or the largest of the processes that it waited for.

python peak.py COMMAND runs a command and prints this in bytes. It does so in a process of its own,
for a system tells a process only of the largest of all that it has started.
"""

import resource
import subprocess
import sys


def peak(command: list[str]) -> int:
    """Run a command, the first that this process starts; return its peak in bytes."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    print(peak(sys.argv[1:]))
