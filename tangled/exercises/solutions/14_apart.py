"""14_apart: mend an autoencoder whose halves do not fit when they are used apart.

Scaled takes an encoder and a decoder that were trained on scaled pixels, and the mean and the std
that the scaling needs. encode turns images with pixels in [0, 1] into codes, decode turns codes
into such images, and model(images) does both. What model(images) returns is right and should stay.
But decode(encode(images)) returns something else, with pixels far below 0.
"""

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    """An autoencoder for pixels in [0, 1], around halves that know scaled pixels only."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.mean, self.std = mean, std

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of images."""
        return self.encoder((images - self.mean) / self.std)

    def decode(self, code: Tensor) -> Tensor:
        """Return the images of codes."""
        return self.decoder(code) * self.std + self.mean

    def forward(self, images: Tensor) -> Tensor:
        """Return images as they are rebuilt from their codes."""
        return self.decode(self.encode(images))


# --- The check. Leave the rest as it is.
def check() -> None:
    """Use halves that lose something, and others that do not, together and apart."""
    torch.manual_seed(1)
    images, codes = (torch.rand(50, 9) > 0.7).float(), torch.randn(20, 4)
    for mean, std in ((0.3, 0.45), (0.13, 0.31), (0.8, 0.2)):
        for kind in ("drawn by chance", "that lose nothing"):
            halves = nn.Identity(), nn.Identity()
            if kind == "drawn by chance":
                halves = nn.Sequential(nn.Linear(9, 4), nn.Tanh()), nn.Linear(4, 9)
            model = Scaled(*halves, mean, std)
            by_hand = halves[0]((images - mean) / std)
            given = codes if kind == "drawn by chance" else by_hand
            for name, ours, should in (
                ("model(images)", model(images), halves[1](by_hand) * std + mean),
                ("decode(encode(images))", model.decode(model.encode(images)), model(images)),
                ("encode(images)", model.encode(images), by_hand),
                ("decode(code)", model.decode(given), halves[1](given) * std + mean),
            ):
                where, found = f"halves {kind}: {name}", type(ours).__name__
                assert isinstance(ours, Tensor), f"{where} is a {found} and no tensor"
                same = ours.shape == should.shape
                assert same, f"{where} has the shape {tuple(ours.shape)}, not {tuple(should.shape)}"
                ends = f"{ours.min():.2f} to {ours.max():.2f}"
                right = f"{should.min():.2f} to {should.max():.2f}"
                miss = (ours - should).abs().max()
                assert miss < 1e-4, f"{where}: {ends}, where {right} is right; {miss:.2f} off"


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
    run_check("14_apart", check)
