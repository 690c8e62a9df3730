"""Tests of what the pages say of the runs that they were woven from."""

import json

import pytest

import posts
from literate.colophon import Facts, facts_of

TWO = """\
* One
#+begin_src python :tangle tangled/a.py
print(1)
#+end_src

* Two
#+begin_src python :tangle tangled/b.py
print(2)
#+end_src
"""


def transcribe(folder, name, **values):
    """Put these values into the transcript of a script."""
    path = folder / "logs" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def facts(folder):
    return facts_of(posts.Post(folder / "post.org"))


def test_the_newest_day_all_devices_and_all_versions(tmp_path):
    posts.write(tmp_path, TWO)
    transcribe(tmp_path, "a", date="2026-11-30", versions={"numpy": "2.4.6", "Python": "3.11.7"})
    later = {"torch": "2.15.0", "numpy": "2.4.7", "Python": "3.11.7"}
    transcribe(tmp_path, "b", date="2026-12-01", versions=later, device="cuda:0")
    found = facts(tmp_path)
    assert found == Facts(
        "2026-12-01",
        {"Python": "3.11.7", "torch": "2.15.0", "NumPy": "2.4.6 and 2.4.7"},
        ("cpu", "cuda:0"),
    )
    assert list(found.versions) == ["Python", "torch", "NumPy"]
    assert str(found) == (
        "Run on 2026-12-01 (device: cpu, cuda:0) with Python 3.11.7, torch 2.15.0, "
        "NumPy 2.4.6 and 2.4.7"
    )


def test_transcripts_of_an_older_recorder_and_no_transcript_at_all(tmp_path):
    posts.write(tmp_path, TWO)
    assert facts(tmp_path) == Facts("", {}, ("cpu",))
    assert str(facts(tmp_path)) == "Run (device: cpu)"
    for log in (tmp_path / "logs").iterdir():
        log.unlink()
    assert facts(tmp_path) == Facts("", {}, ())
    assert str(facts(tmp_path)) == "Run"


@pytest.mark.parametrize(
    "values",
    [{"date": "yesterday"}, {"date": 7}, {"versions": "3.11"}, {"date": "2026-11-28\n"}],
    ids=str,
)
def test_what_is_no_day_or_no_versions_is_refused(tmp_path, values):
    posts.write(tmp_path, TWO)
    transcribe(tmp_path, "a", **values)
    with pytest.raises(ValueError, match=r"a\.json is not a transcript"):
        facts(tmp_path)
