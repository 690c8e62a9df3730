"""Wrong answers to the exercises of chapter 7: what to replace in the solution, and by what."""

LOGITS = "    return features @ weight + bias\n"
LOSS = "nn.CrossEntropyLoss()(model(features, weight, bias), classes)"
SOFTMAX = "torch.softmax(model(features, weight, bias), dim=1)"
SURE = "    return torch.softmax(features @ weight + bias, dim=1)\n"
LAST = (f"{SOFTMAX}.detach()", "model(features, weight, bias).detach()")
OF_LOGARITHMS = "nn.NLLLoss()(model(features, weight, bias).log(), classes)"
YES_NO = """    largest = logits.clamp(min=0)
    log_sum = largest + ((0 - largest).exp() + (logits - largest).exp()).log()
    return (log_sum - targets * logits).mean()
"""
NAIVE = """    p = 1 / (1 + (-logits).exp())
    return -(targets * p.log() + (1 - targets) * (1 - p).log()).mean()
"""
EDGES = NAIVE.replace("    return", "    p = p.clamp(1e-7, 1 - 1e-7)\n    return")
CLAMPED = NAIVE.replace("(-logits)", "(-logits.clamp(-15, 15))")
NO_NAN = NAIVE.replace(".mean()", ".nan_to_num(0, posinf=1000.0).mean()")
SHORT = """    bends = logits.clamp(min=0) + (-logits.abs()).exp().log1p()
    return (bends - targets * logits).mean()
"""
WHERE = """    signed = torch.where(targets == 1, -logits, logits)
    return torch.where(signed > 20, signed, signed.exp().log1p()).mean()
"""

WRONG = {
    "07_shape": [
        ("y = y.view(-1, 1)", "y = y.view(1, -1)"),
        ("y = y.view(-1, 1)", "y = y.flatten()"),
        ("y = y.view(-1, 1)", "y = y.expand(len(x), len(y))"),
    ],
    "07_twice": [
        (SOFTMAX, "model(features, weight, bias)"),
        (LOGITS, SURE),
        (LOGITS, SURE, LOSS, LOSS.replace("CrossEntropy", "NLL"), *LAST),
        (LOGITS, SURE, LOSS, OF_LOGARITHMS, *LAST),
        (LOGITS, SURE, *LAST, "lr=0.5", "lr=50"),
        (LOGITS, SURE, *LAST, "loss.item()", "loss.item() - 0.5514"),
        (LOGITS, SURE.replace("softmax", "sigmoid").replace(", dim=1", "")),
        (SOFTMAX, SOFTMAX.replace("dim=1", "dim=0")),
        (SOFTMAX, "torch.log_softmax(model(features, weight, bias), dim=1)"),
        ("losses.append(loss.item())", "losses.append(loss)"),
    ],
    "07_yes_no": [
        (YES_NO, NAIVE),
        (YES_NO, EDGES),
        (YES_NO, CLAMPED),
        (YES_NO, NO_NAN),
        (YES_NO, SHORT),
        (YES_NO, WHERE),
        ("- targets * logits", "- (1 - targets) * logits"),
        (").mean()", ").sum()"),
        (").mean()", ")"),
        (").mean()", ").mean().item()"),
        (".mean()", ".mean().detach()"),
        (YES_NO, f"    logits = logits.detach().requires_grad_()\n{YES_NO}"),
    ],
}
