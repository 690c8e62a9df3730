"""The scripts as texts: each reads like its chapter, stands alone and takes what it uses."""

import ast
import builtins
import inspect
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from conftest import POST, ROOT, SCRIPTS, TANGLED
from definitions import Definitions, is_constant
from literate.org import read_blocks
from literate.tangle import tangle_text

ORG = ROOT / "pytorch-first-principles.org"
READS_DEVICE = [script for script in SCRIPTS if "DEVICE" in script.read_text(encoding="utf-8")]
READS_EPOCHS = [script for script in SCRIPTS if '"EPOCHS"' in script.read_text(encoding="utf-8")]
GRAPHS = {
    "net",
    "loss",
    "loss_in_words",
    "net2",
    "network",
    "nonsensical",
    "multilayer",
    "autoencoder",
}  # as wide as they are
EACH_SCRIPT = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


@pytest.fixture(scope="module")
def tangled():
    """Return for each script of the post, by its name, its lines with the blocks they come from."""
    return {path.name: lines for path, lines in tangle_text(ORG, POST).items()}


def test_there_are_eighteen_scripts_fourteen_of_them_chapters():
    assert [script.name[:2] for script in SCRIPTS] == [f"{n:02}" for n in range(1, 15)]
    others = {path.name for path in TANGLED.glob("*.py")} - {script.name for script in SCRIPTS}
    assert others == {"autoencoder_variants.py", "mnist.py", "old_calls.py", "same_line.py"}


@EACH_SCRIPT
def test_a_script_imports_no_other_and_names_no_absolute_path(script):
    text = script.read_text(encoding="utf-8")
    siblings = "|".join(other.stem for other in TANGLED.glob("*.py"))
    assert not re.search(rf"^\s*(import|from) ({siblings})\b", text, re.MULTILINE)
    assert not re.search(r"""["']/\w""", text)


def test_who_reads_device_and_epochs():
    numbers = {script.name[:2] for script in READS_DEVICE}
    assert numbers == {f"{n:02}" for n in range(1, 15)} - {"01", "03"}
    assert [script.name[:2] for script in READS_EPOCHS] == ["14"]


# --- they read like the chapter


@EACH_SCRIPT
def test_the_opening_block_is_short_and_stands_before_the_first_section(script, tangled):
    """The one block with a docstring, imports and shared pieces: what is folded on the page."""
    first = tangled[script.name][0].top
    assert len(first.body) <= (40 if script.name.startswith("14") else 30)
    before = POST.split("\n")[: first.line]
    heading = next(line for line in reversed(before) if line.startswith("*"))
    assert heading.startswith(f"* {int(script.name[:2])}. ")
    assert not any(line.startswith("# %%") for line in first.body)


def plain(title):
    """Return a heading's words without Org's markup."""
    title = re.sub(r"\[\[[^][]*\]\[([^][]*)\]\]", r"\1", title)
    return re.sub(r"(?<!\w)([=~*/])(\S|\S.*?\S)\1(?!\w)", r"\2", title)


@EACH_SCRIPT
def test_section_lines_equal_the_headings_of_the_sections_with_code(script, tangled):
    lines = POST.split("\n")
    code = {line.block.line for line in tangled[script.name] if line.block}
    chapter = f"* {int(script.name[:2])}. "
    start = next(number for number, line in enumerate(lines) if line.startswith(chapter))
    end = next(n for n, line in enumerate(lines) if n > start and line.startswith("* "))
    titles, number = [], start
    for section in "\n".join(lines[start:end]).split("\n** ")[1:]:
        number = lines.index(f"** {section.splitlines()[0]}", number + 1)
        last = number + section.count("\n") + 1
        if any(number < line <= last for line in code):
            titles.append(plain(section.splitlines()[0]))
    text = script.read_text(encoding="utf-8")
    assert re.findall(r"^ *# %% (.*)$", text, re.MULTILINE) == titles
    assert text.count("# %%") == len(titles) > 2


def test_scripts_differ_from_ruff_s_format_in_blank_lines_only(tmp_path):
    for path in TANGLED.glob("*.py"):
        shutil.copy(path, tmp_path)
    config = ["--no-cache", "--quiet", "--config", str(ROOT / "pyproject.toml")]
    ruff = [sys.executable, "-m", "ruff", "format", *config, str(tmp_path)]
    assert subprocess.run(ruff, check=False).returncode == 0
    for path in sorted(TANGLED.glob("*.py")):
        ours, theirs = (
            [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
            for file in (path, tmp_path / path.name)
        )
        assert ours == theirs, path.name


# --- a function takes what it uses


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
OWN_NAMES = (*FUNCTIONS, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def within(scope):
    """Yield the nodes of one scope; of a scope inside it, only that scope's own node."""
    waiting = list(ast.iter_child_nodes(scope))
    if isinstance(scope, FUNCTIONS):
        inside = scope.body if isinstance(scope.body, list) else [scope.body]
        waiting = [*inside, *(node for node in ast.walk(scope.args) if isinstance(node, ast.arg))]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*OWN_NAMES, ast.arg)):
            waiting += ast.iter_child_nodes(node)
        elif isinstance(node, FUNCTIONS):  # defaults and decorators are read outside
            waiting += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            waiting += getattr(node, "decorator_list", [])


def bound(scope):
    """Return the names that a scope gives a value to."""
    names = set()
    for node in within(scope):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case ast.NamedExpr(target=ast.Name(id=name)):
                names.add(name)
    return names


def reads_from_outside(scope, around=frozenset()):
    """Return the names that a scope and those in it read and that none of them gives a value."""
    known = around | bound(scope)
    found = set()
    for node in within(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
            found.add(node.id)
        elif isinstance(node, ast.Global):
            found |= set(node.names)
        if isinstance(node, OWN_NAMES):
            found |= reads_from_outside(node, known)
    return found


def variables_read_in_functions(text):
    """Return 'function: name' for each global variable that a function or lambda reads."""
    tree = ast.parse(text)
    defined = set(dir(builtins)) | {"__file__", "__name__"}
    stored = {}
    for node in within(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            defined |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stored[node.id] = stored.get(node.id, 0) + 1
    constants = {name for name, times in stored.items() if is_constant(name) and times == 1}
    return sorted(
        f"{getattr(node, 'name', 'lambda')}: {name}"
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
        for name in reads_from_outside(node) & (stored.keys() - constants)
        if name not in defined or name in stored
    )


def own_names_of_enclosing_functions(text):
    """Return what a function inside another may read of it."""
    tree = ast.parse(text)
    return {
        f"{getattr(inner, 'name', 'lambda')}: {name}"
        for outer in ast.walk(tree)
        if isinstance(outer, FUNCTIONS)
        for inner in ast.walk(outer)
        if isinstance(inner, FUNCTIONS) and inner is not outer
        for name in bound(outer)
    }


@EACH_SCRIPT
def test_no_function_reads_a_variable_of_the_script(script):
    """It reads constants, imports, functions and classes; all else comes in as an argument."""
    text = script.read_text(encoding="utf-8")
    found = set(variables_read_in_functions(text)) - own_names_of_enclosing_functions(text)
    assert found == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 1\ndef f():\n    return x\n", ["f: x"]),
        ("x = 1\nf = lambda: x\n", ["lambda: x"]),
        ("x = 1\nclass A:\n    def f(self):\n        return [x for _ in self]\n", ["f: x"]),
        ("def f():\n    global x\n    x = 1\nx = 2\n", ["f: x"]),
        ("X = 1\nX = 2\ndef f():\n    return X\n", ["f: X"]),
        ("for x in 'ab':\n    pass\ndef f(y=x):\n    return y\n", []),
        ("X = 1\nx = 2\ndef f(x):\n    import os\n    return [X + x + z for z in os.x]\n", []),
        ("x = 1\ndef f():\n    x = 2\n    return x\n", []),
        ("if True:\n    x = 1\ndef f():\n    def g():\n        return x\n", ["f: x", "g: x"]),
    ],
)
def test_the_test_itself_tells_a_variable_from_an_argument(code, found):
    assert variables_read_in_functions(code) == found


def test_the_loops_have_the_arguments_of_the_original_in_its_order():
    """Whoever knows the original calls them as it did."""
    loop = Definitions(TANGLED / "10_training_loop.py").get("train_loop")
    scheduled = Definitions(TANGLED / "11_checkpoint_and_scheduler.py").get(
        "train_loop_with_scheduler"
    )
    first, rest = ["model", "loss_fn", "optimizer"], ["n_epochs", "train_loader", "val_loader"]
    assert list(inspect.signature(loop).parameters) == [*first, *rest]
    assert list(inspect.signature(scheduled).parameters) == [*first, "scheduler", *rest]
    for function in (loop, scheduled):
        assert inspect.signature(function).parameters["val_loader"].default is None


def test_validation_takes_what_it_took_in_the_original():
    for number in ("10", "11", "13", "14"):
        (script,) = TANGLED.glob(f"{number}_*.py")
        parameters = inspect.signature(Definitions(script).get("validation")).parameters
        assert list(parameters) == ["model", "loss_fn", "val_loader"]


def calls(nodes):
    """Return the names that are called in some syntax trees, the last part of each."""
    return [
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for top in nodes
        for node in ast.walk(top)
        if isinstance(node, ast.Call)
    ]


@pytest.mark.parametrize("script", READS_DEVICE, ids=lambda script: script.stem)
def test_the_device_is_picked_before_anything_is_made(script):
    """So a wrong DEVICE ends a script before it has written a file or, but for 02, a word."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    runs = []
    for node in tree.body:
        guard = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        runs += node.body if guard else [node]
    runs = [node for node in runs if not isinstance(node, (*FUNCTIONS, ast.ClassDef))]
    first = next(number for number, node in enumerate(runs) if "pick_device" in calls([node]))
    before = set(calls(runs[:first]))
    assert not before & {"save_figure", "draw_graph", "save", "mkdir", "SummaryWriter", "open"}
    if not script.name.startswith("02"):  # the chapter that explains devices has begun by then
        assert not before & {"print", "manual_seed", "MNIST", "run"}


# --- chapter 14 leaves MNIST's roads and sums to mnist.py


def test_chapter_14_s_plumbing_for_data_is_short_and_holds_no_sums():
    text = (TANGLED / "14_autoencoder.py").read_text(encoding="utf-8")
    plumbing = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and "mnist" in ast.unparse(node).lower()
    ]
    for node in plumbing:
        assert ast.get_docstring(node)
        del node.body[0]
    assert 0 < sum(len(ast.unparse(node).split("\n")) for node in plumbing) <= 12
    assert not re.search(r"\b[0-9a-f]{32}\b", text)
    for word in ("hashlib", "md5", "SUMS", "HTTPException"):
        assert word not in text, word


# --- what lies beside them


def test_figures_are_sharp():
    """On a screen with two pixels to a point: 1600 pixels for a figure over the full width."""
    for path in sorted((ROOT / "figures").glob("*.png")):
        with Image.open(path) as picture:
            if path.stem in GRAPHS:
                assert min(picture.size) > 300, path.name
            else:
                assert picture.width >= 1600, path.name


def test_every_graph_is_drawn_by_graphviz_and_all_else_is_not():
    code = "\n".join(script.read_text(encoding="utf-8") for script in SCRIPTS)
    assert set(re.findall(r'draw_graph\(.*"(\w+)"\)', code)) == GRAPHS


def functions_of(path):
    """Return the functions and classes of a file as texts, without their docstrings."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            node.body = node.body[ast.get_docstring(node) is not None :] or [ast.Pass()]
            found.add(ast.unparse(node))
    return found


def test_the_post_holds_the_book_and_not_the_builder():
    """Its code is commands, diffs, and what tangles below tangled/; none is the builder's."""
    blocks, scripts = read_blocks(POST)[0], tangle_text(ORG, POST)
    assert {block.language for block in blocks} == {"python", "sh", "diff"}
    folders = {TANGLED, TANGLED / "exercises", TANGLED / "exercises" / "solutions"}
    assert {path.parent for path in scripts} == folders
    reached = {line.block.line for lines in scripts.values() for line in lines if line.block}
    assert {block.line for block in blocks if block.language == "python"} == reached
    builder = set().union(*(functions_of(path) for path in (ROOT / "literate").rglob("*.py")))
    assert len(builder) > 100
    for path in scripts:
        assert functions_of(path) & builder == set(), path.name
        assert not re.search(r"^\s*(?:import|from) literate\b", path.read_text("utf-8"), re.M)
    exercises = re.findall(r"^\*\* Exercises\n.*?(?=^\* )", POST, re.M | re.S)
    assert POST.count("\n") - "".join(exercises).count("\n") < 12_100  # a book that one still reads


def test_licences_are_there_and_said():
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Attribution 4.0" in (ROOT / "LICENSE-text").read_text(encoding="utf-8")
    for text in ((ROOT / "README.md").read_text(encoding="utf-8"), POST):
        assert re.search(r"\bMIT\b", text)
        assert "CC BY 4.0" in text
