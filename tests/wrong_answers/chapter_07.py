"""Wrong answers to the exercises of chapter 7: what to replace in the solution, and by what."""

WRONG = {
    "07_shape": [
        ("y = y.view(-1, 1)", "y = y.view(1, -1)"),
        ("y = y.view(-1, 1)", "y = y.flatten()"),
        ("y = y.view(-1, 1)", "y = y.expand(len(x), len(y))"),
    ],
}
