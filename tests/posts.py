"""Small posts for the tests of the woven document: their text, and a run of their scripts."""

import contextlib
import functools
import io
import json
import re
import struct
import sys
import zlib

import orgs
from conftest import ROOT
from literate.files import sum_at
from literate.post import Post

HEADER = "#+title: Tests & trials\n#+property: header-args :noweb yes :mkdirp yes\n\n"
CHAPTER = (
    "* {0}\n:PROPERTIES:\n:CUSTOM_ID: {1}\n:header-args:python: :tangle tangled/{1}.py\n:END:\n\n"
)
FIGURE = "#+caption: A figure with =code=.\n#+attr_html: :alt All black & flat\n[[file:{}.png]]\n\n"


@functools.cache
def the_post():
    """Return the post of this project with its runs; woven once for all tests of a worker."""
    assert (ROOT / "logs").exists(), "these tests look at what 'make all' made: run it first"
    return Post(ROOT / "pytorch-first-principles.org")


def chapter(title, script, text):
    """Return the Org text of a chapter with a script."""
    return CHAPTER.format(title, script) + text


def block(code, arguments="", name=""):
    """Return the Org text of a block."""
    label = f"#+name: {name}\n" if name else ""
    return f"{label}#+begin_src python {arguments}".rstrip() + f"\n{code}\n#+end_src\n\n"


def png(width=30, height=20):
    """Return a picture, all black."""

    def part(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * width) * height)
    head = b"\x89PNG\r\n\x1a\n"
    return head + part(b"IHDR", size) + part(b"IDAT", rows) + part(b"IEND", b"")


def command(folder, *arguments):
    """Run the program in this process; return its status, what it printed, and its errors."""
    result = orgs.run(folder, *arguments)
    return result.returncode, result.stdout, result.stderr


class Recorder(io.StringIO):
    """A stand-in for stdout that notes which top-level line of a script writes what."""

    def __init__(self, code):
        super().__init__()
        self.code, self.noted = code, []

    def write(self, text):
        """Write a text, and note the line."""
        frame = sys._getframe(1)
        while frame.f_code is not self.code:
            frame = frame.f_back
        self.noted.append([frame.f_lineno, text])
        return super().write(text)


def run(folder):
    """Tangle post.org in a folder and run its scripts, in this process."""
    assert command(folder, "tangle", "post.org")[::2] == (0, "")
    (folder / "logs").mkdir(exist_ok=True)
    for script in sorted((folder / "tangled").glob("*.py")):
        code = compile(script.read_text(encoding="utf-8"), str(script), "exec")
        output, names = Recorder(code), {"__name__": "__main__"}
        with contextlib.redirect_stdout(output), contextlib.chdir(folder):
            exec(code, names)
        found = {"sha256": sum_at(script), "device": names.get("device", "cpu")}
        found |= {"output": output.noted, "errors": ""}
        log = folder / "logs" / f"{script.stem}.log"
        log.write_text(output.getvalue(), encoding="utf-8", newline="")
        log.with_suffix(".json").write_text(json.dumps(found))


def write(folder, text, header=HEADER):
    """Write post.org and run its scripts."""
    (folder / "post.org").write_text(header + text, encoding="utf-8")
    run(folder)


def woven(folder, text):
    """Return the woven document of an Org text whose scripts have run."""
    write(folder, text)
    with contextlib.chdir(folder):
        return Post(folder / "post.org")


def page(folder, text):
    """Return the page of an Org text whose scripts have run."""
    write(folder, text)
    status, _, errors = command(folder, "page", "post.org", "post.html")
    assert (status, errors) == (0, "")
    return (folder / "post.html").read_text(encoding="utf-8")


def refusal(folder, text=None, header=HEADER):
    """Make the page where something is wrong; return the one line that says what."""
    return refusal_of(folder, "page", text, header)


def refusal_of(folder, form, text=None, header=HEADER):
    """Make this form of a post where something is wrong; return the one line that says what."""
    if text is not None:
        write(folder, text, header)
    (folder / "post.html").write_text("old")
    status, out, errors = command(folder, form, "post.org", "post.html")
    assert (status, out) == (1, "")
    assert errors.count("\n") == 1
    assert (folder / "post.html").read_text() == "old"
    assert not list(folder.glob(".*.new"))
    return errors.removesuffix("\n")


def plain(html):
    """Return HTML without its tags."""
    text = re.sub(r"<[^>]+>", "", html)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def blocks_of(html):
    """Return the code and the output of each block of a page, as plain text, in order."""
    parts = re.findall(
        r'<div class="block".*?</div>(?=\s*<(?!details|pre|p class="bar"))', html, re.S
    )
    return [
        tuple(
            "".join(plain(text) for text in re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", part, re.S))
            for tag in ("code", "samp")
        )
        for part in parts
    ]
