"""Exercises in the Org file: the blocks of each, and what each must have.

An exercise NAME is a script in tangled/exercises/, and its solution one of the same name in
solutions/ there. Each is one block that begins with <<spec-NAME>> and ends with <<check-NAME>>, so
that spec and check stand once. What is between the two is the learner's to mend.
"""

from pathlib import Path

from literate.folds import kind_of
from literate.nodes import Node
from literate.org import Block, OrgError
from literate.safe import elements
from literate.tangle import Line

EXERCISES = Path("tangled", "exercises")
SOLUTIONS = EXERCISES / "solutions"


def is_task(script: Path, project: Path) -> bool:
    """Return whether a script is an exercise or a solution."""
    return script.parent in (project / EXERCISES, project / SOLUTIONS)


def roles_of(
    tasks: dict[Path, list[Line]], blocks: list[Block], project: Path
) -> dict[int, tuple[str, Path]]:
    """Return for each block of an exercise, by its line, its role, and the exercise's script.

    The roles are spec, exercise, check and mended, which is the solution. Raises OrgError for an
    exercise that does not have them all.
    """
    named = {block.name: block.line for block in blocks if block.name}
    roles = {}
    for script, lines in tasks.items():
        tops = {line.top.line: line.top for line in lines if line.top}
        first, *others = tops.values()
        if others:
            raise OrgError(others[0].line, "an exercise is one block, and so is its solution")
        spec, check = f"spec-{script.stem}", f"check-{script.stem}"
        if (first.body[0], first.body[-1]) != (f"<<{spec}>>", f"<<{check}>>"):
            problem = f"an exercise begins with <<{spec}>> and ends with <<{check}>>"
            raise OrgError(first.line, problem)
        exercise = project / EXERCISES / script.name
        solution = project / SOLUTIONS / script.name
        if exercise not in tasks or solution not in tasks:
            missing = "solution" if exercise in tasks else "exercise"
            raise OrgError(first.line, f"this has no {missing} of the same name")
        roles[first.line] = ("exercise" if script == exercise else "mended", exercise)
        roles |= {named[spec]: ("spec", exercise), named[check]: ("check", exercise)}
    return roles


def check_tasks(blocks: list[Node], roles: dict[int, tuple[str, Path]]) -> None:
    """Raise OrgError for a solution that does not fold, and for code elsewhere that does."""
    folded = [node for node in blocks if kind_of(node) == "solution"]
    inside = {
        int(dict(node["c"][0][2])["line"])
        for node in elements(folded)
        if node["t"] == "Div" and "block" in node["c"][0][1]
    }
    solutions = {line for line, (role, _) in roles.items() if role == "mended"}
    for line in sorted(solutions - inside):
        raise OrgError(line, "a solution stands between #+begin_solution and #+end_solution")
    for line in sorted(inside & (roles.keys() - solutions)):
        raise OrgError(line, "only the solution folds away in a solution")
