"""12_shares: mend a sampler that deals some rows twice and others never.

share(n, rank, size, seed, epoch) returns the rows, a list of numbers below n, that one of size
processes works on in an epoch. All lists must have the same length, the least that is enough;
together they hold each row once, and a few once more if it does not come out even. Each epoch
shuffles and deals anew, and another seed deals in another way. The same call always returns the
same list, and PyTorch's own generator stays as it was. But now many rows are in no list, and each
epoch is like the one before.
"""

import math
from collections import Counter

import torch


def share(n: int, rank: int, size: int, seed: int, epoch: int) -> list[int]:
    """Return the rows of one process in one epoch, in the order in which it takes them."""
    generator = torch.Generator().manual_seed(seed + epoch)
    order = torch.randperm(n, generator=generator).tolist()
    each = math.ceil(n / size)
    dealt = (order * size)[: each * size]  # from the beginning again, until it comes out even
    return dealt[rank::size]


# --- The check. Leave the rest as it is.
def check() -> None:
    """Deal in several epochs, and count how often each row was dealt."""
    state = torch.get_rng_state()
    for n, size in ((100, 4), (103, 4), (60, 5), (3, 5)):
        each, epochs = -(-n // size), []
        for epoch in range(4):
            shares = [share(n, rank, size, 7, epoch) for rank in range(size)]
            where = f"{n} rows, {size} processes, epoch {epoch}"
            for one in shares:
                kind = type(one).__name__
                assert isinstance(one, list), f"share returned a {kind}, not a list"
                found = f"{where}: a process has {len(one)} rows"
                assert len(one) == each, f"{found}, where {each} would do for all to have as many"
                whole = all(isinstance(row, int) and 0 <= row < n for row in one)
                assert whole, f"{where}: an entry is no number of a row"
            times = Counter(row for one in shares for row in one)
            missing = n - len(times)
            assert missing == 0, f"{where}: {missing} rows are in no process's list"
            most = max(times.values())
            assert most <= -(-each * size // n), f"{where}: a row is dealt {most} times"
            for rank, one in enumerate(shares):
                again = share(n, rank, size, 7, epoch)
                assert one == again, f"{where}: rank {rank} gets other rows if it asks again"
                assert n < 50 or one != sorted(one), f"{where}: rank {rank} has its rows in order"
            epochs.append(shares)
        for rank in range(size if n >= 50 else 0):
            where = f"{n} rows, {size} processes: rank {rank}"
            for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
                same = {*epochs[i][rank]} == {*epochs[j][rank]}
                assert not same, f"{where} has the same rows in epoch {i} and in epoch {j}"
            other = share(n, rank, size, 8, 0)
            assert {*other} != {*epochs[0][rank]}, f"{where} has the same rows with another seed"
    moved = not torch.equal(state, torch.get_rng_state())
    assert not moved, "PyTorch's own generator has moved on, which changes what others draw"


import sys
import traceback
from collections.abc import Callable


def run_check(exercise: str, check: Callable[[], None]) -> None:
    """Say in one line whether an exercise is done; if it is not, end with status 1."""
    verdict = "done"
    try:
        check()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == check.__code__.co_filename][-1]
        problem = f"{type(error).__name__}: {error}, in line {here.lineno}"
        if isinstance(error, AssertionError) and frames[-1].name == "check":
            problem = str(error)
        elif here.name == "check":
            problem = f"the check stopped at {problem}"
        else:
            problem = f"your code raised {problem}"
        verdict = f"not yet: {' '.join(problem.split())}"
    print(f"{exercise}: {verdict}")
    if verdict != "done" and not hasattr(sys, "ps1"):  # a notebook goes on
        sys.exit(1)


if __name__ == "__main__":
    run_check("12_shares", check)
