"""02_column: write a function that cuts a column out of a table.

column(table, i) takes a tensor of shape (rows, columns) and the number of a column, counted from
0. It returns that column with the shape (rows, 1), as PyTorch's layers want it. It copies nothing:
who writes into the column writes into the table.
"""

import torch
from torch import Tensor


def column(table: Tensor, i: int) -> Tensor:
    """Return column i of a table (rows, columns) as a view of shape (rows, 1)."""
    raise NotImplementedError("column is still to be written")


# --- The check. Leave the rest as it is.
def check() -> None:
    """Cut a column out of two tables, and write into one."""
    for rows, columns, i in ((4, 3, 1), (2, 5, 4)):
        table = torch.arange(rows * columns).view(rows, columns)
        cut = column(table, i)
        assert isinstance(cut, Tensor), f"column returned a {type(cut).__name__}, not a tensor"
        shape = tuple(cut.shape)
        assert shape == (rows, 1), f"the shape is {shape}, where ({rows}, 1) was asked for"
        expected = [row[i] for row in table.tolist()]
        assert cut.flatten().tolist() == expected, f"these are not the numbers of column {i}"
        cut[0, 0] = -1
        assert table[0, i] == -1, "a write into the column does not reach the table"


import sys
import traceback
from collections.abc import Callable


def run_check(exercise: str, check: Callable[[], None]) -> None:
    """Say in one line whether an exercise is done; if it is not, end with status 1."""
    verdict = "done"
    try:
        check()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == check.__code__.co_filename][-1]
        problem = f"{type(error).__name__}: {error}, in line {here.lineno}"
        if isinstance(error, AssertionError) and frames[-1].name == "check":
            problem = str(error)
        elif here.name == "check":
            problem = f"the check stopped at {problem}"
        else:
            problem = f"your code raised {problem}"
        verdict = f"not yet: {' '.join(problem.split())}"
    print(f"{exercise}: {verdict}")
    if verdict != "done" and not hasattr(sys, "ps1"):  # a notebook goes on
        sys.exit(1)


if __name__ == "__main__":
    run_check("02_column", check)
