"""Wrong answers to the exercises of chapter 4: what to replace in the solution, and by what."""

CLEAR_B = """
            b.grad.zero_()"""
STEP = """
        with torch.no_grad():"""
CLEAR_TOO_EARLY = """
        a.grad.zero_()
        b.grad.zero_()"""

CLEAR_ALL = """
    for value in values_behind(result):
        value.grad = 0"""

WRONG = {
    "04_forgotten_zero": [
        (CLEAR_B, ""),
        (STEP, CLEAR_TOO_EARLY + STEP),
        ("a.grad.zero_()", "a.grad.detach_()", "b.grad.zero_()", "b.grad.detach_()"),
        ("a.grad.zero_()", "a.grad *= 0.5", "b.grad.zero_()", "b.grad *= 0.5"),
    ],
    "04_unmoved": [
        ("        line.grad = None\n", ""),
        (
            "        with torch.no_grad():\n            line -=",
            "        if True:\n            line -=",
        ),
        ("line -= 0.1 * line.grad", "line = (line - 0.1 * line.grad).requires_grad_()"),
        ("line -= 0.1 * line.grad", "line.copy_(line.detach().clone() - 0.1)"),
        ("line -= 0.1 * line.grad", "line[:] = -0.1 * line.grad"),
        ("        line.grad = None", "        line.requires_grad_(False)"),
        ("        line.grad = None", "        line.grad = line.grad / 2"),
        ("        line.grad = None", "    line.grad = None"),
    ],
    "04_overwritten": [
        (CLEAR_ALL, ""),
        ("value.grad = 0", "value.grad = value.grad or 0"),
        ("        value.grad = 0\n    result.grad = 1", "        value.grad = 1"),
        ("source.grad +=", "source.grad ="),
        (
            "    for value in reversed(values_behind(result)):",
            "    for value in values_behind(result):",
        ),
        ("source.grad += derivative * value.grad", "source.grad += derivative"),
        ("    result.grad = 1\n", ""),
        ("source.grad += derivative * value.grad", "backward(source)"),
    ],
}
