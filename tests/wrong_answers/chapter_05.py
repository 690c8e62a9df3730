"""Wrong answers to the exercises of chapter 5: what to replace in the solution, and by what."""

ADD = "losses.append(loss.item())"
RETURN = "    return losses\n"
NEW = "source is not None and source not in nodes"

WRONG = {
    "05_kept": [
        (ADD, "losses.append(loss.clone())"),
        (ADD, "losses.append(loss)", RETURN, "    return [loss.item() for loss in losses]\n"),
        (ADD, "losses.append(loss)", RETURN, "    return torch.stack(losses).tolist()\n"),
        (ADD, f"line.requires_grad_(False)\n        {ADD}"),
        (ADD, "losses.append(loss.int())"),
        ("for x, y in batches:", "for x, y in list(batches):"),
        (ADD, ADD, RETURN, "    return sum(losses) / len(losses)\n"),
    ],
    "05_learners": [
        (NEW, "source is not None"),
        (NEW, "source not in nodes"),
        ("for source, _ in node.next_functions:", "for source, _ in node.next_functions[:1]:"),
        ("return [loss] if loss.requires_grad else []", "return []"),
        ("return [loss] if loss.requires_grad else []", "return [loss]"),
        ('[node.variable for node in nodes if hasattr(node, "variable")]', "nodes"),
        (
            "    nodes = [loss.grad_fn]",
            "    loss.sum().backward(retain_graph=True)\n    nodes = [loss.grad_fn]",
        ),
        ("    for node in nodes:", "    for node in nodes[:1]:"),
    ],
}
