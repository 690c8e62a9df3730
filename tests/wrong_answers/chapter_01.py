"""Wrong answers to the exercises of chapter 1: what to replace in the solution, and by what."""

SEED = "    np.random.seed(seed)\n"
CALL = "mean_label(n) for _ in range(times)"
DRAW = "    return (1 + 0.1 * np.random.randn(n)).mean()"

ROWS = "return np.flatnonzero(~kept_back), np.flatnonzero(kept_back)"

WRONG = {
    "01_same_draw": [
        (SEED, ""),
        (SEED, "    np.random.seed(1)\n"),
        (DRAW, f"    np.random.seed()\n{DRAW}"),
        (CALL, "np.random.seed(seed + i) or mean_label(n) for i in range(times)"),
        (CALL, "mean_label(times) for _ in range(times)"),
        ("np.array([mean_label(n) for _ in range(times)])", "mean_label(times * n)"),
    ],
    "01_twins": [
        ("    np.random.shuffle(things)\n", ""),
        ("    things = np.unique(ids)\n", "    things = ids.copy()\n"),
        ("things = np.unique(ids)", "things = np.sort(ids)"),
        (
            "    return np.flatnonzero(~kept_back)",
            "    kept_back[np.random.rand(len(ids)) < 0.1] ^= True\n"
            "    return np.flatnonzero(~kept_back)",
        ),
        ("np.flatnonzero(~kept_back)", "np.setdiff1d(np.arange(len(ids)), things)"),
        (ROWS, "return ids[~kept_back], ids[kept_back]"),
    ],
}
