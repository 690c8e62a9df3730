"""Wrong answers to the exercises of chapter 12: what to replace in the solution, and by what."""

WEIGHTED = "(mse_loss(model(x), y) * len(x) * len(models) / rows)"
DIVIDED = "sum(parameter.grad for parameter in parameters) / len(models)"
SEED = "generator = torch.Generator().manual_seed(seed + epoch)"
DRAWN = "torch.randperm(n, generator=generator)"
PADDED = "(order * size)[: each * size]"
ADDED = "self.pieces[coming] + piece if adding else piece"
LEAVING = "self.pieces[(self.rank + step) % self.size]"
COMING = "(self.rank + step + 1) % self.size"

WRONG = {
    "12_uneven": [
        (WEIGHTED, "mse_loss(model(x), y)"),
        (WEIGHTED, "(mse_loss(model(x), y) * len(x) / rows)"),
        (WEIGHTED, 'mse_loss(model(x), y, reduction="sum")', "/ len(models)\n", "/ rows\n"),
        (WEIGHTED, 'mse_loss(model(x), y, reduction="sum")'),
        (WEIGHTED, "(mse_loss(model(x), y) * len(x) / 50)"),
        (WEIGHTED, "(mse_loss(model(x), y) * rows / max(len(x), 1) / len(models))"),
        (DIVIDED, DIVIDED.removesuffix(" / len(models)")),
        ("average.clone()", "average"),
        ("        model.zero_grad()\n", ""),
        ("parameter.grad = average.clone()", "parameter.data -= average"),
        (
            "(x, y) in zip(models, shards, strict=True):\n",
            "(x, y) in zip(models, shards, strict=True):\n"
            "        x, y = x[: rows // len(models)], y[: rows // len(models)]\n",
        ),
    ],
    "12_shares": [
        ("seed + epoch", "seed"),
        ("seed + epoch", "seed + epoch + rank"),
        ("seed + epoch", "epoch * size + rank"),
        ("seed + epoch", "epoch"),
        ("seed + epoch", "seed * epoch"),
        (SEED, "torch.manual_seed(seed + epoch)", DRAWN, "torch.randperm(n)"),
        (DRAWN, "torch.randperm(n)"),
        (DRAWN, "torch.arange(n)"),
        (PADDED, "order"),
        (PADDED, "order[: n // size * size]"),
        (
            SEED,
            "generator = torch.Generator().manual_seed(epoch + rank)",
            "order = torch.randperm(n, generator=generator).tolist()",
            "mine = list(range(n))[rank::size]\n"
            "    order = [mine[i] for i in torch.randperm(len(mine), generator=generator)]",
            PADDED,
            "order * 2",
            "dealt[rank::size]",
            "dealt[: math.ceil(n / size)]",
        ),
        ("dealt[rank::size]", "dealt[rank * size : (rank + 1) * size]"),
        ("dealt[rank::size]", "dealt"),
        ("dealt[rank::size]", "torch.tensor(dealt[rank::size])"),
    ],
    "12_ring": [
        (LEAVING, LEAVING.replace("+", "-"), COMING, "(self.rank - step - 1) % self.size"),
        (LEAVING, LEAVING.replace("+", "-")),
        (COMING, "(self.rank + step) % self.size"),
        (COMING, "(self.rank + step - 1) % self.size"),
        (LEAVING, "self.pieces[self.rank]"),
        (ADDED, "self.pieces[coming] + piece"),
        (ADDED, "piece"),
        ("step < self.size - 1", "step < self.size"),
        ("step < self.size - 1", "step < self.size - 2"),
        ("step < self.size - 1", "step < 1"),
        (LEAVING, "torch.cat(self.pieces)"),
        (LEAVING, "self.pieces"),
        (LEAVING, "self.rank + step"),
    ],
}
