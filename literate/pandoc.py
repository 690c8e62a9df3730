"""Pandoc in a process of its own: it turns one text into another while we do something else.

It runs in its sandbox: it opens no file but what it is given. Texts go through files without a
name, as pipes would need somebody to fill and to empty them meanwhile.

The program is the one in the package pypandoc, whatever else is installed, so that a post gives the
same bytes everywhere. It is found without importing that package, which asks each pandoc that it
can find for its version, and loads what one needs to download another.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryFile
from typing import IO


def program() -> Path:
    """Return the path of pandoc."""
    package = find_spec("pypandoc")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pandoc is in the package pypandoc-binary, which is missing")
    return Path(package.origin).with_name("files") / "pandoc"


def content_of(file: IO[bytes]) -> bytes:
    """Return all of a file that pandoc wrote."""
    file.seek(0)
    return file.read()


@contextlib.contextmanager
def running(text: str, *options: str) -> Iterator[Callable[[], bytes]]:
    """Have pandoc convert a text from here on; what is yielded waits, and returns what it made.

    That raises RuntimeError with pandoc's words where it gives up; its warnings go to stderr. Who
    leaves without waiting ends pandoc.
    """
    with TemporaryFile() as given, TemporaryFile() as made, TemporaryFile() as said:
        given.write(text.encode())
        given.seek(0)
        command = [program(), "--sandbox", *options]
        with Popen(command, stdin=given, stdout=made, stderr=said) as process:

            def result() -> bytes:
                status, words = process.wait(), content_of(said).decode("utf-8", "replace")
                if status != 0:
                    raise RuntimeError(words)
                sys.stderr.write(words)
                return content_of(made)

            try:
                yield result
            finally:
                process.kill()  # which is nothing to a process that has ended


@contextlib.contextmanager
def converting(text: str, *options: str) -> Iterator[Callable[[], str]]:
    """Have pandoc convert a text into another, as 'running' does."""
    with running(text, *options) as result:
        yield lambda: result().decode("utf-8", "replace")
