"""14_pca: write PCA, there and back.

rebuilt(train, images, k) takes training images and other images, a row of pixels for each, squeezes
the other images into k numbers each and returns what can be rebuilt from those, in the shape of
images. Both ways are the best linear ones for the training images. With their mean taken off,
torch.linalg.svd(centred, full_matrices=False) returns U, S and Vh for them. Each row of Vh is a
direction among the pixels, of length 1. They vary most along the first, and less and less after.
"""

import torch
from torch import Tensor


def rebuilt(train: Tensor, images: Tensor, k: int) -> Tensor:
    """Return images as they are rebuilt from k numbers each, by PCA of the training images."""
    mean = train.mean(dim=0)
    directions = torch.linalg.svd(train - mean, full_matrices=False)[2][:k]
    code = (images - mean) @ directions.t()
    return mean + code @ directions


# --- The check. Leave the rest as it is.
def check() -> None:
    """Rebuild images of bars, and compare with the eigenvectors of the covariance."""
    torch.manual_seed(1)
    bars = torch.eye(6).repeat_interleave(6, dim=0).t()  # an image of 6 by 6 for each row
    for n, k in ((80, 3), (80, 1), (8, 2)):
        train, new = (
            (torch.rand(rows, 6) * torch.arange(1, 7) / 6) @ bars + 0.1 * torch.rand(rows, 36)
            for rows in (n, 5)
        )
        middle = train.mean(dim=0)
        ways = torch.linalg.eigh((train - middle).t() @ (train - middle))[1][:, -k:]
        for kind, images in (("train", train), ("new", new), ("new", new[:1])):
            given, where = images.clone(), f"{n} to train, k {k}, {len(images)} {kind}"
            result = rebuilt(train, images, k)
            name = type(result).__name__
            assert isinstance(result, Tensor), f"rebuilt returned a {name}, where a tensor was due"
            found = tuple(result.shape)
            assert found == (*images.shape,), f"images of {(*images.shape,)} came back as {found}"
            assert torch.equal(images, given), f"{where}: the images that were given have changed"
            best = middle + (images - middle) @ ways @ ways.t()
            ours, should = ((result - images) ** 2).mean(), ((best - images) ** 2).mean()
            miss = (result - best).abs().max()
            error = f"{where}: an MSE of {ours:.4f}, where PCA has {should:.4f}"
            assert miss < 1e-3, f"{error}; a pixel is {miss:.3f} off"


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
    run_check("14_pca", check)
