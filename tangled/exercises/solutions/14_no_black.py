"""14_no_black: mend an autoencoder that cannot make a black pixel.

halves(widths) returns an encoder that goes through these widths, and a decoder that goes back, each
a Sequential of Linear layers: with widths of 784, 128 and 32 from 784 to 128 to 32, and from 32 to
128 to 784. ReLU stands between two layers of a half. The code may take any value, and each pixel
lies between 0 and 1, by a sigmoid. But no pixel of the output is ever below 0.5.
"""

from itertools import pairwise

import torch
from torch import nn


def halves(widths: list[int]) -> tuple[nn.Sequential, nn.Sequential]:
    """Return an encoder through these widths, and a decoder that goes back."""
    encoder, decoder = [], []
    for wide, narrow in pairwise(widths):
        encoder += [nn.Linear(wide, narrow), nn.ReLU()]
    for narrow, wide in pairwise(reversed(widths)):
        decoder += [nn.Linear(narrow, wide), nn.ReLU()]
    return nn.Sequential(*encoder[:-1]), nn.Sequential(*decoder[:-1], nn.Sigmoid())


# --- The check. Leave the rest as it is.
def check() -> None:
    """Send noise through networks of one, two and three layers a half, and follow it by hand."""
    torch.manual_seed(1)
    for widths in ([36, 20, 8], [36, 6], [25, 18, 12, 5]):
        made, images = halves([*widths]), torch.rand(200, widths[0])
        pair = isinstance(made, tuple) and [type(half) for half in made] == [nn.Sequential] * 2
        assert pair, "halves should return two Sequentials, an encoder and a decoder"
        found, steps = [], [*pairwise(widths), *pairwise(widths[::-1])]
        layers = [[part for part in half.modules() if isinstance(part, nn.Linear)] for half in made]
        for layer in layers[0] + layers[1]:
            found.append((layer.in_features, layer.out_features))
        assert found == steps, f"widths {widths}: the layers are {found}"
        with torch.no_grad():
            for parameter in [*made[0].parameters(), *made[1].parameters()]:
                parameter.mul_(4)
            code = made[0](images)
            output, by_hand = made[1](code), []
            for numbers, half in zip((images, code), layers, strict=True):
                numbers = half[0](numbers)
                for layer in half[1:]:
                    numbers = layer(numbers.clamp(min=0))
                by_hand.append(numbers)
        lowest, highest = output.min(), output.max()
        assert lowest < 0.5, f"widths {widths}: no pixel is darker than {lowest:.3f}"
        inside = lowest >= 0 and highest <= 1
        assert inside, f"widths {widths}: pixels from {lowest:.3f} to {highest:.3f}"
        assert code.min() < 0, f"widths {widths}: no number of any code is below {code.min():.3f}"
        for name, ours, theirs in (
            ("codes", code, by_hand[0]),
            ("outputs", output, 1 / (1 + torch.exp(-by_hand[1]))),
        ):
            miss = (ours - theirs).abs().max()
            assert miss < 1e-4, f"widths {widths}: {name} are {miss:.3f} off those by hand"


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
    run_check("14_no_black", check)
