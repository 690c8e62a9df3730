"""Notebooks cut from small posts: each cell, link and output where it should be."""

import ast
import base64
import contextlib
import io
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import nbformat
import pypandoc
import pytest
from nbformat import NotebookNode

from conftest import ROOT
from literate import cells, needs, notebooks
from literate.run import run_command
from literate.tangle import tangle_command
from orgs import run
from reading import printed, read, sources, values

ORG = ROOT / "pytorch-first-principles.org"
SCRIPTS = sorted(path.stem for path in (ROOT / "tangled").glob("[0-9][0-9]_*.py"))


def block(code: str, *, name: str = "", arguments: str = "") -> str:
    """Return a source block in Org, perhaps named."""
    named = f"#+name: {name}\n" if name else ""
    return f"{named}#+begin_src python {arguments}\n{code.strip()}\n#+end_src\n"


def explained(name: str, code: str) -> str:
    """Return a named block that goes nowhere by itself."""
    return block(code, name=name, arguments=":tangle no")


def chapter(number: int, *parts: str, tangle: str = "") -> str:
    """Return a chapter whose blocks tangle to a script, unless tangle says otherwise."""
    target = tangle or f"tangled/0{number}_part.py"
    drawer = f":CUSTOM_ID: ch-{number}\n:header-args:python: :tangle {target}\n:END:\n"
    return f"* {number}. Part {number}\n:PROPERTIES:\n{drawer}\n" + "\n".join(parts)


def literate(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line of the builder."""
    return run(ROOT, *map(str, arguments))


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes, tangles and runs a small post in a folder of its own."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable])  # a worker of pytest-xdist has options

    def write(*chapters: str) -> Path:
        org = tmp_path / "post.org"
        head = "#+title: A small post\n#+property: header-args :noweb yes\n"
        parts = "".join(f"\n{textwrap.dedent(chapter).strip()}\n" for chapter in chapters)
        org.write_text(head + parts, encoding="utf-8")
        (tmp_path / "requirements.in").write_text("numpy==2.4.6  # arrays\nqrcode==1.0\n")
        for folder in ("logs", "tangled"):
            (tmp_path / folder).mkdir(exist_ok=True)
        assert tangle_command(org) == 0
        for script in (tmp_path / "tangled").glob("*.py"):
            log = tmp_path / "logs" / f"{script.stem}.log"
            assert run_command(script, log.with_suffix(".json")) == 0
            transcript = json.loads(log.with_suffix(".json").read_text(encoding="utf-8"))
            log.write_text("".join(text for _, text in transcript["output"]), encoding="utf-8")
        return org

    return write


def only(org: Path, name: str = "") -> NotebookNode:
    """Return the notebook of a small post of this name, or the only one; it must be valid."""
    made = notebooks.notebooks(org)
    if not name:
        assert len(made) == 1
    notebook = read(made[name] if name else next(iter(made.values())))
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    return notebook


def runs_as_it_says(notebook: NotebookNode, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the cells one after the other as plain Python; assert that each prints what it holds."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names: dict = {"__name__": "__main__"}
    for source, expected in zip(sources(notebook, "code"), printed(notebook), strict=True):
        head, _, rest = source.partition("\n")
        if head.startswith("%%writefile "):
            (folder / head.removeprefix("%%writefile ")).write_text(rest + "\n")
            assert expected == f"Writing {head.removeprefix('%%writefile ')}\n"
            continue
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(source, names)
        assert output.getvalue() == expected
    for name in [name for name in sys.modules if re.fullmatch(r"chapter_\d\d", name)]:
        monkeypatch.delitem(sys.modules, name)


# --- a chapter is its blocks in their order


def test_each_block_is_a_cell_in_the_order_of_the_text(write, tmp_path, monkeypatch):
    first = '"""A script."""\n\nstart = 1'
    helper = "def helper(value: int) -> int:\n    return value + 1"
    parts = (block(first), "Words.\n", block(helper, name="helper"), block("print(helper(start))"))
    notebook = only(write(chapter(1, *parts)))
    assert sources(notebook, "code") == [first, helper, "print(helper(start))"]
    assert printed(notebook) == ["", "", "2\n"]
    assert [cell.cell_type for cell in notebook.cells][:3] == ["markdown", "code", "markdown"]
    assert sources(notebook, "markdown")[1:] == ["Words."]
    runs_as_it_says(notebook, tmp_path, monkeypatch)


def test_section_lines_are_left_out_and_a_block_of_nothing_else_is_no_cell(write):
    parts = (
        block("x = 1"),
        "** First\n",
        block("# %% First"),
        block("print(x)", name="shown"),
        "** Second\n",
        block("# %% Second\n\nprint(x + 1)  # %% stays"),
    )
    notebook = only(write(chapter(1, *parts)))
    assert sources(notebook, "code") == ["x = 1", "print(x)", "print(x + 1)  # %% stays"]
    assert sources(notebook, "markdown")[1:] == ["## First", "## Second"]
    assert printed(notebook) == ["", "1\n", "2\n"]


@pytest.mark.parametrize(
    "code",
    ["def helper():\n    return 1", "import math\n\n\ndef helper():\n    return math.pi"],
)
def test_a_block_that_another_brings_in_is_text_where_it_stands(write, code):
    first = "import os\n\n\n<<helper>>\n\n\nprint(helper() > 0)"
    notebook = only(write(chapter(1, explained("helper", code), block(first))))
    assert sources(notebook, "code") == [first.replace("<<helper>>", code)]
    assert f"``` python\n{code}\n```" in "\n".join(sources(notebook, "markdown"))


def test_a_tangled_block_inside_a_list_is_refused(write):
    inside = "- an item\n\n  #+begin_src python\n  y = 2\n  #+end_src\n"
    org = write(chapter(1, block("x = 1"), inside))
    line = org.read_text().splitlines().index("  #+begin_src python") + 1
    with pytest.raises(ValueError, match=rf"post\.org:{line}: this block stands inside a list "):
        notebooks.notebooks(org)


def test_another_block_inside_a_list_stays_there(write):
    inside = "- an item\n\n  #+begin_src sh\n  make\n  #+end_src\n"
    text = sources(only(write(chapter(1, block("x = 1"), inside))), "markdown")[1]
    assert text == "- an item\n\n  ``` sh\n  make\n  ```"


@pytest.mark.parametrize(
    ("first", "second"),
    [("x = (", ")"), ('x = """', '"""'), ("try:\n    x = 1", "except ValueError:\n    pass")],
)
def test_a_statement_that_spans_two_blocks_is_one_line(write, tmp_path, first, second):
    org = write(chapter(1, block(first), "Words.\n", block(second)))
    line = org.read_text().splitlines().index("#+begin_src python ") + 1
    ran = literate("notebooks", org, tmp_path / "new")
    assert (ran.returncode, ran.stdout) == (1, "")
    pattern = rf"\S*post\.org:{line}: no cell of a notebook can run this block alone: .*\n"
    assert re.fullmatch(pattern, ran.stderr), ran.stderr


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
    found = sources(only(write(chapter(1, block(functions), block(code)))), "code")
    assert found == [functions, quiet or code]


def test_shared_blocks_print_in_the_cell_that_brings_them_in(write):
    first = chapter(1, block("print('data')", name="data"))
    outer = "<<data>>\n\nprint('between')\n\n<<own>>\n\nprint('last')"
    second = chapter(2, block(outer), explained("own", "print('own')"))
    org = write(first, second)
    assert printed(only(org, "01_part.ipynb")) == ["data\n"]
    two = only(org, "02_part.ipynb")
    expanded = "print('data')\n\nprint('between')\n\nprint('own')\n\nprint('last')"
    assert sources(two, "code") == [expanded]
    assert printed(two) == ["data\nbetween\nown\nlast\n"]
    assert sources(two, "markdown")[1] == "``` python\nprint('own')\n```"


def test_a_cell_shows_what_a_reader_of_a_terminal_saw(write):
    loud = r"print('\x1b[1mbold\x1b[0m')" + "\n" + r"print('first\rlast!')"
    assert printed(only(write(chapter(1, block(loud))))) == ["bold\nlast!\n"]


def test_an_output_keeps_its_spaces_tabs_and_line_ends(write):
    odd = r"print('  a\t*b*\n\n\n  $c$  ')" + "\n" + "print('no end', end='')"
    assert printed(only(write(chapter(1, block(odd))))) == ["  a\t*b*\n\n\n  $c$  \nno end"]


def test_code_keeps_every_character(write):
    odd = "x = '''\n\n\n\n  <b> `a` \\\\ $x$ ü\n``````\n'''\n\n\n\n# \ttab\ny = x"
    assert sources(only(write(chapter(1, block(odd)))), "code") == [odd]


def test_only_numbered_scripts_have_a_notebook(write):
    org = write(chapter(1, block("x = 1")), chapter(2, block("y = 2"), tangle="tangled/tool.py"))
    assert list(notebooks.notebooks(org)) == ["01_part.ipynb"]


# --- text


def test_links_lead_to_notebooks_or_nowhere(write):
    links = (
        "See [[#ch-2][the /second/ part]], [[#in-2][its section]], [[#ch-3][the appendix]],"
        " [[#below][below]] and [[https://example.org/][a page]].\n\n"
        "** Below\n:PROPERTIES:\n:CUSTOM_ID: below\n:END:\n"
    )
    two = (block("y = 2"), "** Inside\n:PROPERTIES:\n:CUSTOM_ID: in-2\n:END:\n")
    three = chapter(3, "Words.", block("z = 3"), tangle="no")
    org = write(chapter(1, block("x = 1"), links), chapter(2, *two), three)
    text = sources(only(org, "01_part.ipynb"), "markdown")
    assert text[1] == (
        "See [the *second* part](02_part.ipynb), [its section](02_part.ipynb), the appendix, below"
        " and [a page](https://example.org/)."
    )
    assert text[2] == "## Below"


def test_text_is_what_jupyter_reads(write):
    text = r"""A *word*, =a|b=, a_{sub}, \(x_1 < 2\) and
\begin{align}
y &= 2
\end{align}

| a | b |
|---+---|
| 1 | \(y\) |

#+begin_src diff :from old :to new
-old
+new
#+end_src

: as it stands
"""
    ends = block("old", name="old", arguments=":tangle no")
    ends += block("new", name="new", arguments=":tangle no")
    org = write(chapter(1, block("x = 1"), text), chapter(2, block("y = 2"), ends))
    written = sources(only(org, "01_part.ipynb"), "markdown")[1]
    assert written.startswith(
        "A **word**, `a|b`, a_(sub), $x_1 < 2$ and $$\\begin{align}\ny &= 2\n\\end{align}$$"
    )
    assert "| a   | b   |\n|-----|-----|\n| 1   | $y$ |" in written
    assert "``` diff\n-old\n+new\n```" in written
    assert written.endswith("    as it stands")


@pytest.mark.parametrize("raw", ["@@html:<b>x</b>@@", "@@latex:\\textbf{x}@@", "#+html: <hr>"])
def test_only_a_formula_becomes_a_formula(write, tmp_path, raw):
    org = write(chapter(1, block("x = 1"), f"Words {raw} words." if raw[0] == "@" else raw))
    ran = literate("notebooks", org, tmp_path / "new")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(r"\S*post\.org:\d+: .*\n", ran.stderr), ran.stderr


def test_a_notebook_begins_with_its_title_and_where_it_is_from(write):
    text = sources(only(write(chapter(1, block("x = 1")))), "markdown")
    assert text[0].startswith("# 1. Part 1\n\nA chapter of the post *A small post* as a notebook.")
    assert "`post.org`" in text[0]


def test_an_answer_folds_below_its_question(write):
    text = r"""** Why?

#+begin_question
Is =a|b= /more/ than \(x_1\)?

*Yes*, as in [[#ch-2][the next]]: \(x_1 < 2\), see [[#below][below]]:

- one
- two

#+begin_src sh
make
#+end_src
#+end_question
#+begin_question
And why?

For reasons.
#+end_question

** Below
:PROPERTIES:
:CUSTOM_ID: below
:END:
"""
    org = write(chapter(1, block("x = 1"), text), chapter(2, block("y = 2")))
    text = sources(only(org, "01_part.ipynb"), "markdown")
    assert text[-2] == (
        "## Why?\n\n"
        "Is `a|b` *more* than $x_1$?\n\n"
        "<details>\n<summary>Answer</summary>\n\n"
        "**Yes**, as in [the next](02_part.ipynb): $x_1 < 2$, see below:\n\n"
        "- one\n- two\n\n``` sh\nmake\n```\n\n"
        "</details>\n\n"
        "And why?\n\n"
        "<details>\n<summary>Answer</summary>\n\nFor reasons.\n\n</details>"
    )
    shown = pypandoc.convert_text(text[-2], "html", "gfm+tex_math_dollars")
    tags = re.findall(r"<(/?(?:details|p|ul|pre))\b", shown)
    first = ["p", "/p", "details", "p", "/p", "ul", "/ul", "pre", "/pre", "/details"]
    assert tags == [*first, *["p", "/p", "details", "p", "/p", "/details"]]


def test_a_block_of_the_script_cannot_fold_away(write):
    question = f"#+begin_question\nWhy?\n\n{block('y = 2')}#+end_question\n"
    org = write(chapter(1, block("x = 1"), question))
    line = org.read_text().splitlines().index("y = 2")
    with pytest.raises(ValueError, match=rf"post\.org:{line}: this block stands inside a list "):
        notebooks.notebooks(org)


# --- chapters with worker processes

SET_UP = '"""A script."""\n\nimport os'
HELPER = "def helper(value):\n    return value + 1"
LATE = "class Late:\n    value = helper(4)"
FIRST_GUARD = """
if __name__ == "__main__":
    start = 1
    <<shared>>

    <<first>>

    # %% Second
    <<second>>
"""
SECOND_GUARD = 'if __name__ == "__main__":\n    <<third>>'
SHARED = explained("shared", "shared = 'shared'\nprint(shared)")


def guarded(guard: str = FIRST_GUARD, late: str = SECOND_GUARD) -> str:
    """Return a chapter with definitions, and what runs behind two guards."""
    parts = (
        block(SET_UP),
        "** First\n",
        block("# %% First"),
        block(HELPER, name="helper"),
        block(guard),
        explained("first", "print(helper(start))"),
        "** Second\n",
        explained("second", "if shared:\n\n    print(2)"),
        block(LATE),
        block(late),
        "Words.\n",
        explained("third", "Late.value\nprint(Late.value)"),
    )
    return chapter(2, *parts)


def test_what_workers_need_is_written_and_imported(write, tmp_path, monkeypatch):
    notebook = only(write(chapter(1, block("x = 1"), SHARED), guarded()), "02_part.ipynb")
    code = sources(notebook, "code")
    assert code == [
        f"%%writefile chapter_02.py\n{SET_UP}\n\n\n{HELPER}\n\n\n{LATE}",
        "from chapter_02 import *",
        "start = 1\nshared = 'shared'\nprint(shared)",
        "print(helper(start))",
        "if shared:\n\n    print(2)",
        "Late.value\nprint(Late.value)",
    ]
    assert printed(notebook) == ["Writing chapter_02.py\n", "", "shared\n", "2\n", "2\n", "5\n"]
    text = sources(notebook, "markdown")
    assert text[0].endswith(cells.WORKERS)
    fenced = [HELPER, FIRST_GUARD.replace("    # %% Second\n", ""), LATE]
    for part in [*fenced, SECOND_GUARD]:
        assert "\n".join(text).count(f"``` python\n{part.strip()}\n```") == 1
    assert SET_UP not in "\n".join(text)  # it stands in the file, just above
    assert "__file__" not in "\n".join(code)
    runs_as_it_says(notebook, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "behind",
    [
        "    <<second>>\n\n    <<first>>",
        "    <<first>>\n    print('between')\n    <<second>>",
        "    <<first>>\n    <<shared>>\n    <<second>>",
        "    <<first>>\n    print('after')",
        "    <<first>>\nx = 1",
        "    <<first>>\n\n    <<third>>",
    ],
)
def test_a_guarded_script_whose_cells_would_run_in_another_order_is_refused(write, behind):
    parts = (
        block(f'if __name__ == "__main__":\n{behind}'),
        explained("first", "print(1)"),
        explained("second", "print(2)"),
        block("def between():\n    return 3"),
        explained("third", "print(3)"),
    )
    org = write(chapter(1, block("x = 1"), SHARED), chapter(2, *parts))
    with pytest.raises(ValueError, match=r"post\.org:\d+: behind a guard stand only blocks of"):
        notebooks.notebooks(org)


def test_definitions_print_where_they_are_imported(write, tmp_path, monkeypatch):
    parts = (block("print('defined')"), block(SECOND_GUARD), explained("third", "print(3)"))
    notebook = only(write(chapter(1, *parts)))
    assert printed(notebook) == ["Writing chapter_01.py\n", "defined\n", "3\n"]
    runs_as_it_says(notebook, tmp_path, monkeypatch)


def test_a_guard_ends_where_its_indentation_ends(write, tmp_path, monkeypatch):
    guard = 'if __name__ == "__main__":\n    x = 1\n\n    print(x)\n\n\ndef late():\n    return 2'
    notebook = only(write(chapter(1, block(f"import os\n\n{guard}"))))
    assert sources(notebook, "code") == [
        "%%writefile chapter_01.py\nimport os\n\n\ndef late():\n    return 2",
        "from chapter_01 import *",
        "x = 1\n\nprint(x)",
    ]
    runs_as_it_says(notebook, tmp_path, monkeypatch)


# --- chapters that start themselves again

EXIT = 'if "RESUME" in os.environ:\n    print(value, flush=True)\n    sys.exit()'
AGAIN = """
command = [sys.executable, __file__]
environment = os.environ | {"RESUME": "yes"}
print(subprocess.run(command, env=environment, capture_output=True, text=True).stdout.strip())
"""


@pytest.mark.parametrize("end", ["sys.exit()", "os._exit(0)"])
def test_a_chapter_that_starts_itself_again_writes_its_code(write, tmp_path, monkeypatch, end):
    leave = EXIT.replace("sys.exit()", end)
    imports = "import os\nimport subprocess\nimport sys"
    between = 'print("between")'
    tail = "\nprint(Path(__file__).name.startswith('c') or len(__file__) > 0)"
    parts = (
        block(imports),
        block("value = 7\nvalue"),
        block(leave),
        block(between),
        "Words.\n",
        block(AGAIN),
        block(f"from pathlib import Path\n{tail}"),
    )
    notebook = only(write(chapter(1, *parts)))
    code = sources(notebook, "code")
    written = "\n\n\n".join([imports, "value = 7\nvalue", leave])
    assert code == [
        imports,
        "value = 7\nvalue;",
        leave,
        between,
        f"%%writefile chapter_01.py\n{written}",
        f'__file__ = "chapter_01.py"  # a notebook has no file of its own\n\n{AGAIN.strip()}',
        f"from pathlib import Path\n{tail}",
    ]
    assert sources(notebook, "markdown")[1] == f"Words.\n\n{cells.AGAIN}"
    runs_as_it_says(notebook, tmp_path, monkeypatch)


def test_a_chapter_without_an_exit_writes_all_its_code_so_far(write, tmp_path, monkeypatch):
    code = [
        "import os",
        "value = os.sep",
        "print(len(__file__) > len(value))",
        "print(__file__[-3:])",
    ]
    notebook = only(write(chapter(1, *map(block, code))))
    assert sources(notebook, "code")[2:] == [
        "%%writefile chapter_01.py\nimport os\n\n\nvalue = os.sep",
        f'__file__ = "chapter_01.py"  # a notebook has no file of its own\n\n{code[2]}',
        code[3],
    ]
    runs_as_it_says(notebook, tmp_path, monkeypatch)


def test_a_guarded_chapter_is_written_once_and_knows_its_file(write, tmp_path, monkeypatch):
    parts = (block("x = 1"), block(SECOND_GUARD), explained("third", "print(__file__[-3:])"))
    notebook = only(write(chapter(1, *parts)))
    assert sources(notebook, "code") == [
        "%%writefile chapter_01.py\nx = 1",
        "from chapter_01 import *",
        '__file__ = "chapter_01.py"  # a notebook has no file of its own\n\nprint(__file__[-3:])',
    ]
    runs_as_it_says(notebook, tmp_path, monkeypatch)


def test_the_name_of_the_file_alone_in_a_word_is_no_use_of_it(write):
    code = "my__file__s = 1\nprint(my__file__s)"
    assert sources(only(write(chapter(1, block(code)))), "code") == [code]


# --- figures

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
ALT = 'A curve that "falls" at first, and then stays where it is for the rest of the run, as ever ü'


@pytest.fixture
def with_figure(tmp_path: Path) -> str:
    """Return a chapter with a figure, whose file is there."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "curve.png").write_bytes(PICTURE)
    shown = f"#+caption: It /falls/.\n#+attr_html: :alt {ALT}\n[[file:figures/curve.png]]\n\nMore."
    return chapter(1, block("x = 1"), shown)


def test_a_figure_is_shown_from_its_file(write, with_figure):
    notebook = only(write(with_figure))
    imports, _, image = sources(notebook, "code")
    assert imports == "from IPython.display import Image"
    call = ast.parse(image).body[0].value
    assert ast.unparse(call.func) == "Image"
    assert ALT[-1] in image  # as one reads it, not as a number
    assert [argument.value for argument in call.args] == ["figures/curve.png"]
    assert [(word.arg, word.value.value) for word in call.keywords] == [("alt", ALT)]
    assert max(map(len, image.splitlines())) <= 100
    (shown,) = values(notebook)
    assert shown["output_type"] == "execute_result"
    assert base64.b64decode(shown["data"]["image/png"]) == PICTURE
    assert shown["data"]["text/plain"] == "<IPython.core.display.Image object>"
    assert shown["metadata"] == {"image/png": {"alt": ALT}}
    assert shown["execution_count"] == notebook.cells[-2].execution_count == 3
    assert sources(notebook, "markdown")[-1] == "**Figure 1.** It *falls*.\n\nMore."


@pytest.mark.parametrize(
    "attributes", ["", "#+caption: It falls.\n", "#+attr_html: :alt A curve\n"]
)
def test_a_figure_needs_a_caption_and_a_text(write, with_figure, attributes):
    org = write(re.sub(r"#\+caption.*\n.*\n", attributes, with_figure))
    problem = r"post\.org:\d+: figures/curve\.png needs a #\+caption: and an :alt text"
    with pytest.raises(ValueError, match=problem):
        notebooks.notebooks(org)


def test_a_figure_inside_a_list_is_one_line(write, with_figure, tmp_path):
    start, _, figure = with_figure.partition("#+caption")
    inside = f"- an item\n\n  #+caption{figure.replace('#+attr', '  #+attr').replace('[[', '  [[')}"
    org = write(start + inside)
    ran = literate("notebooks", org, tmp_path / "new")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(r"figures/curve\.png stands inside a list .*\n", ran.stderr), ran.stderr


# --- what to install


def asked_for(cell: str) -> list[str]:
    """Return the packages that the first cell of a notebook names."""
    return re.findall(r'"([\w-]+==[\w.]+)",', cell.partition("\ninstall_what_is_missing(\n")[2])


def test_a_notebook_installs_what_its_chapter_imports(write):
    used = "if False:\n    import os.path\n    import qrcode.image as q\n    from numpy import pi"
    (cell,) = sources(only(write(chapter(1, block(used)))), "code")[:1]
    assert cell.endswith('\ninstall_what_is_missing(\n    "numpy==2.4.6", "qrcode==1.0",\n)')
    assert asked_for(cell) == ["numpy==2.4.6", "qrcode==1.0"]


def test_a_package_may_need_others(write, tmp_path):
    org = write(
        chapter(1, block("if False:\n    import torchviz\n    import sklearn.linear_model"))
    )
    pins = "scikit-learn==1\ntorchviz==2\nsetuptools==3\ngraphviz-pure==4\nunused==5\n"
    (tmp_path / "requirements.in").write_text(pins)
    (cell, *_) = sources(only(org), "code")
    assert asked_for(cell) == [
        "scikit-learn==1",
        "torchviz==2",
        "setuptools==3",
        "graphviz-pure==4",
    ]
    assert cell.count(f"\n{needs.GRAPHVIZ}install_what_is_missing(\n") == 1


WANTED = ("torch==2.15.0", "torchvision==0.29.2", "numpy==2.4.6", "torchviz==0.0.3")
COLABS = ("torch==2.8.0+cu126", "torchvision==0.23.0+cu126", "numpy==2.0.2", "other==1")
OTHERS = "The outputs below were made with other versions than yours:"
PIP = """
import json, sys
from pathlib import Path
print("pip says")
Path(__file__).with_name("asked.json").write_text(json.dumps(sys.argv[1:]))
sys.exit("broken" in sys.argv[-1])
"""


def run_first_cell(folder: Path, there: tuple[str, ...]) -> tuple[int, str, list[str]]:
    """Run the cell that installs WANTED where these packages are there, with a pip that notes.

    Returns the exit status, what the cell printed, and what it asked of pip.
    """
    for package in there:
        name, _, version = package.partition("==")
        about = folder / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(PIP)
    (cell,) = needs.set_up(list(WANTED), has_figures=False)
    ran = subprocess.run(
        [sys.executable, "-S", "-c", cell.source],  # without the packages that are really there
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = folder / "pip" / "asked.json"
    return ran.returncode, ran.stdout, json.loads(asked.read_text()) if asked.exists() else []


@pytest.mark.parametrize(
    ("there", "installed", "said"),
    [
        (WANTED, "", ""),
        (("torch==2.15.0+cu132", *WANTED[1:]), "", ""),
        # Nothing is there: pip chooses the torchvision that belongs to this torch.
        ((), "torch==2.15.0 torchvision numpy==2.4.6 torchviz==0.0.3", ""),
        # On Colab: what is there is named with its own version, so that pip may not replace it.
        (COLABS, f"torchviz==0.0.3 {' '.join(COLABS[:3])}", " ".join([OTHERS, *COLABS[:3]])),
        ((COLABS[0], *WANTED[2:]), f"torchvision {COLABS[0]} {' '.join(WANTED[2:])}", ""),
        ((*WANTED[:3], "torchviz==0.0.2"), "", f"{OTHERS} torchviz==0.0.2"),
    ],
)
def test_the_first_cell_installs_what_is_missing_and_replaces_nothing(
    tmp_path, there, installed, said
):
    said = said or (f"{OTHERS} {COLABS[0]}" if COLABS[0] in there else "")
    status, output, asked = run_first_cell(tmp_path, there)
    assert status == 0
    assert asked == (["install", "--quiet", *installed.split()] if installed else [])
    assert output == ("pip says\n" if installed else "") + (f"{said}\n" if said else "")


def test_the_first_cell_fails_where_pip_does(tmp_path):
    status, output, _ = run_first_cell(tmp_path, ("torchviz==0.0.broken",))
    assert (status, output) == (1, "pip says\n")


def test_a_package_without_a_version_is_refused(write):
    org = write(chapter(1, block("if False:\n    import torchviz")))
    problem = "needs graphviz-pure, setuptools, torchviz, in no version"
    with pytest.raises(ValueError, match=rf"requirements.in: \S*tangled/01_part.py {problem}"):
        notebooks.notebooks(org)


@pytest.mark.parametrize("statement", ["from . import x", "from .. import x", "from .x import y"])
def test_an_import_from_ones_own_package_is_one_line(write, tmp_path, statement):
    org = write(chapter(1, block(f"if False:\n    {statement}")))
    ran = literate("notebooks", org, tmp_path / "new")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(r"\S*tangled/01_part\.py:2: a script is in no package: .*\n", ran.stderr)


# --- the command


def test_the_command_writes_what_changed(write, tmp_path):
    org, folder = write(chapter(1, block("x = 1")), chapter(2, block("y = 2"))), tmp_path / "new"
    ran = literate("notebooks", org, folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("wrote 2 notebooks into ")
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
    ran = literate("notebooks", org, folder)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(r"\S*new/01_part.ipynb was changed since it was written, .*\n", ran.stderr)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "01_part.ipynb").unlink()
    assert literate("notebooks", org, folder).returncode == 0
    assert "y = 3" in (folder / "02_part.ipynb").read_text(encoding="utf-8")


def change_script(folder: Path) -> None:
    """Change a script after its run, by way of the Org file."""
    org = folder / "post.org"
    org.write_text(org.read_text().replace("x = 1", "x = 2"))
    assert tangle_command(org) == 0


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
def test_what_is_missing_or_stale_is_one_line(write, tmp_path, with_figure, damage, message):
    org = write(with_figure)
    damage(tmp_path)
    ran = literate("notebooks", org, tmp_path / "new")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert re.fullmatch(message + "\n", ran.stderr), ran.stderr
    assert not (tmp_path / "new").exists()


def test_a_post_without_numbered_scripts_is_refused(write):
    org = write(chapter(1, block("x = 1"), tangle="tangled/tool.py"))
    with pytest.raises(ValueError, match=r"post\.org: no chapter has a script with a number"):
        notebooks.notebooks(org)
