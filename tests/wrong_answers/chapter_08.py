"""Wrong answers to the exercises of chapter 8: what to replace in the solution, and by what."""

NOTE = "    training = model.training\n"
RESTORE = "    model.train(training)\n"
MEASURE = "    loss = nn.MSELoss()(model(x), y).item()\n"
MODULE_LIST = "self.middle = nn.ModuleList()"
ADD = "self.middle += [nn.Linear(width, width), nn.Tanh(), nn.Dropout(0.2)]"
LOOP = f"        for _ in range(depth):\n            {ADD}\n"
LAST = "        self.last = nn.Linear(width, 1)\n"
MORE_PARAMETERS = """
    def parameters(self) -> list:
        hidden = [one for layer in self.middle for one in layer.parameters()]
        return [*super().parameters(), *hidden]
"""
FROM_THE_LIST = """        hidden = [one for layer in self.middle for one in layer.parameters()]
        self.hidden = nn.ParameterList(hidden)
"""
SPARE = """        spare = [nn.Linear(width, width) for _ in range(depth)]
        self.spare = nn.ModuleList(spare)
"""
MEAN = 'self.register_buffer("mean", features.mean(dim=0))'
STD = 'self.register_buffer("std", features.std(dim=0))'
PLAIN_MEAN, PLAIN_STD = "self.mean = features.mean(dim=0)", "self.std = features.std(dim=0)"
FORMULA = "(x - self.mean) / self.std"
SENT = "(x - self.mean.to(x)) / self.std.to(x)"
OWN_TO = """
    def to(self, target: object) -> "Standardised":
        self.mean, self.std = self.mean.to(target), self.std.to(target)
        return super().to(target)

    def forward("""

WRONG = {
    "08_mode": [
        (RESTORE, ""),
        (RESTORE, "    model.train()\n"),
        (RESTORE, "    model.training = training\n"),
        ("    model.eval()\n", "    model.training = False\n"),
        ("    model.eval()\n", "    torch.manual_seed(0)\n"),
        (f"    model.eval()\n{MEASURE}", f"{MEASURE}    model.eval()\n"),
        (f"{NOTE}    model.eval()\n", f"    model.eval()\n{NOTE}"),
        ("@torch.no_grad()\n", ""),
        ("model(x), y).item()", "model(x), y)"),
    ],
    "08_list": [
        (MODULE_LIST, "self.middle = []", LAST, LAST + MORE_PARAMETERS),
        (MODULE_LIST, "self.middle = []", LAST, LAST + FROM_THE_LIST),
        (MODULE_LIST, "self.middle = ()", ADD, ADD.replace("[", "(").replace("]", ")")),
        (LOOP, f"        {ADD} * depth\n"),
        (LOOP, LOOP + "        self.middle = list(self.middle)\n"),
        (MODULE_LIST, "self.middle = []", LAST, f"{LAST}        nn.ModuleList(self.middle)\n"),
        (MODULE_LIST, "self.middle = []", LAST, LAST + SPARE),
        ("            x = layer(x)", "            layer(x)"),
        (", nn.Dropout(0.2)]", "]"),
        ("        return self.last(x)", "        self.last(x)"),
    ],
    "08_left_on_cpu": [
        (MEAN, PLAIN_MEAN),
        (STD, PLAIN_STD),
        (MEAN, PLAIN_MEAN, STD, PLAIN_STD, FORMULA, SENT),
        (MEAN, PLAIN_MEAN, STD, PLAIN_STD, "\n    def forward(", OWN_TO),
        (MEAN, "self.mean = nn.Parameter(features.mean(dim=0))"),
        (MEAN, "self.mean = nn.Parameter(features.mean(dim=0), requires_grad=False)"),
        (MEAN, MEAN.replace("))", "), persistent=False)")),
        (FORMULA, "(x - x.mean(dim=0)) / x.std(dim=0)"),
        (FORMULA, "x - self.mean / self.std"),
    ],
}
