"""The notebooks: cut from the post as they should be, and each one executed from top to bottom."""

import ast
import base64
import json
import re
import subprocess
import sys
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from conftest import ROOT, TANGLED, import_tangled, link_data

notebooks = import_tangled("notebooks")

ORG = ROOT / "pytorch-first-principles.org"
SCRIPTS = sorted(path.stem for path in TANGLED.glob("[0-9][0-9]_*.py"))


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """Return the notebooks of the post, which needs the transcripts of a run."""
    return notebooks.notebooks(ORG)


def read(content: bytes) -> NotebookNode:
    """Return a notebook from its file."""
    return nbformat.reads(content.decode(), as_version=4)


def sources(notebook: NotebookNode, kind: str) -> list[str]:
    """Return what stands in the cells of a kind, "code" or "markdown"."""
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def printed(notebook: NotebookNode, name: str = "stdout") -> list[str]:
    """Return what each code cell printed."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        "".join(
            out.text for out in cell.outputs if out.output_type == "stream" and out.name == name
        )
        for cell in cells
    ]


def values(notebook: NotebookNode) -> list[dict]:
    """Return every output that is no text on stdout or stderr."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [dict(out) for out in outputs if out.output_type != "stream"]


# --- a small post


def post(*chapters: str) -> str:
    """Return an Org file with these chapters."""
    head = "#+title: A small post\n#+property: header-args :noweb yes\n"
    return head + "".join(f"\n{textwrap.dedent(chapter).strip()}\n" for chapter in chapters)


def block(code: str, *, name: str = "", arguments: str = "") -> str:
    """Return a source block in Org, perhaps named."""
    named = f"#+name: {name}\n" if name else ""
    return f"{named}#+begin_src python {arguments}\n{code.strip()}\n#+end_src\n"


def chapter(number: int, *parts: str, tangle: str = "") -> str:
    """Return a chapter whose blocks tangle to a script, unless tangle says otherwise."""
    target = tangle or f"tangled/0{number}_part.py"
    drawer = (
        f":PROPERTIES:\n:CUSTOM_ID: ch-{number}\n:header-args:python: :tangle {target}\n:END:\n"
    )
    return f"* {number}. Part {number}\n{drawer}\n" + "\n".join(parts)


def literate(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line of the machinery."""
    command = [sys.executable, TANGLED / "literate.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes, tangles and runs a small post in a folder of its own."""

    def write(*chapters: str) -> Path:
        org = tmp_path / "post.org"
        org.write_text(post(*chapters), encoding="utf-8")
        (tmp_path / "requirements.in").write_text("numpy==2.4.6  # arrays\nqrcode==1.0\n")
        (tmp_path / "logs").mkdir(exist_ok=True)
        tangled = literate("tangle", org)
        assert tangled.returncode == 0, tangled.stderr
        for script in (tmp_path / "tangled").glob("*.py"):
            log = tmp_path / "logs" / f"{script.stem}.log"
            run = literate("run", script, log.with_suffix(".json"))
            assert run.returncode == 0, run.stderr
            log.write_text(run.stdout, encoding="utf-8")
        return org

    return write


def only(org: Path) -> NotebookNode:
    """Return the one notebook of a small post."""
    (content,) = notebooks.notebooks(org).values()
    return read(content)


FIRST = '"""A script."""\n\n\n<<helper>>\n\n\n<<worker>>\n\n\nstart = 1\n'
HELPER = "def helper():\n    return start + 1"
WORKER = "def worker():\n    return helper()"


def explained(name: str, code: str) -> str:
    """Return a block of functions that the first block of its chapter brings in."""
    return block(code, name=name, arguments=":tangle no")


def test_functions_stand_where_they_are_explained(write):
    parts = (block(FIRST), explained("helper", HELPER), explained("worker", WORKER))
    notebook = only(write(chapter(1, *parts, block("print(worker())"))))
    first = '"""A script."""\n\n\nstart = 1'
    assert sources(notebook, "code") == [first, HELPER, WORKER, "print(worker())"]
    assert printed(notebook) == ["", "", "", "2\n"]


@pytest.mark.parametrize(
    ("use", "stay"),
    [
        ("print(helper())", {"helper"}),
        ("print(worker())", {"helper", "worker"}),
        ("call = lambda: worker()\nprint(call())", {"helper", "worker"}),
        ("def later():\n    return worker()", set()),
        ("def later():\n    return worker()\n\n\nprint(later())", {"helper", "worker"}),
        ("def later(value=worker()):\n    return value", {"helper", "worker"}),
        ("def later(value: helper):\n    return value", {"helper"}),
        ("@(lambda function: helper)\ndef later():\n    pass", {"helper"}),
        ("class Later:\n    value = worker()", {"helper", "worker"}),
        ("class Later:\n    def value(self):\n        return worker()", set()),
        ("class Later(type(helper())):\n    pass", {"helper"}),
        ("print(start.real)", set()),
    ],
)
def test_a_function_that_is_needed_earlier_stays_in_the_first_cell(write, use, stay):
    parts = (block(FIRST), block(use), explained("helper", HELPER), explained("worker", WORKER))
    notebook = only(write(chapter(1, *parts)))
    code, text = sources(notebook, "code"), "\n".join(sources(notebook, "markdown"))
    for name, definition in (("helper", HELPER), ("worker", WORKER)):
        assert (definition in code[0]) == (name in stay)
        assert (definition in code) == (name not in stay)
        assert (f"``` python\n{definition}\n```" in text) == (name in stay)
    assert "\n\n\n\n" not in code[0]
    execute_quickly(code)


def execute_quickly(code: list[str]) -> None:
    """Run cells one after the other as plain Python."""
    names: dict = {}
    for cell in code:
        exec(cell, names)


def test_a_function_that_stays_keeps_what_its_definition_needs(write):
    worker = "def worker(first=helper()):\n    return first"
    first = FIRST.replace("start = 1\n", "print(worker(2))\n").replace("<<", "start = 1\n<<", 1)
    parts = (block(first), explained("worker", worker), explained("helper", HELPER))
    code = sources(only(write(chapter(1, *parts))), "code")
    assert len(code) == 1
    assert HELPER in code[0]


def test_classes_move_too_and_may_build_on_each_other(write):
    classes = "class Worker:\n    pass\n\n\nclass Helper(Worker):\n    pass"
    parts = (block("<<classes>>\n\nx = 1"), explained("classes", classes), block("Helper"))
    assert sources(only(write(chapter(1, *parts))), "code") == ["x = 1", classes, "Helper;"]


def test_a_function_that_is_explained_before_its_script_begins_stays_there(write):
    helper = "def helper(path: Path) -> Path:\n    return path"
    first = "from pathlib import Path\n\n\n<<helper>>"
    notebook = only(write(chapter(1, explained("helper", helper), block(first))))
    assert sources(notebook, "code") == [first.replace("<<helper>>", helper)]
    assert f"``` python\n{helper}\n```" in "\n".join(sources(notebook, "markdown"))


def test_a_block_that_pandoc_reads_otherwise_is_refused(write):
    inside = "- an item\n\n  #+begin_src python\n  y = 2\n  #+end_src\n"
    org = write(chapter(1, block("x = 1"), inside))
    line = org.read_text().splitlines().index("  #+begin_src python") + 1
    problem = rf"post\.org:{line}: pandoc reads this block in another way"
    with pytest.raises(ValueError, match=problem):
        notebooks.notebooks(org)


def test_a_block_that_does_more_than_define_stays(write):
    setting = "import math\n\n\ndef helper():\n    return math.pi"
    notebook = only(write(chapter(1, block("<<setting>>"), explained("setting", setting))))
    assert sources(notebook, "code") == [setting]


@pytest.mark.parametrize(
    ("code", "quiet"),
    [
        ("x = 1", ""),
        ("print(1)", ""),
        ("says_nothing()", ""),
        ("says_something()", "says_something();"),
        ("says_all()", "says_all();"),
        ("Thing()", "Thing();"),
        ("print", "print;"),
        ("'text'", "'text';"),
        ("# nothing", ""),
        ("x = 'ä'; x.strip('ä')  # done", "x = 'ä'; x.strip('ä');  # done"),
        ("[1][\n    0\n]", "[1][\n    0\n];"),
        ("if True:\n    print(1)", ""),
    ],
)
def test_a_cell_ends_without_showing_a_value(write, code, quiet):
    functions = (
        "def says_nothing() -> None:\n    pass\n\n\ndef says_something() -> int:\n    return 1"
        "\n\n\ndef says_all():\n    return 1\n\n\nclass Thing:\n    pass"
    )
    cells = sources(only(write(chapter(1, block(functions), block(code)))), "code")
    assert cells == [functions, quiet or code]


def test_shared_blocks_print_in_the_cell_that_brings_them_in(write):
    first = chapter(1, block("print('data')", name="data"))
    second = chapter(2, block("<<data>>\n\n<<own>>"), explained("own", "print('own')"))
    org = write(first, second)
    one, two = (read(content) for content in notebooks.notebooks(org).values())
    assert printed(one) == ["data\n"]
    assert sources(two, "code") == ["print('data')\n\nprint('own')"]
    assert printed(two) == ["data\nown\n"]


def test_only_numbered_scripts_have_a_notebook(write):
    org = write(chapter(1, block("x = 1")), chapter(2, block("y = 2"), tangle="tangled/tool.py"))
    assert list(notebooks.notebooks(org)) == ["01_part.ipynb"]


def test_links_lead_to_notebooks_or_nowhere(write):
    links = (
        "See [[#ch-2][the /second/ part]], [[#ch-3][the appendix]], [[#below][below]] and"
        " [[https://example.org/][a page]].\n\n** Below\n:PROPERTIES:\n:CUSTOM_ID: below\n:END:\n"
    )
    three = chapter(3, "Words.", block("z = 3"), tangle="no")
    org = write(chapter(1, block("x = 1"), links), chapter(2, block("y = 2")), three)
    text = sources(read(notebooks.notebooks(org)["01_part.ipynb"]), "markdown")
    assert text[1] == (
        "See [the *second* part](02_part.ipynb), the appendix, below and"
        " [a page](https://example.org/)."
    )
    assert text[2] == "## Below"


def test_text_is_what_jupyter_reads(write):
    text = r"""A *word*, =a|b=, \(x_1 < 2\) and
\begin{align}
y &= 2
\end{align}

| a | b |
|---+---|
| 1 | \(y\) |

#+begin_src diff
-old
+new
#+end_src

: as it stands
"""
    written = sources(only(write(chapter(1, block("x = 1"), text))), "markdown")[1]
    assert written.startswith(
        "A **word**, `a|b`, $x_1 < 2$ and $$\\begin{align}\ny &= 2\n\\end{align}$$"
    )
    assert "| a   | b   |\n|-----|-----|\n| 1   | $y$ |" in written
    assert "``` diff\n-old\n+new\n```" in written
    assert written.endswith("    as it stands")


# --- guarded scripts

OUTLINE = '''"""A guarded script."""

<<helper>>


%sif __name__ == "__main__":
    start = 1
    <<shared>>

    <<first>>

    <<second>>
'''
SHARED = explained("shared", "shared = 'shared'\nprint(shared)")


SECOND = "if shared:\n    print(__file__[-3:])"


def guarded(outline: str, *, second: str = SECOND) -> str:
    """Return a chapter that ends in this outline."""
    parts = (
        block("def helper(value):\n    return value + 1", name="helper"),
        block("print(helper(start))", name="first"),
        block(second, name="second"),
        block(outline, arguments=":tangle tangled/02_part.py"),
    )
    return chapter(2, *parts, tangle="no")


@pytest.mark.parametrize("other", ["", 'if __name__ == "__main__" and not __file__:\n    pass\nel'])
def test_a_guarded_script_is_written_and_imported(write, tmp_path, monkeypatch, other):
    outline = OUTLINE % other
    org = write(chapter(1, block("x = 1"), SHARED), guarded(outline))
    notebook = read(notebooks.notebooks(org)["02_part.ipynb"])
    code = sources(notebook, "code")
    definition = "def helper(value):\n    return value + 1"
    before = outline.replace("<<helper>>", definition).split('if __name__ == "__main__":')[0]
    before = before.removesuffix("el").rstrip()
    assert code[0] == f"%%writefile chapter_02.py\n{before}"
    assert code[1] == (
        "from chapter_02 import *\n\n"
        '__file__ = "chapter_02.py"  # a notebook has no file of its own\n\n'
        "start = 1\nshared = 'shared'\nprint(shared)"
    )
    assert code[2:] == ["print(helper(start))", SECOND]
    assert printed(notebook) == ["Writing chapter_02.py\n", "shared\n", "2\n", ".py\n"]
    text = "\n".join(sources(notebook, "markdown"))
    assert f"``` python\n{definition}\n```" in text
    assert f"``` python\n{outline.strip()}\n```" in text


def test_only_a_script_that_uses_its_own_name_is_given_one(write):
    org = write(chapter(1, block("x = 1"), SHARED), guarded(OUTLINE % "", second="print(shared)"))
    code = sources(read(notebooks.notebooks(org)["02_part.ipynb"]), "code")
    assert code[1].startswith("from chapter_02 import *\n\nstart = 1\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    <<first>>\n\n    <<second>>\n", "    <<second>>\n\n    <<first>>\n"),
        ("    <<second>>\n", "    print('between')\n    <<second>>\n"),
        ("    <<second>>\n", "    <<shared>>\n    <<second>>\n"),
        ("    <<second>>\n", "    <<second>>\n    print('after')\n"),
    ],
)
def test_a_guarded_script_whose_cells_would_run_in_another_order_is_refused(write, old, new):
    outline = OUTLINE % ""
    assert outline.count(old) == 1
    org = write(chapter(1, block("x = 1"), SHARED), guarded(outline.replace(old, new)))
    guard = org.read_text().splitlines().index('if __name__ == "__main__":') + 1
    with pytest.raises(ValueError, match=f"post.org:{guard}: behind the guard"):
        notebooks.notebooks(org)


# --- figures

PICTURE = b"\x89PNG a stand-in \xff"
ALT = 'A curve that "falls" at first, and then stays where it is for the rest of the run, as ever'


def with_figure(attributes: str = f"#+caption: It /falls/.\n#+attr_html: :alt {ALT}\n") -> str:
    """Return a chapter with a figure."""
    return chapter(1, block("x = 1"), f"{attributes}[[file:figures/curve.png]]\n\nMore.")


def test_a_figure_is_shown_from_its_file(write, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curve.png").write_bytes(PICTURE)
    notebook = only(write(with_figure()))
    imports, _, image = sources(notebook, "code")
    assert imports.endswith("from IPython.display import Image")
    call = ast.parse(image).body[0].value
    assert [argument.value for argument in call.args] == ["figures/curve.png"]
    assert [(word.arg, word.value.value) for word in call.keywords] == [("alt", ALT)]
    (shown,) = values(notebook)
    assert base64.b64decode(shown["data"]["image/png"]) == PICTURE
    assert shown["metadata"] == {"image/png": {"alt": ALT}}
    assert shown["execution_count"] == notebook.cells[-2].execution_count == 3
    assert sources(notebook, "markdown")[-1] == "*It *falls*.*\n\nMore."


@pytest.mark.parametrize(
    ("attributes", "lacks"),
    [
        ("", "a #+caption:"),
        ("#+caption: It falls.\n", "an :alt text"),
        ("#+attr_html: :alt A curve\n", "a #+caption:"),
    ],
)
def test_a_figure_needs_a_caption_and_a_text(write, tmp_path, attributes, lacks):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curve.png").write_bytes(PICTURE)
    org = write(with_figure(attributes))
    with pytest.raises(ValueError, match=re.escape(f"post.org: figures/curve.png needs {lacks}")):
        notebooks.notebooks(org)


# --- what to install


def test_a_notebook_says_what_to_install(write):
    used = "if False:\n    import os.path\n    import qrcode.image as q\n    from numpy import pi"
    (line,) = sources(only(write(chapter(1, block(used)))), "code")[:1]
    assert line == f"{notebooks.INSTALL}numpy==2.4.6 qrcode==1.0"


def test_a_package_without_a_version_is_refused(write):
    org = write(chapter(1, block("if False:\n    import torchviz")))
    problem = "needs graphviz-pure, setuptools, torchviz, in no version"
    with pytest.raises(ValueError, match=rf"requirements.in: \S*tangled/01_part.py {problem}"):
        notebooks.notebooks(org)


# --- the command


def test_the_command_writes_what_changed(write, tmp_path):
    org, folder = write(chapter(1, block("x = 1")), chapter(2, block("y = 2"))), tmp_path / "new"
    run = literate("notebooks", org, folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("wrote 2 notebooks into ")
    names = ["01_part.ipynb", "02_part.ipynb", "SHA256SUMS"]
    assert sorted(path.name for path in folder.iterdir()) == names
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()}
    write(chapter(1, block("x = 1")), chapter(2, block("y = 3")))
    assert literate("notebooks", org, folder).returncode == 0
    after = {path: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()}
    assert [path.name for path in sorted(after) if after[path] != before[path]] == names[1:]


def test_a_notebook_that_someone_changed_is_not_overwritten(write, tmp_path):
    org, folder = write(chapter(1, block("x = 1")), chapter(2, block("y = 2"))), tmp_path / "new"
    assert literate("notebooks", org, folder).returncode == 0
    (folder / "01_part.ipynb").write_text("mine")
    write(chapter(1, block("x = 1")), chapter(2, block("y = 3")))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    run = literate("notebooks", org, folder)
    assert (run.returncode, run.stdout) == (1, "")
    assert re.fullmatch(r"\S*new/01_part.ipynb was changed since it was written, .*\n", run.stderr)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "01_part.ipynb").unlink()
    assert literate("notebooks", org, folder).returncode == 0
    assert "y = 3" in (folder / "02_part.ipynb").read_text(encoding="utf-8")


def change_script(folder: Path) -> None:
    """Change a script after its run, by way of the Org file."""
    org = folder / "post.org"
    org.write_text(org.read_text().replace("x = 1", "x = 2"))
    assert literate("tangle", org).returncode == 0


def remove(name: str) -> Callable[[Path], None]:
    """Return a function that removes a file."""
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("logs/01_part.log"), r"\S*logs/01_part.log is missing: .* make all"),
        (remove("logs/01_part.json"), r"\S*logs/01_part.json: No such file or directory"),
        (change_script, r"\S*tangled/01_part.py has changed since it ran; .*"),
        (remove("figures/curve.png"), r"\S*figures/curve.png: No such file or directory"),
        (remove("requirements.in"), r"\S*requirements.in: No such file or directory"),
    ],
)
def test_what_is_missing_or_stale_is_one_line(write, tmp_path, damage, message):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curve.png").write_bytes(PICTURE)
    org = write(with_figure())
    damage(tmp_path)
    run = literate("notebooks", org, tmp_path / "new")
    assert (run.returncode, run.stdout) == (1, "")
    assert re.fullmatch(message + "\n", run.stderr), run.stderr
    assert not (tmp_path / "new").exists()


def test_a_post_without_numbered_scripts_is_refused(write):
    org = write(chapter(1, block("x = 1"), tangle="tangled/tool.py"))
    with pytest.raises(ValueError, match=r"post\.org: no chapter has a script with a number"):
        notebooks.notebooks(org)


# --- the notebooks of the post

DEFINES = re.compile(r"(?:@.*\n)*(?:def|class) ")


def test_each_chapter_has_a_notebook_and_each_time_the_same(made):
    assert [name.removesuffix(".ipynb") for name in made] == SCRIPTS
    assert len(SCRIPTS) == 14
    assert notebooks.notebooks(ORG) == made


def test_every_notebook_is_valid(made):
    for name, content in made.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            notebook = read(content)
            nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5), name
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1)), name
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells), name
        assert all(cell.source.strip() == cell.source for cell in notebook.cells), name


def unguarded(one: ast.stmt) -> list[ast.stmt]:
    """Return what stands behind the guard of a script in place of the guard."""
    if not isinstance(one, ast.If) or "__name__" not in ast.unparse(one.test):
        return [one]
    if ast.unparse(one.test) == "__name__ == '__main__'":
        return one.body
    behind = [inner for branch in one.orelse for inner in unguarded(branch)]
    one.orelse = []
    return [one, *behind]


def statements(code: str) -> list[str]:
    """Return the top-level statements of code, and those behind its guard."""
    return [ast.unparse(inner) for one in ast.parse(code).body for inner in unguarded(one)]


def code_of(notebook: NotebookNode) -> str:
    """Return the code of a notebook, without what only a notebook needs."""
    code = "\n".join(one for one in sources(notebook, "code") if not one.startswith("Image("))
    only_here = r"^%%writefile .*$|^from (chapter_\d\d|IPython\.display) import .*$|^__file__ = .*$"
    return re.sub(only_here, "", code, flags=re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_does_what_its_script_does(made, name):
    notebook = read(made[f"{name}.ipynb"])
    script = (TANGLED / f"{name}.py").read_text(encoding="utf-8")
    here, there = statements(code_of(notebook)), statements(script)
    assert Counter(here) == Counter(there)
    orders = [[one for one in every if not DEFINES.match(one)] for every in (here, there)]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_shows_what_its_script_printed_and_drew(made, name):
    notebook = read(made[f"{name}.ipynb"])
    text = "".join(one for one in printed(notebook) if not one.startswith("Writing "))
    assert text == (ROOT / "logs" / f"{name}.log").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    draws = re.search(rf"^{name}_draws +:= (.*)", makefile, re.MULTILINE)
    drawn = (
        [(ROOT / "figures" / f"{one}.png").read_bytes() for one in draws[1].split()]
        if draws
        else []
    )
    shown = [base64.b64decode(value["data"]["image/png"]) for value in values(notebook)]
    assert sorted(shown) == sorted(drawn)
    assert all(value["metadata"]["image/png"]["alt"] for value in values(notebook))


def test_the_text_of_the_notebooks_leads_nowhere_else(made):
    for name, content in made.items():
        text = "\n".join(sources(read(content), "markdown"))
        for target in re.findall(r"\]\(([^)]*)\)", text):
            assert target in made or target.startswith("https://"), name
        assert "[[#" not in text and "[[file:" not in text, name
        assert not re.search(r"<(?!!)/?(?:span|div|a|img)\b|<!--", text), name


# --- executed


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a kernel that runs this very Python and keeps its files to itself."""
    aside = tmp_path / "aside"
    (aside / "kernels" / "this-python").mkdir(parents=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    description = {"argv": arguments, "display_name": "This Python", "language": "python"}
    (aside / "kernels" / "this-python" / "kernel.json").write_text(json.dumps(description))
    for name in ("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(aside))
    monkeypatch.setenv("DEVICE", "cpu")
    monkeypatch.delenv("EPOCHS", raising=False)
    return "this-python"


def execute(notebook: NotebookNode, folder: Path, kernel: str) -> NotebookNode:
    """Run a notebook in a folder, from top to bottom, in a fresh kernel."""
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name=kernel, timeout=600, resources=where)
    return client.execute()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_notebook_runs_and_gives_the_outputs_it_holds(made, name, tmp_path, kernel):
    folder = tmp_path / "empty"
    folder.mkdir()
    if name == "14_autoencoder":
        link_data(folder)
    held = read(made[f"{name}.ipynb"])
    fresh = execute(read(made[f"{name}.ipynb"]), folder, kernel)
    assert "".join(printed(fresh, "stderr")) == ""
    assert printed(fresh) == printed(held)
    assert values(fresh) == values(held)
