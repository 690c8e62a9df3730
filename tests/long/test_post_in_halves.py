"""The post is read in two halves, and these together are what pandoc makes of it as a whole."""

import json
import re

import pytest

from conftest import POST
from literate import nodes, pandoc
from literate.org import read_blocks
from literate.post import marked


@pytest.fixture(scope="module")
def whole() -> nodes.Node:
    """Return pandoc's document of the post, read by one process and left as it is."""
    text = marked(POST, read_blocks(POST)[0])
    with pandoc.converting(text, "--from=org-auto_identifiers", "--to=json") as result:
        return json.loads(result())


def spread(node):
    """Return a part of a document with each word as an element of its own."""
    if isinstance(node, dict):
        return {key: spread(part) for key, part in node.items()}
    if not isinstance(node, list):
        return node
    parts = []
    for part in node:
        if isinstance(part, dict) and part.get("t") in ("Str", "Space", "SoftBreak"):
            parts += re.findall(r" |[^ ]+", nodes.words(part))
        else:
            parts.append(spread(part))
    return parts


def test_the_halves_are_the_whole(whole):
    text = marked(POST, read_blocks(POST)[0])
    halves = nodes.halves_of(text)
    assert len(halves) == 2
    assert min(map(len, halves)) > len(text) / 3
    with nodes.reading(text) as document:
        read = document()
    assert str(whole).count("'SoftBreak'") > 1000 > str(read).count("'SoftBreak'")
    assert spread(read) == spread(whole)
