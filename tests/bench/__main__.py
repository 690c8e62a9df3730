"""make bench: ratios, both sides measured in one run, in turn, medians of five; a Markdown table.

Nothing else should run meanwhile. 'make bench WORDS=tangling' measures only what has one of the
words in its name.
"""

import os
import platform
import sys

import torch

from bench import autoencoder, commands
from bench.measure import medians, row


def main(words: list[str]) -> int:
    """Measure the pairs whose name has one of the words, or all; print them as a table."""
    pairs = {**autoencoder.PAIRS, **commands.PAIRS}
    chosen = [name for name in pairs if not words or any(word in name for word in words)]
    if not chosen:
        named = f"no pair is called {' '.join(words)}"
        print(f"bench: {named}; there are: {', '.join(pairs)}", file=sys.stderr)
        return 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{platform.system()} on {platform.machine()}, {cores} cores"
    print(f"{machine}, Python {platform.python_version()}, torch {torch.__version__}\n")
    print("| what | first | second | the second takes |")
    print("|---|---|---|---|")
    for name in chosen:
        print(row(name, *medians(pairs[name]())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
