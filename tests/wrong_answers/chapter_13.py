"""Wrong answers to the exercises of chapter 13: what to replace in the solution, and by what."""

DRAWN = "np.exp(generator.uniform(np.log(low), np.log(high), n))"
Z = "gain / std.clamp(min=1e-12)"
GAIN = "gain * torch.special.ndtr(z) + std * density"
START = "{name: value.clone() for name, value in model.state_dict().items()}"
LOAD = "        model.load_state_dict(start)\n        optimizer"
LOOP = "    for rate in rates:\n"
MAKE = "        optimizer = optim.SGD(model.parameters(), lr=rate, momentum=0.5)\n"
ONE = "    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)\n"
ANEW = "        optimizer.param_groups[0]['lr'] = rate\n"
PUT_BACK = "    model.load_state_dict(start)\n    return"

WRONG = {
    "13_log_uniform": [
        (DRAWN, "np.exp(generator.uniform(np.log10(low), np.log10(high), n))"),
        (DRAWN, "10 ** generator.uniform(low, high, n)"),
        (DRAWN, "10 ** generator.uniform(-4, np.log10(0.5), n)"),
        (DRAWN, "np.log(generator.uniform(np.exp(low), np.exp(high), n))"),
        (DRAWN, "low + (high - low) * generator.random(n) ** 4"),
        (DRAWN, "1 / generator.uniform(1 / high, 1 / low, n)"),
        (DRAWN, "np.geomspace(low, high, n)"),
        (DRAWN, "generator.permutation(np.geomspace(low, high, n))"),
        (DRAWN, "generator.choice(np.geomspace(low, high, 20000), n, replace=False)"),
        (DRAWN, "np.exp(np.random.uniform(np.log(low), np.log(high), n))"),
        (DRAWN, "np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), n))"),
        ("np.log(high), n))", "np.log(high)))"),
        (DRAWN, f"list({DRAWN})"),
    ],
    "13_improvement": [
        ("mean - best", "best - mean"),
        (GAIN, f"-({GAIN})"),
        (GAIN, "gain * torch.special.ndtr(z) + density"),
        (GAIN, "gain * torch.special.ndtr(z) - std * density"),
        (GAIN, "gain.clamp(min=0)"),
        (GAIN, "torch.special.ndtr(z)"),
        (GAIN, "gain + std"),
        (Z, "gain / std"),
        (Z, "gain / (std + 0.01)"),
        (Z, "gain / std.clamp(min=1e-12) ** 2"),
        ("z**2) / 2", "z**2)"),
        (" / (2 * torch.pi) ** 0.5", ""),
        (GAIN, f"torch.where(std > 0, {GAIN}, 0)"),
        (GAIN, f"({GAIN}).max()"),
        (GAIN, f"({GAIN}).tolist()"),
    ],
    "13_shared_model": [
        (START, "model.state_dict()"),
        (START, "dict(model.state_dict())"),
        (START, "model.state_dict().copy()"),
        (START, "{name: value.detach() for name, value in model.state_dict().items()}"),
        (LOAD, "        optimizer"),
        (PUT_BACK, "    return"),
        (LOAD, "        model[0].reset_parameters()\n        optimizer"),
        (
            f"{LOOP}        model.load_state_dict(start)\n",
            f"    model.load_state_dict(start)\n{LOOP}",
        ),
        (LOOP, f"{ONE}{LOOP}", MAKE, ANEW),
        (".item())\n", ")\n"),
        ("model(val[0]), val[1]", "model(train[0]), train[1]"),
        ("return losses", "return min(losses)"),
    ],
}
