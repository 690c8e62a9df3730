"""05_learners: write a function that finds the parameters that a loss will teach.

learners(loss) returns a list of the leaves to which backward would bring a gradient, each once, in
any order; of a loss that requires no gradient it returns an empty list. It does not call backward.
The chapter's ways lead there: grad_fn, next_functions, and variable, which the nodes called
AccumulateGrad have. (A parameter that is itself the loss has no grad_fn, and is its only learner.)
"""

import torch
from torch import Tensor


def learners(loss: Tensor) -> list[Tensor]:
    """Return the leaves behind a loss that require a gradient, each once."""
    if loss.grad_fn is None:
        return [loss] if loss.requires_grad else []
    nodes = [loss.grad_fn]
    for node in nodes:  # which grows meanwhile
        for source, _ in node.next_functions:
            if source is not None and source not in nodes:
                nodes.append(source)
    return [node.variable for node in nodes if hasattr(node, "variable")]


# --- The check. Leave the rest as it is.
def check() -> None:
    """Ask of losses whose parameters are known, and look whether anything was changed."""
    a, b, c, data = (torch.tensor([2.0 + i], requires_grad=i < 3) for i in range(4))
    names = {id(a): "a", id(b): "b", id(c): "c", id(data): "data"}
    deep = a
    for _ in range(11):
        deep = deep + deep
    cases = (
        ("a + b * data", a + b * data, {"a", "b"}),
        ("data * data", data * data, set()),
        ("a * a + a", a * a + a, {"a"}),
        ("(a * b).exp() * c", (a * b).exp() * c, {"a", "b", "c"}),
        ("a.detach() * c", a.detach() * c, {"c"}),
        ("torch.cat([data, c, b])", torch.cat([data, c, b]), {"c", "b"}),
        ("a, doubled eleven times", deep * b, {"a", "b"}),
        ("a itself", a, {"a"}),
    )
    for words, loss, expected in cases:
        found = learners(loss)
        assert isinstance(found, list), f"learners returned a {type(found).__name__}, not a list"
        called = [names.get(id(leaf), "something else") for leaf in found]
        surplus, missing = {*called} - expected, expected - {*called}
        assert not surplus, f"of the loss {words} you found {', '.join(sorted(surplus))}, too"
        assert not missing, f"of the loss {words} you did not find {', '.join(sorted(missing))}"
        count = len(called)
        assert count == len(expected), f"of the loss {words} you found {count}, some twice"
    assert a.grad is None, "backward was called: a has a gradient now"


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
    run_check("05_learners", check)
