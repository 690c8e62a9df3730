"""09_same_noise: mend noise that depends on the workers.

Noisy is a dataset of numbers, and on each it puts normal noise with a standard deviation of 0.1.
Before an epoch start_epoch is called, and then each worker gets its copy of the dataset. The noise
of an example should depend on three things, the seed, the epoch and the number of the example, and
on nothing else: not on how many workers there are, nor on the order. Change one of the three, and
the noise changes. But two workers give different examples the same noise. (A seed for NumPy's
default_rng may be a list of whole numbers, too.)
"""

import copy

import numpy as np
from torch.utils.data import Dataset


class Noisy(Dataset):
    """Numbers, with other noise on them in each epoch."""

    def __init__(self, values: list[float], seed: int) -> None:
        self.values, self.seed = values, seed

    def start_epoch(self, epoch: int) -> None:
        """Get ready for an epoch, before the workers get their copies."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> float:
        """Return one number, with noise on it."""
        generator = np.random.default_rng([self.seed, self.epoch, index])
        return self.values[index] + 0.1 * generator.normal()

    def __len__(self) -> int:
        return len(self.values)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Play the workers: copies of the dataset that take turns. Then compare the noise."""
    values = [float(i % 7) for i in range(1000)]

    def load(data: Dataset, epoch: int, workers: int = 1, step: int = 1) -> list:
        data.start_epoch(epoch)
        copies = [copy.deepcopy(data) for _ in range(workers)]
        turns = enumerate(range(len(values))[::step])
        loaded = {index: copies[turn % workers][index] for turn, index in turns}
        return [loaded[index] for index in range(len(values))]

    data = Noisy(values, 3)
    alone, others = load(data, 0), {}
    for value in alone:
        kind = type(value).__name__
        assert isinstance(value, float), f"an example is a {kind}, where a number was asked for"
    noise = np.subtract(alone, values)
    for workers in (1, 2, 3):
        loaded = np.subtract(load(data, 0, workers), values)
        different, some = len(np.unique(loaded.round(9))), f"workers: {workers}"
        found = f"{some}; different noises for {len(values)} examples: {different}"
        assert different == len(values), found
        changed = (np.abs(loaded - noise) > 1e-9).sum()
        assert changed == 0, f"{some}; {changed} examples have other noise than in the first pass"
    changed = (np.abs(np.subtract(load(data, 0, step=-1), values) - noise) > 1e-9).sum()
    assert changed == 0, f"in another order {changed} examples have other noise"
    for seed, epoch in ((3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (2, 2)):
        own = {*np.subtract(load(Noisy(values, seed), epoch), values).round(9)}
        for name, other in others.items():
            shared = f"{len(own & other)} noises of {name} are back in seed {seed}, epoch {epoch}"
            assert not own & other, shared
        others[f"seed {seed}, epoch {epoch}"] = own
    mean, spread = noise.mean(), noise.std()
    assert 0.09 < spread < 0.11, f"the standard deviation of the noise is {spread:.3f}, not 0.1"
    assert abs(mean) < 0.02, f"the noise has the mean {mean:.3f}, where it should be near 0"


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
    run_check("09_same_noise", check)
