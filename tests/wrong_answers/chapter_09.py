"""Wrong answers to the exercises of chapter 9: what to replace in the solution, and by what."""

PASS = """    predictions, labels = [], []
    for x, y in loader:
        predictions.append(model(x))
        labels.append(y)
    return torch.cat(predictions), torch.cat(labels)
"""
FIXED = """    loader = DataLoader(loader.dataset, loader.batch_size)
    predictions = torch.cat([model(x) for x, _ in loader])
    return predictions, torch.cat([y for _, y in loader])
"""
SEEDED = """    torch.manual_seed(0)
    predictions = torch.cat([model(x) for x, _ in loader])
    torch.manual_seed(0)
    return predictions, torch.cat([y for _, y in loader])
"""
OF_DATASET = """    predictions = torch.cat([model(x) for x, _ in loader])
    return predictions, torch.stack([y for _, y in loader.dataset])
"""
RETURNED = "return torch.cat(predictions), torch.cat(labels)"
SORTED = "return torch.cat(predictions).sort(0).values, torch.cat(labels).sort(0).values"
SEED = "[self.seed, self.epoch, index]"
MADE = f"        generator = np.random.default_rng({SEED})\n"
DRAW = "0.1 * generator.normal()"
LONGEST = "max(len(sequence) for sequence in sequences)"
OWN = "        mask[i, : len(sequence)] = True\n"
ROWS = """    for i, sequence in enumerate(sequences):
        table[i, : len(sequence)] = sequence
"""
TYPE = ", dtype=sequences[0].dtype)"

WRONG = {
    "09_out_of_order": [
        (PASS, FIXED),
        (PASS, SEEDED),
        (PASS, OF_DATASET),
        (RETURNED, SORTED),
        (RETURNED, "return predictions, labels"),
        (RETURNED, "return torch.cat(predictions)"),
        (RETURNED, "return torch.cat(predictions), -torch.cat(predictions) / 2"),
        ("        labels.append(y)", "    labels.append(y)"),
        ("for x, y in loader:", "for x, y in list(loader)[:-1]:"),
    ],
    "09_same_noise": [
        (SEED, "self.seed + self.epoch + index"),
        (SEED, "[self.seed, self.epoch + index]"),
        (SEED, "1000 * self.seed + 100 * self.epoch + index"),
        (SEED, "[self.seed, self.epoch]"),
        (SEED, "[self.seed, index]"),
        (SEED, "[self.epoch, index]"),
        (SEED, ""),
        (SEED, "[self.seed, self.epoch, int(self.values[index])]"),
        (MADE, "", DRAW, "0.1 * np.random.normal()"),
        (DRAW, "generator.normal()"),
        (DRAW, "0.1 * generator.random()"),
        (f"return self.values[index] + {DRAW}", f"return [self.values[index] + {DRAW}]"),
    ],
    "09_padded": [
        (OWN, "", "return table, mask,", "return table, table != 0,"),
        (OWN, "        mask[i] = True\n"),
        (LONGEST, "len(sequences[0])"),
        (LONGEST, "10"),
        (TYPE, ")"),
        ("dtype=torch.bool", "dtype=torch.int64"),
        ("table[i, : len(sequence)]", "table[i, longest - len(sequence) :]"),
        (ROWS, f"{ROWS.replace('i, sequence', 'i, sequence')}        sequence.zero_()\n"),
        ("torch.tensor(labels)", "torch.tensor(sorted(labels))"),
        ("torch.tensor(labels)", "torch.tensor(labels, dtype=torch.float32)"),
        ("torch.tensor(labels)", "labels"),
        ("return table, mask, torch.tensor(labels)", "return table, torch.tensor(labels)"),
    ],
}
