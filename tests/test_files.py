"""files.py writes all or nothing, names what it cannot read, and keeps sums."""

import os
import stat
from pathlib import Path

import pytest

from literate import files
from orgs import snapshot


def test_a_path_is_shown_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.shown(tmp_path / "a" / "b.py") == os.path.join("a", "b.py")  # noqa: PTH118
    assert files.shown("/") == os.path.relpath("/")


def test_content_of_what_is_there_and_what_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\r\n")
    assert files.content_at(tmp_path / "a") == b"\xff\r\n"
    assert files.content_at(tmp_path / "b") is None


def test_text_keeps_its_line_ends(tmp_path):
    (tmp_path / "a").write_bytes("é\r\n∞\n".encode())
    assert files.read_text(tmp_path / "a") == "é\r\n∞\n"


def test_text_that_is_not_utf_8_is_named_by_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"one\ntwo\nthr\xffe\n")
    with pytest.raises(ValueError, match=r"\Aa:3: this is not UTF-8 text\Z"):
        files.read_text(Path("a"))


def test_all_is_written_and_folders_are_made(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "same").write_bytes(b"same")
    stamp = (tmp_path / "same").stat().st_mtime_ns
    new = {tmp_path / "old": b"new", tmp_path / "same": b"same", tmp_path / "a/b/c": b"c"}
    files.write_all(new)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == new
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640
    assert (tmp_path / "same").stat().st_mtime_ns == stamp


def test_what_fails_halfway_leaves_nothing(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"")
    before = snapshot(tmp_path)
    new = {tmp_path / "old": b"new", tmp_path / "a/b/c": b"c", tmp_path / "file/x": b"x"}
    with pytest.raises(OSError, match="file"):
        files.write_all(new)
    assert snapshot(tmp_path) == before


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(path, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_all({tmp_path / "a/b": b"new"})
    assert snapshot(tmp_path) == {}


def test_a_folder_that_is_not_empty_is_not_removed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    files.remove([tmp_path / "none"], [tmp_path / "kept", tmp_path / "empty", tmp_path / "none"])
    assert set(snapshot(tmp_path)) == {"kept", "kept/file"}


def test_sums_are_read_as_they_are_written(tmp_path):
    one, two = tmp_path / "tangled/b.py", tmp_path / "a.py"
    sums = {one: files.sum_of(b"1"), two: files.sum_of(b"2")}
    (tmp_path / "tangled").mkdir()
    record = tmp_path / "tangled/SHA256SUMS"
    record.write_bytes(files.sums_content(sums, record.parent))
    assert files.read_sums(record) == sums
    assert [line.split("  ")[1] for line in record.read_text().splitlines()] == ["../a.py", "b.py"]
    one.write_bytes(b"1")
    assert files.sum_at(one) == sums[one]


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\n<<<<", b"no sum at all"])
def test_a_missing_or_damaged_record_knows_no_script(content, tmp_path):
    if content is not None:
        (tmp_path / "SHA256SUMS").write_bytes(content)
    assert tmp_path / "a.py" not in files.read_sums(tmp_path / "SHA256SUMS")
