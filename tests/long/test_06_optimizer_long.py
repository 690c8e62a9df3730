"""Chapter 6: its script compares each rule by hand with torch's, so a mistake in one is found."""

import ast

import pytest
from torch import optim

from test_06_optimizer import class_text

# A rule, what stands in its text, and what stands there by mistake.
MUTANTS = [
    ("SGD", "gradient = parameter.grad + self", "gradient = parameter.grad - self"),
    ("SGD", "velocity = gradient  #", "velocity = (1 - self.dampening) * gradient  #"),
    ("SGD", "(1 - self.dampening) * gradient", "gradient"),
    ("SGD", "(1 - self.dampening) * gradient", "self.dampening * gradient"),
    ("SGD", "self.momentum * memory", "memory"),
    ("SGD", "gradient + self.momentum * velocity if", "velocity + self.momentum * gradient if"),
    ("SGD", "gradient + self.momentum * velocity if", "self.momentum * velocity if"),
    ("SGD", 'memory["velocity"] = velocity', "pass"),
    ("SGD", 'memory["velocity"] = velocity', 'memory["velocity"] = self.lr * velocity'),
    ("SGD", "-= self.lr", "+= self.lr"),
    ("RMSprop", "(square**0.5 + self.eps)", "(square + self.eps) ** 0.5"),
    ("RMSprop", "(square**0.5 + self.eps)", "square**0.5"),
    ("RMSprop", "(1 - self.alpha) * gradient**2", "gradient**2"),
    ("RMSprop", 'memory["square"] = square\n', "pass\n"),
    ("RMSprop", "square = square - mean**2", "square = square + mean**2"),
    ("RMSprop", "square = square - mean**2", "gradient = gradient - mean"),
    ("RMSprop", "square - mean**2", 'memory["square"] = square - mean**2'),
    ("RMSprop", '"velocity", 0) + step', '"velocity", 0) + gradient'),
    ("RMSprop", "+ self.weight_decay *", "+ 0 *"),
    ("Adam", "mean / (1 - beta1**steps)", "mean"),
    ("Adam", "square / (1 - beta2**steps)", "square"),
    ("Adam", "beta1**steps", "beta1 ** (steps - 1 + 1e-9)"),
    ("Adam", "beta2**steps", "beta1**steps"),
    ("Adam", "(corrected_square**0.5 + self.eps)", "(corrected_square + self.eps) ** 0.5"),
    ("Adam", "corrected_square**0.5 + self.eps", "square**0.5 + self.eps"),
    ("Adam", "(1 - beta1) * gradient", "(1 - beta2) * gradient"),
    ("Adam", "gradient**2", "gradient.__abs__()"),
    ("Adam", "(square > largest)", "(square < largest)"),
    ("Adam", 'square = memory["largest"] = square *', 'memory["largest"] = square *'),
    ("Adam", 'memory.get("largest", 0)', "0"),
    ("Adam", "beta1, beta2 = self.betas", "beta2, beta1 = self.betas"),
    ("AdamW", "weight_decay=0, amsgrad", "weight_decay=weight_decay, amsgrad"),
    ("AdamW", "1 - self.lr * self.decay", "1"),
    ("AdamW", "1 - self.lr * self.decay", "1 - self.decay"),
    ("AdamW", "1 - self.lr * self.decay", "1 - self.lr"),
    ("AdamW", "amsgrad=amsgrad", "amsgrad=False"),
]


def options_of(source, rule):
    """Return the choices of settings that the script compares a rule with."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "compare":
            first, _, *choices = node.args
            if ast.unparse(first) == f"{rule}ByHand":
                return [ast.literal_eval(choice) for choice in choices]
    raise AssertionError(rule)


@pytest.mark.parametrize(("rule", "old", "new"), MUTANTS)
def test_a_mistake_in_a_rule_is_found_by_the_script_s_comparison(chapter, rule, old, new):
    text = class_text(chapter.source, f"{rule}ByHand")
    assert text.count(old) == 1
    names = {name: chapter.names[name] for name in ("OptimizerByHand", "AdamByHand")}
    exec(text.replace(old, new), names)
    wrong = names[f"{rule}ByHand"]
    choices = options_of(chapter.source, rule)
    difference = chapter.names["largest_difference"]
    theirs = getattr(optim, rule)
    # NaN is found, too.
    assert any(not difference(wrong, theirs, **chosen) < 1e-9 for chosen in choices)
