"""12_ring: write one process of a ring that adds up the vectors of all.

This ring turns to the left. In step 0, 1, 2 ... each process sends leaving(step) to the process
with the rank below its own (rank 0 to the last one), and then gets arrived(step, piece) called with
what the rank above has sent (the last one gets it from rank 0). After 2 * (size - 1) steps result()
must be the sum of all processes' vectors, in each of them. In each step one of the pieces is sent,
no more. Pieces differ in length if the vector cannot be cut evenly.
"""

import torch
from torch import Tensor


class Process:
    """One process of a ring all-reduce."""

    def __init__(self, rank: int, size: int, numbers: Tensor) -> None:
        self.rank, self.size = rank, size
        self.pieces = list(numbers.tensor_split(size))

    def leaving(self, step: int) -> Tensor:
        """Return the piece that goes to the left neighbour in a step."""
        raise NotImplementedError("leaving is still to be written")

    def arrived(self, step: int, piece: Tensor) -> None:
        """Take in the piece that came from the right neighbour in a step."""
        raise NotImplementedError("arrived is still to be written")

    def result(self) -> Tensor:
        """Return the pieces as one vector."""
        return torch.cat(self.pieces)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Carry the pieces around rings of several sizes, and count the numbers that are sent."""
    torch.manual_seed(1)
    for size, n in ((3, 12), (2, 8), (5, 23), (4, 3), (1, 6)):
        vectors = torch.randint(1, 1000, (size, n))
        processes = [Process(rank, size, vectors[rank].clone()) for rank in range(size)]
        sent, where = [0] * size, f"{size} processes, {n} numbers each"
        for step in range(2 * (size - 1)):
            mail = [process.leaving(step) for process in processes]
            for rank, piece in enumerate(mail):
                kind = type(piece).__name__
                assert isinstance(piece, Tensor), f"leaving returned a {kind}, not a tensor"
                assert piece.dim() == 1, f"leaving returned the shape {tuple(piece.shape)}"
                sent[rank] += len(piece)
            mail = [piece.clone() for piece in mail]
            for rank, process in enumerate(processes):
                process.arrived(step, mail[(rank + 1) % size])
        for rank, process in enumerate(processes):
            found, total = process.result(), vectors.sum(dim=0)
            kind = type(found).__name__
            assert isinstance(found, Tensor), f"result returned a {kind}, not a tensor"
            assert found.shape == (n,), f"{where}: rank {rank} ends with shape {tuple(found.shape)}"
            pairs = zip(found.tensor_split(size), total.tensor_split(size), strict=True)
            good = [bool((piece == whole).all()) for piece, whole in pairs]
            right = [number for number in range(size) if good[number]]
            wrong = [number for number in range(size) if not good[number]]
            ends = f"rank {rank} ends with the sum in its pieces {right}, not in {wrong}"
            assert not wrong, f"{where}: {ends}"
            most = 2 * (size - 1) * -(-n // size)
            much = f"{where}: rank {rank} sent {sent[rank]} numbers, where {most} are enough"
            assert sent[rank] <= most, much


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
    run_check("12_ring", check)
