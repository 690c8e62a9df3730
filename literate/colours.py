"""The code of a block as HTML: in colour, with each reference as a link to its block."""

import builtins
import keyword
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby

from pygments.lexer import Lexer, include, inherit
from pygments.lexers import PythonLexer, get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, String, Text, _TokenType
from pygments.util import ClassNotFound

from literate.org import REFERENCE

COLOURS = {Comment: "c", Keyword: "k", String: "s", String.Doc: "c", Number: "n", Name.Label: "r"}
COLOURS |= {Name.Function: "f", Name.Class: "f", Name.Decorator: "d", Name.Builtin: "b"}
COLOURS |= {Name.Tag: "k", Name.Attribute: "f", Generic.Inserted: "i", Generic.Deleted: "x"}
# Between two references blank lines say nothing to a reader: the style sheet narrows them.
GAP = re.compile(r'(?<=</a>)\n\n+(?= *<a class="r")')


# Words that may have a colour: those of this Python, and what other versions and systems have.
OTHERS = {"cls", "frozendict", "lazy", "self", "sentinel", "VMSError", "WindowsError"}
WORDS = "|".join({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *OTHERS})
# What has no colour wherever it stands: names that Python has not, most operators and brackets, and
# spaces, except at a line's beginning, where they may lead to a string that documents.
NAME = rf"""(?!(?:{WORDS}|__\w+)\b)[^\W\d]\w*(?![\w"'])"""
PLAIN = rf"(?:{NAME}|[][(){{}},:;=+*/-]|\.(?!\d)|(?<=\S)[ ]+)+"
# What Pygments finds after some forty other patterns: plain numbers, and spaces, unless these lead
# to a string that documents or to a word that is a keyword only there.
INDENT = r"""[ ]+(?!\s|[bBrRuU]{0,2}["']|(?:case|lazy|match)\b)"""
INTEGER, FLOAT = r"\d+(?![\w.])", r"\d+\.\d+(?![\w.])"


class NowebLexer(PythonLexer):
    """Python in which a line may be a reference to another block.

    The patterns here take at once what is frequent and what Pygments comes to late.
    """

    tokens = {  # noqa: RUF012 (Pygments has it so)
        "root": [
            (r"[<]<\S+>>$", Name.Label),
            (PLAIN, Text),
            (INDENT, Text),
            (INTEGER, Number),
            (FLOAT, Number),
            include("builtins"),
            inherit,
        ],
    }


@cache
def lexer_of(language: str) -> Lexer:
    """Return what takes code of a language apart; raise ValueError for an unknown language."""
    try:
        return NowebLexer() if language == "python" else get_lexer_by_name(language)
    except ClassNotFound:
        raise ValueError(f"there are no colours for the language {language!r}") from None


@cache
def colour_of(kind: _TokenType) -> str:
    """Return the letter of the colour of a kind of token, or none."""
    while kind not in COLOURS and kind.parent is not None:
        kind = kind.parent
    return COLOURS.get(kind, "")


def pieces_of(code: str, language: str) -> Iterator[tuple[str, str]]:
    """Yield code piece by piece, each with the letter of its colour, or none.

    Raises ValueError where Pygments does not know the language.
    """
    for kind, text in lexer_of(language).get_tokens(code):
        yield colour_of(kind), text


@cache
def coloured(code: str, language: str) -> str:
    """Return code as HTML, with each reference as a link to its block; raise as pieces_of does."""
    html = ""
    pieces = groupby(pieces_of(code, language), key=lambda piece: piece[0])
    runs = [(colour, "".join(text for _, text in run)) for colour, run in pieces]
    runs[-1] = (runs[-1][0], runs[-1][1].rstrip("\n"))  # the lexers end every code with one
    for colour, text in runs:
        part = escape(text, quote=False)
        if colour == "r" and (reference := REFERENCE.match(text)):
            html += f'<a class="r" href="#code-{reference[1]}">{part}</a>'
        else:
            html += f'<span class="{colour}">{part}</span>' if colour else part
    return GAP.sub(lambda gap: f'<span class="gap">{gap[0]}</span>', html)
