"""What a run left is believed only where it is there and of today's script; nothing is run here."""

import hashlib
import json
import pickle

import pytest

import conftest
from conftest import Names, chapter_of
from definitions import Definitions

SCRIPT = '''"""A script."""
import json
import a_package_that_is_not_there

FACTOR = 3
print("this must not run")
values = [1]


def helper(x):
    return x * FACTOR


def scaled(x):
    return json.dumps(helper(x))


class Point:
    def __init__(self):
        self.x = FACTOR


if __name__ == "__main__":
    def guarded():
        return "guarded"

    values.append(2)
'''


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a script below tmp_path, whose logs are looked for there, too."""
    for name in ("ROOT", "LOGS"):
        monkeypatch.setattr(conftest, name, tmp_path)
    path = tmp_path / "s.py"
    path.write_text(SCRIPT)
    return path


def leave(script, text, objects):
    """Leave what a run of this text would have left."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    transcript = {"sha256": sha256, "device": "cpu", "output": [[1, "hello\n"]], "errors": ""}
    script.with_suffix(".json").write_text(json.dumps(transcript))
    script.with_suffix(".log").write_text("hello\n")
    script.with_suffix(".objects").write_bytes(pickle.dumps(objects))


def test_without_a_run_one_line_says_to_make_one(script):
    with pytest.raises(pytest.fail.Exception, match=r"s\.json is missing: run 'make all' first"):
        chapter_of(script)


def test_the_run_of_another_text_is_refused(script):
    leave(script, SCRIPT + "\n", {})
    with pytest.raises(pytest.fail.Exception, match="not of today's script: run 'make all' first"):
        chapter_of(script)


def test_objects_and_definitions_are_found_by_name(script):
    leave(script, SCRIPT, {"values": pickle.dumps([1, 2])})
    chapter = chapter_of(script)
    assert chapter.output == "hello\n"
    assert chapter.device == "cpu"
    assert chapter.names["values"] == [1, 2]
    assert chapter.names["scaled"](2) == "6"
    assert "other" not in chapter.names
    with pytest.raises(AssertionError, match=r"s\.py kept no other"):
        chapter.names["other"]


def test_only_what_a_name_needs_is_executed(script, capsys):
    definitions = Definitions(script)
    assert definitions.get("scaled")(2) == "6"
    assert definitions.get("guarded")() == "guarded"
    assert set(vars(definitions.module)) >= {"json", "helper", "FACTOR"}
    assert "Point" not in vars(definitions.module)
    assert capsys.readouterr().out == ""
    with pytest.raises(ModuleNotFoundError):
        definitions.get("a_package_that_is_not_there")


def test_an_object_of_the_script_s_own_class_is_read(script):
    names = Names(script, {"p": b"\x80\x02c__main__\nPoint\n)\x81}X\x01\x00\x00\x00xK\x07sb."})
    assert names["p"].x == 7
    assert type(names["p"]) is names["Point"]
