"""Wrong answers to the exercises of chapter 6: what to replace in the solution, and by what."""

MAKE = """        line = torch.tensor(start, requires_grad=True)
        optimizer = optim.SGD([line], lr=0.05, momentum=0.9)
"""
LOOP = """    result = []
    for start in starts:
"""
BEFORE = """    line = torch.zeros(2, requires_grad=True)
    optimizer = optim.SGD([line], lr=0.05, momentum=0.9)
"""
IN_PLACE = """        with torch.no_grad():
            line.copy_(torch.tensor(start))
"""
SWAPPED = """        optimizer = optim.SGD([line], lr=0.05, momentum=0.9)
        line = torch.tensor(start, requires_grad=True)
"""
FIRST = "line = torch.tensor(starts[0], requires_grad=True)"
CORRECTED = "mean / (1 - 0.9**steps), square / (1 - 0.999**steps)"
KEPT = "mean = corrected_mean\n        square = corrected_square"
CLONE = "parameter.grad.clone()"
PICK = "            if i in self.velocities:"

WRONG = {
    "06_left_behind": [
        (f"{LOOP}{MAKE}", f"{BEFORE}{LOOP}{IN_PLACE}"),
        (f"{LOOP}{MAKE}", f"    {FIRST}\n{LOOP}{SWAPPED}"),
        ("optim.SGD([line]", "optim.SGD([line.clone()]"),
        ("optim.SGD([line]", "optim.SGD([line.detach().clone().requires_grad_()]"),
        ("            optimizer.zero_grad()\n", ""),
        ("result.append(line.tolist())", "result.append(line)"),
        (", momentum=0.9)", ")"),
    ],
    "06_first_step": [
        (CORRECTED, "mean / (1 - 0.9**steps), square"),
        (CORRECTED, "mean, square / (1 - 0.999**steps)"),
        (CORRECTED, "mean / (1 - 0.9**steps), square / (1 - 0.9**steps)"),
        (CORRECTED, "mean / (1 - 0.9), square / (1 - 0.999)"),
        (CORRECTED, "mean / 0.1, square / 0.001"),
        ("        place -=", f"        {KEPT}\n        place -="),
        ("start=1):\n        mean", "start=0):\n        mean"),
        ("(corrected_square**0.5 + 1e-8)", "(corrected_square + 1e-8) ** 0.5"),
    ],
    "06_velocity": [
        (CLONE, "parameter.grad.detach()"),
        (CLONE, "parameter.grad.data"),
        (CLONE, "parameter.grad.clone().mul_(1 - self.momentum)"),
        (CLONE, "torch.zeros_like(parameter)"),
        (PICK, "            if False:"),
        (".mul_(self.momentum).add_(", ".add_("),
        (".add_(parameter.grad)", ".add_(parameter.grad, alpha=1 - self.momentum)"),
    ],
}
