"""Standard output in three layers, as Python makes it, that know which line each byte comes from.

Python's own layers hold text back: the text layer up to some thousand bytes, the buffer again as
many. Ours do so, too, and keep beside it a list of pieces, each a number of bytes and the script's
top-level line; what is written at last is noted with its place in the file. So nothing is flushed
earlier than without us, and what others write past us stands where it would stand.

What cannot be done, having no part in C: a write to sys.stdout needs three frames of the stack,
which a script that exhausts the stack will miss; the traceback of an error in the write itself (a
full disk) shows them; and text that goes past sys.stdout without a new process (os.write, C code)
is credited to the latest line that printed, flushed, asked for stdout's number or started a
process.
"""

import _thread
import io
import os
import sys

MAIN = sys.modules["__main__"].__dict__  # Python runs the script in this very module
MAIN_THREAD = _thread.get_ident()
CHUNK = 8192  # bytes that Python's text layer holds back at most
Piece = tuple[int, int]  # a number of bytes, and the line that they come from

lseek, write = os.lseek, os.write  # at the very end of a process, modules are empty


def joins() -> bool:
    """Return whether Python's text layer takes in one text too many before it passes all on.

    That of 3.13 does. Those of 3.11 and 3.12.1 pass on what they hold, and then take the text in.
    """
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    for _ in range(2):
        text.write("x" * (CHUNK - 1))
    return text.buffer.tell() > CHUNK


JOINS = joins()


def below() -> "types.FrameType | None":  # noqa: F821
    """Return the frame in which forks.py runs the script, or None where Python itself runs it."""
    frame = sys._getframe()
    while frame and (frame.f_code.co_name, frame.f_globals["__name__"]) != RUNNER:
        frame = frame.f_back
    return frame


RUNNER = ("run_script", "literate.forks")
BELOW = below()


def outermost(frame: "types.FrameType | None") -> "types.FrameType | None":  # noqa: F821
    """Return the frame that a frame was called from in the end."""
    while frame is not None and frame.f_back is not BELOW:
        frame = frame.f_back
    return frame


class Notes:
    """Where the script is, which bytes wait in the buffer, and what was noted of it."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.frame = None  # the script's own, once we saw it; it knows its line even at the end
        self.lines: dict[int, int] = {}  # what Python looks up slowly: an instruction's line
        self.noted = 0  # the line that is in force in the file of notes
        self.buffered: list[Piece] = []

    def at(self) -> int:
        """Return the top-level line that the script is at, or was at when it ended."""
        frame = self.frame
        if frame is None:
            for frame in (sys._getframe(), sys._current_frames().get(MAIN_THREAD)):
                frame = outermost(frame)
                if frame and frame.f_globals is MAIN and frame.f_code.co_name == "<module>":
                    self.frame = frame
                    break
            else:
                return 1  # it has not begun
        place = frame.f_lasti
        if place not in self.lines:
            self.lines[place] = frame.f_lineno or 1
        return self.lines[place]

    def note(self, line: int, back: int = 0) -> int:
        """Note that what stands from here on, or from so many bytes ago, comes from this line."""
        self.noted = line
        try:  # noqa: SIM105 (a plain run has not imported contextlib by now)
            write(self.file, b"%d %d\n" % (lseek(1, 0, os.SEEK_CUR) - back, line))
        except OSError:
            pass  # the script closed stdout, or our file with all others: nothing to note
        return line

    def progress(self) -> int:
        """Note the line that the script is at, if it is a new one, and return it.

        What others write from now on, a child process or C code, is credited to it.
        """
        line = self.at()
        return line if line == self.noted else self.note(line)

    def written(self, size: int) -> None:
        """Note the lines that the buffer's bytes came from which were written just now."""
        before = None
        while size and self.buffered:
            held, line = self.buffered.pop(0)
            if held and line != before:
                before = self.note(line, back=size)
            if held > size:
                self.buffered.insert(0, (held - size, line))
            size -= min(held, size)


class Raw(io.FileIO):
    """Standard output without a buffer."""

    __slots__ = ("notes",)

    def fileno(self) -> int:
        """Return 1; who asks for it may be about to write past us."""
        self.notes.progress()
        return super().fileno()

    def write(self, data: bytes) -> int | None:
        """Write, and note which lines it came from."""
        if not (isinstance(data, memoryview) and self.notes.buffered):  # not the buffer's
            self.notes.note(self.notes.at())
            return super().write(data)
        size = super().write(data)
        self.notes.written(size or 0)
        return size


class Buffer(io.BufferedWriter):
    """Standard output's buffer, which remembers the line that each piece of it came from."""

    __slots__ = ("notes",)

    def write(self, data: bytes) -> int:
        """Take bytes into the buffer from the line that the script is at."""
        try:
            size = memoryview(data).nbytes
        except TypeError:
            size = 0  # Python will say so
        return self.take(data, [(size, self.notes.progress())])

    def take(self, data: bytes, pieces: list[Piece]) -> int:
        """Take bytes into the buffer; what could not be taken is not remembered."""
        self.notes.buffered.extend(pieces)
        try:
            return super().write(data)
        except BaseException:
            for piece in pieces:
                if piece in self.notes.buffered:
                    self.notes.buffered.remove(piece)
            raise

    def flush(self) -> None:
        """Write what is in the buffer; who flushes may be about to write past us."""
        super().flush()
        self.notes.progress()


class Held(io.BufferedWriter):
    """What the text layer holds back. It stands between that layer, which is in C, and the buffer.

    The text layer is told to hold back nothing, and finds this where it expects the buffer. It
    closes as the buffer does, which is why it is one of the same kind, over the same file.
    """

    __slots__ = ("buffer", "data", "pieces", "size", "text")

    def write(self, data: bytes) -> int:
        """Hold bytes back for as long as Python does, and remember their line."""
        line = self.buffer.notes.progress()
        size = len(data)
        if size >= CHUNK if JOINS else self.size + size > CHUNK:
            self.pass_on()
        self.data.append(data)
        self.size += size
        if self.pieces and self.pieces[-1][1] == line:
            self.pieces[-1] = (self.pieces[-1][0] + size, line)
        else:
            self.pieces.append((size, line))
        if self.size >= CHUNK or self.text.write_through:
            self.pass_on()
        return size

    def pass_on(self) -> None:
        """Pass what is held back on to the buffer."""
        data, pieces = self.data, self.pieces
        self.data, self.pieces, self.size = [], [], 0
        if data:
            self.buffer.take(b"".join(data), pieces)

    def flush(self) -> None:
        """Write what is held back, here and in the buffer."""
        self.pass_on()
        self.buffer.flush()


class Text(io.TextIOWrapper):
    """Standard output's text layer; who asks for its buffer gets the one behind what it holds."""

    __slots__ = ("behind",)

    @property
    def buffer(self) -> io.BufferedWriter:
        """The buffer."""
        return self.behind

    def detach(self) -> io.BufferedWriter:
        """Give the buffer away."""
        held = super().detach()
        if held is not self.behind:
            held.detach()  # or it would close the file when it goes
        return self.behind


def as_python_shows_it(layer: Text | Buffer | Raw) -> str:
    """Return what Python shows of its own layer; without its module in some versions and kinds."""
    text = type(layer).__base__.__repr__(layer)
    return text if text.startswith("<_io.") else f"<_io.{text[1:]}"


for layer in (Text, Buffer, Raw):
    layer.__name__ = layer.__qualname__ = layer.__base__.__name__
    layer.__module__ = "_io"
    layer.__repr__ = as_python_shows_it


def layers(notes: Notes) -> tuple[Raw | Held, Raw | Buffer]:
    """Return what the text layer writes into, and what it shows as its buffer."""
    raw = Raw(1, "wb", closefd=False)
    raw.name = "<stdout>"
    raw.notes = notes
    if isinstance(sys.stdout.buffer, io.FileIO):
        return raw, raw  # Python was told not to buffer
    held, buffer = Held(raw), Buffer(raw)
    buffer.notes = notes
    held.buffer, held.data, held.pieces, held.size = buffer, [], [], 0
    return held, buffer


def record_stdout(notes: Notes) -> None:
    """Put our layers under sys.stdout, which stays in all else as Python made it."""
    old = sys.stdout
    below, behind = layers(notes)
    new = Text(
        below,
        encoding=old.encoding,
        errors=old.errors,
        newline="\n",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
    new.mode = "w"
    new.behind = behind
    if isinstance(below, Held):
        new._CHUNK_SIZE = 1
        below.text = new
    sys.stdout = sys.__stdout__ = new
    write(notes.file, b"encoding %s\n" % old.encoding.encode())
