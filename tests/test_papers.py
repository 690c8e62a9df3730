"""README, CONTRIBUTING, the citation and the issue form: what they name is there."""

import re

import pytest
import yaml

from conftest import POST, ROOT
from orgs import run

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FORM = (ROOT / ".github/ISSUE_TEMPLATE/error.yml").read_text(encoding="utf-8")
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CHAPTERS = re.findall(r"^\* (\d+\. .*)$", POST, re.MULTILINE)


def test_the_form_is_one_that_a_forge_shows():
    form = yaml.safe_load(FORM)
    assert {"name", "description", "body"} <= set(form)
    where, what, doctor = form["body"]
    assert [field["type"] for field in form["body"]] == ["dropdown", "textarea", "textarea"]
    assert where["attributes"]["options"][1:15] == CHAPTERS
    assert len(CHAPTERS) == 14
    assert len(set(where["attributes"]["options"])) == len(where["attributes"]["options"])
    assert "make doctor" in doctor["attributes"]["label"]
    required = [field["validations"]["required"] for field in (where, what, doctor)]
    assert required == [True, True, False]


def test_the_readme_has_a_row_for_each_chapter_with_its_notebook_script_and_figures():
    notebook, script = r"\[(.*)\]\(notebooks/(\w+)\.ipynb\)", r"\[\2\.py\]\(tangled/\2\.py\)"
    row = rf"^\| {notebook} \| .+ \| {script} \| ?(\d*) \|$"
    rows = re.findall(row, README, re.MULTILINE)
    drawn = dict(re.findall(r"^(\w+)_draws +:= (.*)", MAKEFILE, re.MULTILINE))
    scripts = [path.stem for path in sorted((ROOT / "tangled").glob("[0-9][0-9]_*.py"))]
    figures = [str(len(drawn[one].split()) if one in drawn else "") for one in scripts]
    assert rows == list(zip(CHAPTERS, scripts, figures, strict=True))


@pytest.mark.parametrize(
    ("text", "some"),
    [
        (README, {"all", "test", "site", "epub", "pdf", "notebooks", "watch", "help"}),
        (CONTRIBUTING, {"all", "test", "notebooks", "verify", "doctor"}),
        (FORM, {"doctor"}),
    ],
    ids=["README", "CONTRIBUTING", "form"],
)
def test_a_make_target_that_is_named_is_one(text, some):
    named = set(re.findall(r"(?:`|^ +)make ([a-z]+)\b", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)) | {"check"}
    assert some <= named <= targets


@pytest.mark.parametrize("text", [README, CONTRIBUTING])
def test_a_file_that_is_linked_is_there(text):
    linked = re.findall(r"\]\(([^):]+)\)", text)
    assert len(linked) >= 3
    assert [name for name in linked if not (ROOT / name).exists()] == []


def test_the_readme_asks_for_the_torch_and_torchvision_that_are_pinned():
    pinned = (ROOT / "requirements.in").read_text(encoding="utf-8")
    named = re.search(r"pip install (torch==\S+) (torchvision==\S+) --index-url ", README)
    for package in named.groups():
        assert re.search(rf"^{re.escape(package)} ", pinned, re.MULTILINE), package


def test_what_the_readme_runs_without_make_is_there():
    commands = re.findall(r"python -m literate (exercises(?: \w+)?)`", README)
    assert commands == ["exercises", "exercises 04_forgotten_zero"]
    named = re.findall(r"(?:tangled/\w+\.py|\b\d\d_forgotten_zero)", README)
    exercises = ROOT / "tangled" / "exercises"
    assert all((ROOT / one).exists() or (exercises / f"{one}.py").exists() for one in named)


@pytest.mark.parametrize("text", [CONTRIBUTING, FORM])
def test_the_command_without_make_answers(text):
    command = re.search(r"`python3 (-m literate \w+)`", text)[1]
    answer = run(ROOT, *command.split()[2:])
    assert answer.returncode == 0
    assert answer.stdout.startswith("system ")


def test_the_citation_is_of_the_form_1_2_0():
    citation = yaml.safe_load(CITATION)
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert all("type" in one and "title" in one for one in citation["references"])


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
    assert README.count("](CONTRIBUTING.md)") == 1
