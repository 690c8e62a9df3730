"""Tests of the colours of Python against those of Pygments, on which our pattern saves time."""

import pytest
from pygments.lexers import PythonLexer

from conftest import ROOT
from literate.colours import NowebLexer, colour_of


def colours(lexer, code):
    """Return a letter for each character of a code: its colour."""
    tokens = lexer.get_tokens(code)
    return "".join(len(text) * (colour_of(kind) or "-") for kind, text in tokens)


@pytest.mark.parametrize("folder", ["tangled", "literate"])
def test_all_python_here_has_the_colours_of_pygments(folder):
    ours, theirs = NowebLexer(), PythonLexer()
    scripts = sorted((ROOT / folder).glob("*.py"))
    assert scripts
    for script in scripts:
        code = script.read_text(encoding="utf-8")
        assert colours(ours, code) == colours(theirs, code), script.name


CASES = [
    'x = rb"a" + f"{y!r:>{width}}" + u\'\' + b',
    "sum(a.sum(), .5, 1.5.real + x.e1, 0x1f, 1e-3)",
    '    """A docstring."""\nx = """none"""',
    "match = 1\nmatch x:\n    case _: lazy = 1\n    lazy import a\n    lazy = 2",
    "a.__init__(self, __name__, __own__, cls)",
    "type A = int\nif x:\n    type B = type(print)\n    br, ru = 1_000, 1.\n    bar.print(2).self",
    'def f():\n    rb"""A docstring."""\n    r"a"; b"c"; return 1.5, 2.e3, 3j, 7.real, 1if x',
    "sentinel = frozendict(a)\nexcept WindowsError, VMSError: pass",
    "@cache\ndef f(): x @ y",
    "x << y >> z ** -w // 2 if not a.b else None",
    "ŷ = trueish + True, in_ in is_",
    "from a.b import c as d, e\nimport f.g",
    "class A(B): \\\n    pass  # x = 1",
]


@pytest.mark.parametrize("code", CASES)
def test_small_cases(code):
    assert colours(NowebLexer(), code) == colours(PythonLexer(), code)


def asked(lexer, code):
    """Return how many patterns a lexer tries until it is through a code."""
    count = 0

    def counted(match):
        def tried(*place):
            nonlocal count
            count += 1
            return match(*place)

        return tried

    lexer._tokens = {
        state: [(counted(match), *rest) for match, *rest in patterns]
        for state, patterns in lexer._tokens.items()
    }
    list(lexer.get_tokens(code))
    return count


@pytest.mark.parametrize("code", ["x\n    x", "x = 12", "x = 1.5", "print(x)"])
def test_what_is_frequent_is_found_by_few_patterns(code):
    """An indent, numbers and builtins are what Pygments comes to after forty others."""
    assert asked(NowebLexer(), code) - asked(NowebLexer(), "x") < 30


def test_a_reference_is_one_and_what_only_looks_like_one_is_code():
    assert colours(NowebLexer(), "<<data>>\nx = 1") == "rrrrrrrr-----n-"
    assert colours(NowebLexer(), "x <<data>> y") == colours(PythonLexer(), "x <<data>> y")
