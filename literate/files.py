"""Files: read with a name and a line in every error, written all or none, and their sums.

It knows nothing of Org. A path here is a pathlib.Path; a sum is a SHA-256 in hexadecimal.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def shown(path: Path | str) -> str:
    """Return a path as a person would type it here."""
    return os.path.relpath(path)


def content_at(path: Path) -> bytes | None:
    """Return the content of a file, or None where there is none."""
    return path.read_bytes() if path.exists() else None


def read_text(path: Path) -> str:
    """Return the text of a file, line ends as they are; raise ValueError if it is not UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{shown(path)}:{line}: this is not UTF-8 text") from None


def changed_by(contents: dict[Path, bytes]) -> list[Path]:
    """Return the files that are not there, or hold something else."""
    return [path for path, content in contents.items() if content_at(path) != content]


def write_all(contents: dict[Path, bytes]) -> None:
    """Write every file that changes, or none: each goes beside its place, then all move in."""
    changed = changed_by(contents)
    beside = {path: path.with_name(f".{path.name}.new") for path in changed}
    folders = {folder for path in changed for folder in path.parents if not folder.exists()}
    try:
        for folder in sorted(folders):
            folder.mkdir()
        for path in changed:
            beside[path].write_bytes(contents[path])
            if path.exists():
                beside[path].chmod(path.stat().st_mode)
        for path in changed:
            beside[path].replace(path)
    except BaseException:
        remove(beside.values(), sorted(folders, reverse=True))
        raise


def remove(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Remove these files and empty folders, as far as they are there."""
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def sum_of(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sum_at(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return sum_of(path.read_bytes())


def read_sums(path: Path) -> dict[Path, str]:
    """Read a sha256sum file as {file: sum}; a missing file has no sums."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    rows = (line.partition("  ") for line in text.splitlines())
    return {Path(os.path.normpath(path.parent / name)): digest for digest, _, name in rows}


def sums_content(sums: dict[Path, str], folder: Path) -> bytes:
    """Return {file: sum} in the format that 'sha256sum --check' reads in this folder."""
    rows = {os.path.relpath(path, folder): digest for path, digest in sums.items()}
    return "".join(f"{rows[name]}  {name}\n" for name in sorted(rows)).encode()


def edited_among(paths: Iterable[Path], sums: dict[Path, str]) -> list[Path]:
    """Return the files that someone edited: what they hold is not what was written last."""
    return [path for path in paths if path.exists() and sum_at(path) != sums.get(path)]
