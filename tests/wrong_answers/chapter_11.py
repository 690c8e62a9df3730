"""Wrong answers to the exercises of chapter 11: what to replace in the solution, and by what."""

CLONED = "{name: value.clone() for name, value in model.state_dict().items()}"
LOAD = "    model.load_state_dict(best)\n"
OPTIMIZER = '    optimizer.load_state_dict(saved["optimizer"])\n'
SCHEDULER = "    scheduler = LinearLR(optimizer, 0.1, total_iters=20)\n"
RATE = '    optimizer.param_groups[0]["lr"] = scheduler.get_last_lr()[0]\n'
FALLEN = "min((self.count - self.n_rise) / self.n_fall, 1)"

WRONG = {
    "11_best_moves": [
        (CLONED, "model.state_dict().copy()"),
        (CLONED, "dict(model.state_dict())"),
        (CLONED, "{name: value.cpu() for name, value in model.state_dict().items()}"),
        (CLONED, "{name: value.detach() for name, value in model.state_dict().items()}"),
        (
            CLONED,
            "{name: value.clone() for name, value in model.named_parameters()}",
            "load_state_dict(best)",
            "load_state_dict(best, strict=False)",
        ),
        ("load_state_dict(best)", "load_state_dict(best, assign=True)"),
        (LOAD, ""),
        ("if loss < best_loss", "if loss > -best_loss"),
        (LOAD, "    model = best\n"),
        ("return best_loss", "return best"),
        (
            LOAD,
            "    while validate() > best_loss:\n        train()\n        if loss == 0:\n"
            "            break\n        loss = 0\n",
        ),
    ],
    "11_cold_start": [
        (OPTIMIZER, ""),
        (OPTIMIZER, RATE),
        (OPTIMIZER, "", SCHEDULER, OPTIMIZER + SCHEDULER),
        ('    scheduler.load_state_dict(saved["scheduler"])\n', ""),
        (SCHEDULER, "    scheduler = LinearLR(optimizer, 1.0, total_iters=20)\n", OPTIMIZER, ""),
        (OPTIMIZER, OPTIMIZER + RATE.replace("scheduler.get_last_lr()[0]", "0.1")),
        ('    model.load_state_dict(saved["model"])\n', ""),
        ("    return model, optimizer, scheduler\n", "    return tuple(saved)\n"),
        ("    return model, optimizer, scheduler\n", "    return saved\n"),
        (OPTIMIZER, f"{OPTIMIZER}    optimizer.state.clear()\n"),
    ],
    "11_warm_up": [
        (FALLEN, "(self.count - self.n_rise) / self.n_fall"),
        (FALLEN, "min(self.count / self.n_fall, 1)"),
        (FALLEN, "min((self.count - self.n_rise - 1) / self.n_fall, 1)"),
        (FALLEN, "min((self.count - self.n_rise) / (self.n_fall + self.n_rise), 1)"),
        (FALLEN, "min((self.count - 4) / 6, 1)"),
        ("        self.count += 1\n", ""),
        ("top * factor", 'group["lr"] * factor'),
        ("top * factor", "self.tops[0] * factor"),
        ("(1 + math.cos(math.pi * fallen)) / 2", "1 - fallen"),
        ("(1 + math.cos(math.pi * fallen)) / 2", "math.cos(math.pi / 2 * fallen)"),
        ("factor = self.count / self.n_rise", "factor = (self.count - 1) / self.n_rise"),
        ("top * factor", "torch.tensor(top * factor)"),
    ],
}
