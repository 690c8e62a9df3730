"""CONTRIBUTING, the citation and the issue form: what they name is there."""

import re
from pathlib import Path

import pytest

from conftest import POST, ROOT
from orgs import run

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FORM = (ROOT / ".github/ISSUE_TEMPLATE/error.yml").read_text(encoding="utf-8")
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_form_offers_each_chapter_by_its_heading():
    chapters = re.findall(r"^\* (\d+\. .*)$", POST, re.MULTILINE)
    assert re.findall(r'^        - "(\d+\. .*)"$', FORM, re.MULTILINE) == chapters
    assert len(chapters) == 14


@pytest.mark.parametrize("text", [CONTRIBUTING, FORM])
def test_a_make_target_that_is_named_is_one(text):
    named = set(re.findall(r"(?:`|^ +)make ([a-z]+)\b", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)) | {"check"}
    assert {"doctor"} <= named <= targets


def test_a_file_that_is_linked_is_there():
    linked = re.findall(r"\]\(([^):]+)\)", CONTRIBUTING)
    assert len(linked) >= 3
    assert [name for name in linked if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("text", [CONTRIBUTING, FORM])
def test_the_command_without_make_answers(text):
    command = re.search(r"`python3 (-m literate \w+)`", text)[1]
    answer = run(ROOT, *command.split()[2:])
    assert answer.returncode == 0
    assert answer.stdout.startswith("system ")


def test_the_citation_has_the_version_and_the_licences_of_the_project():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*)"', project, re.MULTILINE)[1]
    assert f'\nversion: "{version}"\n' in CITATION
    licences = re.search(r'^license = "(.*)"', project, re.MULTILINE)[1].split(" AND ")
    assert re.search(r"^license:\n((?:  - .*\n)+)", CITATION, re.MULTILINE)[1] == (
        "".join(f"  - {name}\n" for name in licences)
    )


def test_contributing_is_one_page():
    assert len(CONTRIBUTING.splitlines()) <= 60
    assert Path(ROOT / "README.md").read_text(encoding="utf-8").count("CONTRIBUTING.md") >= 1
