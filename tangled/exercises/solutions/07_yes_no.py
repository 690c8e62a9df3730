"""07_yes_no: write the loss for a yes or a no by hand, for logits of any size.

A logit z gives yes the probability p = 1 / (1 + exp(-z)), as the softmax of 0 for no and z for yes
does. The loss is -log p where the target is 1.0 and -log(1 - p) where it is 0.0. yes_no(logits,
targets) takes two tensors of the same shape and returns the mean loss, a tensor of the shape (),
without PyTorch's losses. Its slopes must be right, too: for large logits, and for a logit of 0.
"""

import torch
from torch import Tensor, nn


def yes_no(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of logits whose targets are 1.0, for yes, or 0.0, for no."""
    largest = logits.clamp(min=0)
    log_sum = largest + ((0 - largest).exp() + (logits - largest).exp()).log()
    return (log_sum - targets * logits).mean()


# --- The check. Leave the rest as it is.
def check() -> None:
    """Compare losses and slopes with PyTorch's, for single logits and for a table of them."""
    torch.manual_seed(2)
    cases = [([z], [y]) for z in (1.5, -0.7, 20, 1000, -1000, 0) for y in (0, 1)]
    cases += [(3 * torch.randn(4, 3), torch.randint(2, (4, 3))), ([-900, 0, 900], [1, 1, 0])]
    for numbers, answers in cases:
        logits = torch.as_tensor(numbers, dtype=torch.float32).requires_grad_()
        targets = torch.as_tensor(answers, dtype=torch.float32)
        where = f"{logits.numel()} logits of the shape {tuple(logits.shape)}"
        if logits.numel() == 1:
            where = f"logit {numbers[0]}, target {answers[0]}"
        loss = yes_no(logits, targets.clone())
        assert isinstance(loss, Tensor), f"yes_no returned a {type(loss).__name__}, not a tensor"
        assert loss.shape == (), f"{where}: the loss has the shape {tuple(loss.shape)}, not ()"
        right = nn.BCEWithLogitsLoss()(logits, targets)
        message = f"the loss is {loss.item():z.5g}, where it should be {right.item():z.5g}"
        assert abs(loss.item() - right.item()) < 1e-4, f"{where}: {message}"
        assert loss.requires_grad, f"{where}: the loss has no graph, so no slope either"
        slopes = torch.autograd.grad(loss, logits, allow_unused=True)[0]
        assert slopes is not None, f"{where}: the graph of the loss does not lead to the logits"
        should = torch.autograd.grad(right, logits)[0].flatten()
        for i, slope in enumerate(slopes.flatten().tolist()):
            message = f"a slope is {slope:z.4f}, where it should be {should[i].item():z.4f}"
            assert abs(slope - should[i]) < 1e-4, f"{where}: {message}"


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
    run_check("07_yes_no", check)
