"""Wrong answers to the exercises of chapter 3: what to replace in the solution, and by what."""

SLICES = "[order[i : i + batch_size] for i in range(0, n, batch_size)]"
BOTH = "-2 * error.mean(), -2 * (x * error).mean() + 2 * decay * b"
RATE = "2 / (flat + steep)"

WRONG = {
    "03_last_points": [
        ("range(0, n, batch_size)", "range(0, n - batch_size + 1, batch_size)"),
        ("range(0, n, batch_size)", "range(0, n + batch_size, batch_size)"),
        ("range(0, n, batch_size)", "range(0, n + 1, batch_size)"),
        (SLICES, "[order[i::batch_size] for i in range(batch_size)]"),
        (SLICES, "np.array_split(order, -(-n // batch_size))"),
        ("np.random.permutation(n)", "np.arange(n)"),
        ("np.random.permutation(n)", "np.random.randint(0, n, n)"),
    ],
    "03_penalty": [
        ("2 * decay * b", "2 * decay"),
        ("2 * decay * b", "decay * b**2"),
        ("+ 2 * decay * b", "- 2 * decay * b"),
        ("2 * (x * error).mean() + 2 * decay * b", "2 * ((x * error).mean() + 2 * decay * b)"),
        (BOTH, "-2 * error.mean() + 2 * decay * a, -2 * (x * error).mean() + 2 * decay * b"),
        ("error.mean(), -2 * (x * error)", "error.sum(), -2 * (x * error)"),
    ],
    "03_fastest_rate": [
        (RATE, "2 / steep"),
        (RATE, "1 / steep"),
        (RATE, "1 / (flat + steep)"),
        (RATE, "(1 / flat + 1 / steep) / 2"),
        (RATE, "1 / np.sqrt(flat * steep)"),
        ("2 * columns.T @", "columns.T @"),
    ],
}
