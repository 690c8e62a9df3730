"""Wrong answers to the exercises of chapter 10: what to replace in the solution, and by what."""

NO_GRAD = """    with torch.no_grad():
        for x, _ in loader:
            batches.append(model(x))
"""
LOOP = """    for x, _ in loader:
        batches.append({})
"""
ONE = LOOP.format("model(x)")
CAT = "    return torch.cat(batches)\n"
SUM = """        total += nn.functional.mse_loss(model(x), y, reduction="sum").item()
"""
MEAN = """        total += nn.functional.mse_loss(model(x), y).item(){}
"""
ROOT = """        total += nn.functional.mse_loss(model(x), y).sqrt().item() * len(x)
"""
COUNT = "        samples += len(x)\n"
END = "(total / samples) ** 0.5"
CHOSEN = "best_columns(x[:n_train], y[:n_train], 5)"
FITTED = "lstsq(table[:n_train], y[:n_train])"
ERROR = "return ((table[n_train:] @ line - y[n_train:]) ** 2).mean().item()"
COPY = "{name: tensor.clone() for name, tensor in model.state_dict().items()}"
LOAD = "    model.load_state_dict(state)\n"
WAIT = "        elif epoch - best == patience:\n"
PARAMETERS = "{name: one.detach().clone() for name, one in model.named_parameters()}"

WRONG = {
    "10_graph_kept": [
        (NO_GRAD + CAT, ONE + CAT.replace("cat(batches)", "cat(batches).detach()")),
        (NO_GRAD, LOOP.format("model(x).detach()")),
        (NO_GRAD + CAT, ONE + "    with torch.no_grad():\n        return torch.cat(batches)\n"),
        (NO_GRAD, f"    torch.set_grad_enabled(False)\n{ONE}"),
        (NO_GRAD, f"    torch.set_grad_enabled(False)\n{ONE}    torch.set_grad_enabled(True)\n"),
        (NO_GRAD, f"    model.requires_grad_(False)\n{ONE}"),
        ("    model.eval()\n", ""),
        ("    model.eval()\n", "    model.train()\n"),
        (CAT, "    return torch.cat(batches).numpy()\n"),
        (CAT, "    return batches\n"),
        (CAT, "    return batches[-1]\n"),
    ],
    "10_uneven": [
        (SUM, ROOT, END, "total / samples"),
        (SUM, MEAN.format(""), COUNT, "        samples += 1\n"),
        (SUM, MEAN.format(""), END, "(total / len(loader)) ** 0.5"),
        (SUM, MEAN.format(" * loader.batch_size")),
        (COUNT, "        samples = len(loader.dataset)\n"),
        (COUNT, "        samples += loader.batch_size\n"),
        (END, "total / samples"),
        (END, "torch.tensor(total / samples).sqrt()"),
        (END, "(total / 80) ** 0.5"),
    ],
    "10_peek": [
        (CHOSEN, "best_columns(x[n_train:], y[n_train:], 5)"),
        (CHOSEN, "best_columns(x, torch.cat([y[:n_train], 0 * y[n_train:]]), 5)"),
        (CHOSEN, "torch.arange(5)"),
        (CHOSEN, "best_columns(x, y, 5)", FITTED, "lstsq(table, y)"),
        (FITTED, "lstsq(table, y)"),
        (CHOSEN, "best_columns(x, y, 5)", ERROR, ERROR.replace("return ", "return 1 + ")),
        (ERROR, "return y[n_train:].var().item()"),
        (ERROR, ERROR.replace("n_train:]", ":n_train]")),
        (ERROR, ERROR.replace(".item()", "")),
    ],
    "10_best": [
        (COPY, "model.state_dict()"),
        (COPY, "dict(model.state_dict())"),
        (COPY, "{name: one.detach() for name, one in model.state_dict().items()}"),
        (COPY, PARAMETERS, LOAD, LOAD.replace("(state)", "(state, strict=False)")),
        (COPY, "__import__('copy').deepcopy(model)", LOAD, "    model = state\n"),
        (LOAD, ""),
        (LOAD, LOAD.replace("(state)", "(state, assign=True)")),
        ("loss < best_loss", "loss <= best_loss"),
        (WAIT, "        elif epoch - best > patience:\n"),
        (WAIT, "        elif epoch == patience:\n"),
        ("        elif epoch - best == patience:\n            break\n", ""),
        (WAIT, "        else:\n"),
        ("return best\n", "return epoch\n"),
        ("return best\n", "return best - 1\n"),
        ("return best\n", "return best_loss\n"),
    ],
}
