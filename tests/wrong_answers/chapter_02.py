"""Wrong answers to the exercises of chapter 2: what to replace in the solution, and by what."""

MEAN = "((left.int() + right.int()) // 2).to(torch.uint8)"

WRONG = {
    "02_column": [
        ("table[:, i : i + 1]", "table[:, i]"),
        ("table[:, i : i + 1]", "table[:, [i]]"),
        ("table[:, i : i + 1]", "table[i : i + 1].t()"),
    ],
    "02_grey": [
        (MEAN, "left // 2 + right // 2"),
        (MEAN, "((left + right).int() // 2).to(torch.uint8)"),
        (MEAN, "((left.char() + right.char()) // 2).to(torch.uint8)"),
        (MEAN, "left + (right - left) // 2"),
        (MEAN, "(left.int() + right.int()) // 2"),
        (MEAN, "(left.float() + right.float()) / 2"),
        (MEAN, "torch.round((left.float() + right.float()) / 2).to(torch.uint8)"),
    ],
    "02_first_row": [
        ("first = table[0]", "first = result[:1]"),
        ("first = table[0]", "first = result[0].view(-1)"),
        ("first = table[0]", "first = table[0].float()"),
        ("table.clone()", "table", "table[0]", "table[0].clone()"),
        ("table.clone()", "table[:]", "table[0]", "table[0].clone()"),
        ("row -= first", "row = row - first"),
        ("for row in result:", "for row in result[1:]:"),
    ],
}
