"""The figures to touch: which the post asks for, their part of a page, and the data they need.

A figure of the post may say '#+attr_html: :data-touch NAME'. A web page then shows below the
picture, where scripts run, the box page/NAME.html, to which page/touch.js and page/NAME.js give
life with what a chapter's script kept in checkpoints/NAME.json.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from literate.files import read_text, shown
from literate.nodes import Node
from literate.safe import elements

FRAME = Path(__file__).with_name("page")


def unpacked(text: str) -> bytes:
    """Return what chapter 14 packed: bytes, compressed, in base64 without its '=' at the end."""
    return zlib.decompress(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))


def is_descent(data: Any) -> bool:
    """Tell whether these are points, a start, and orders of the points."""
    rows = sorted(range(len(data["x"])))
    numbers = [*data["x"], *data["y"], *data["start"]]
    return (
        all(isinstance(one, int | float) for one in numbers)
        and len(data["x"]) == len(data["y"]) > 1
        and len(data["start"]) == 2
        and len(data["orders"]) > 0
        and all(sorted(order) == rows for order in data["orders"])
    )


def is_decoder(data: Any) -> bool:
    """Tell whether these are layers that fit one another, and images with codes for the first."""
    width, images = len(data["lowest"]), len(data["labels"])
    for weights, biases in data["layers"]:
        inputs, width = width, len(unpacked(biases)) // 2
        if len(unpacked(weights)) != 2 * inputs * width:
            return False
    return (
        width == 28 * 28
        and images > 5  # of so many a code is mixed
        and len(data["step"]) == len(data["lowest"])
        and all(isinstance(one, int | float) for one in data["lowest"] + data["step"])
        and len(unpacked(data["points"])) == 2 * 2 * images
        and len(unpacked(data["codes"])) == len(data["lowest"]) * images
    )


KINDS: dict[str, Callable[[Any], bool]] = {"descent": is_descent, "decoder": is_decoder}


def touch_of(node: Node) -> str:
    """Return the name of the figure to touch that a figure asks for, or nothing."""
    return dict(node["c"][0][2]).get("touch", "")


def touched(blocks: list[Node]) -> list[str]:
    """Return the names of the figures to touch among these elements, in order."""
    return [name for node in elements(blocks) if node["t"] == "Figure" if (name := touch_of(node))]


def box(name: str) -> str:
    """Return the HTML of a figure to touch, without its data; ValueError for one unheard of."""
    if name not in KINDS:
        raise ValueError(f"there is no figure to touch called {name!r}, only {', '.join(KINDS)}")
    return read_text(FRAME / f"{name}.html")


def data_of(name: str, folder: Path) -> str:
    """Return the data of a figure to touch, as JSON; ValueError where they are not what it needs.

    OSError where a chapter did not leave them.
    """
    path = folder / "checkpoints" / f"{name}.json"
    text = read_text(path)
    try:
        fits = KINDS[name](json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, zlib.error):
        fits = False
    if not fits:
        problem = f"is not what {name!r} needs; remove it, and 'make' writes it again"
        raise ValueError(f"{shown(path)} {problem}")
    return json.dumps(json.loads(text), separators=(",", ":")).replace("<", "\\u003c")


def data_inside(names: list[str], folder: Path) -> str:
    """Return the elements of a page that hold the data of these figures; not for the text."""
    kind = 'type="application/json"'
    return "".join(
        f'<script {kind} id="data-{name}">{data_of(name, folder)}</script>\n' for name in names
    )


def data_script(name: str, folder: Path) -> str:
    """Return a script that hands a figure its data.

    For a page that has <template id="data-NAME" data-source="ITS ADDRESS"></template> instead of
    the data: it is loaded when the figure comes near.
    """
    return f"touchData.{name} = {data_of(name, folder)};\n"


def style_of(names: list[str]) -> str:
    """Return the style that a page with these figures needs, nothing where it has none."""
    return read_text(FRAME / "touch.css") if names else ""


def script_of(names: list[str]) -> str:
    """Return the script that a page with these figures needs, nothing where it has none."""
    parts = ["touch", *dict.fromkeys(names)] if names else []
    return "\n".join(read_text(FRAME / f"{part}.js") for part in parts)
