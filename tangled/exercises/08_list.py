"""08_list: mend a network whose middle layers do not learn.

Deep(width, depth) has a first layer, in the middle depth layers of that width, each followed by
tanh and dropout, and a last layer. It should be a module like any other: all its layers learn,
are saved and loaded, are cast by to, and follow train and eval. It runs, and its loss falls. But
the middle never learns, and with a depth of 3 the state dict has 4 entries where 10 should be.
"""

import torch
from torch import Tensor, nn


class Deep(nn.Module):
    """Two features, a number of layers of the same width, one output."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        self.middle = []
        for _ in range(depth):
            self.middle += [nn.Linear(width, width), nn.Tanh(), nn.Dropout(0.2)]
        self.last = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map the shape (rows, 2) to (rows, 1)."""
        x = self.first(x)
        for layer in self.middle:
            x = layer(x)
        return self.last(x)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Count the parameters of networks, then train, switch, save, load and cast them."""
    torch.manual_seed(8)
    x = torch.randn(30, 2)
    for width, depth in ((4, 3), (6, 1), (5, 4)):
        net, where = Deep(width, depth), f"width {width}, depth {depth}"
        found = sum(parameter.numel() for parameter in net.parameters())
        should = 3 * width + depth * width * (width + 1) + width + 1
        problem = f"parameters() finds {found} numbers to learn, where there should be {should}"
        assert found == should, f"{where}: {problem}"
        entries = len(net.state_dict())
        expected = 2 * (depth + 2)
        problem = f"the state dict has {entries} entries, where {expected} should be"
        assert entries == expected, f"{where}: {problem}"
        y = net(x)
        assert isinstance(y, Tensor), f"the network returns a {type(y).__name__}, not a tensor"
        assert y.shape == (30, 1), f"for 30 rows the output has the shape {tuple(y.shape)}"
        differ = not torch.equal(net(x), net(x))
        assert differ, f"{where}: in training mode no dropout is at work"
        net(x).sum().backward()
        idle = sum(one.grad is None or not one.grad.any() for one in net.parameters())
        assert idle == 0, f"{where}: backward gives {idle} of {expected} parameters no gradient"
        net.eval()
        apart = (net(x) - net(x)).abs().max().item()
        assert apart == 0, f"{where}: after eval() two calls differ by up to {apart:.2g}"
        twin = Deep(width, depth).eval()
        twin.load_state_dict(net.state_dict())
        apart = (net(x) - twin(x)).abs().max().item()
        assert apart == 0, f"{where}: a network that loads the state dict is {apart:.2g} off"
        kind = net.to(torch.float64)(x.double()).dtype
        assert kind == torch.float64, f"{where}: cast to 64 bits, it returns {kind}"


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
    run_check("08_list", check)
