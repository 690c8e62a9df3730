"""What a script defines, without running the script."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


def is_constant(name: str) -> bool:
    """Tell whether a name is written as constants are."""
    return name.isupper()


def definitions(tree: ast.Module) -> Iterator[tuple[list[str], ast.stmt]]:
    """Yield what defines imports, constants, functions and classes, with the names it defines.

    These stand at the top of a script, or behind its 'if __name__ == "__main__":'.
    """
    waiting = list(reversed(tree.body))
    while waiting:
        statement = waiting.pop()
        match statement:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                waiting += reversed(statement.body)
            case ast.Import() | ast.ImportFrom():
                yield [(a.asname or a.name).split(".")[0] for a in statement.names], statement
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield [name], statement
            case ast.Assign(targets=[ast.Name(id=name)]) if is_constant(name):
                yield [name], statement
            case ast.With(body=[*_, ast.Import(names=[alias])]):  # an import that would warn
                yield [alias.asname or alias.name], statement


class Definitions:
    """The imports, constants, functions and classes of a script, executed when asked for.

    Only what a name needs is executed: who asks for a function that needs no torch imports none.
    """

    def __init__(self, script: Path) -> None:
        self.module = ModuleType(script.stem)
        self.module.__file__ = str(script)
        self.statements: list[ast.stmt] = []
        self.where: dict[str, list[int]] = {}
        for number, (names, statement) in enumerate(
            definitions(ast.parse(script.read_text(encoding="utf-8"), str(script)))
        ):
            self.statements.append(statement)
            for name in names:
                self.where.setdefault(name, []).append(number)
        self.done: set[int] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.where

    def needed(self, name: str) -> set[int]:
        """Return the numbers of the statements that define a name and all that it uses."""
        numbers: set[int] = set()
        waiting = [name]
        while waiting:
            for number in set(self.where[waiting.pop()]) - numbers:
                numbers.add(number)
                inside = ast.walk(self.statements[number])
                used = {node.id for node in inside if isinstance(node, ast.Name)}
                waiting += used & self.where.keys()
        return numbers

    def get(self, name: str) -> Any:
        """Return what a name stands for."""
        for number in sorted(self.needed(name) - self.done):
            code = ast.Module([self.statements[number]], type_ignores=[])
            exec(compile(code, self.module.__file__, "exec"), vars(self.module))
            self.done.add(number)
        return vars(self.module)[name]
