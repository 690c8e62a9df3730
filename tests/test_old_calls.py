"""Appendices: old calls do what the table says, new ones do the work, and packages exist."""

import inspect
import math
import pkgutil
import re
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from conftest import ROOT, Chapter

POST = ROOT / "pytorch-first-principles.org"

# For each old call: what kind of error or warning it brings, and words it must contain
TROUBLES = {
    'torch.save({"loss": np.mean([0.4, 0.6])}, file); file.seek(0); torch.load(file)': (
        "UnpicklingError",
        "Weights only load failed",
    ),
    "optimizer.zero_grad(); model.weight.grad * 2": ("TypeError", "'NoneType'"),
    "iter(loader).next()": ("AttributeError", "no attribute 'next'"),
    "loss.data[0]": ("IndexError", "0-dim tensor"),
    "optim.lr_scheduler.StepLR(optimizer, 10, verbose=True)": ("TypeError", "'verbose'"),
    "1 - (x > 0.5)": ("NotImplementedError", "bool tensor"),
    "torch.symeig(matrix)": ("RuntimeError", "removed"),
    "transforms.Scale(32)": ("AttributeError", "'Scale'"),
    "ax.optimize": ("AttributeError", "'optimize'"),
    "scheduler.step(); optimizer.step()": ("UserWarning", "before `optimizer.step()`"),
    "scheduler.get_lr()": ("UserWarning", "get_last_lr()"),
    "yhat = model(Variable(x, volatile=True))": ("UserWarning", "has no effect"),
    "nn.MSELoss(size_average=False)(yhat, y)": ("UserWarning", "reduction='sum'"),
    "F.softmax(yhat)": ("UserWarning", "Implicit dimension"),
    "torch.range(0, 3)": ("UserWarning", "deprecated"),
    "nn.utils.clip_grad_norm(model.parameters(), 1.0)": ("FutureWarning", "deprecated"),
    "torch.set_default_tensor_type(torch.FloatTensor)": ("UserWarning", "PyTorch 2.1"),
    "torch.cuda.amp.autocast()": ("FutureWarning", "deprecated"),
    "torch.cuda.amp.GradScaler()": ("FutureWarning", "deprecated"),
    "torch.jit.script(model)(x)": ("FutureWarning", "deprecated"),
    "models.resnet18(pretrained=False)": ("UserWarning", "deprecated since 0.13"),
}
SILENT = {
    "Variable(x, requires_grad=True)",
    "loss.data",
    "F.sigmoid(yhat)",
    "x.new(2).zero_()",
    "torch.norm(matrix)",
}


def run_code(chapter: Chapter, code: str, warn: str = "error") -> tuple[Any, dict[str, Any]]:
    """Run code from the script's names; return its last part's value, if it is an expression."""
    names = chapter.names["names_at_start"]()
    *first, last = code.split("; ")
    with warnings.catch_warnings():
        warnings.simplefilter(warn)
        for part in first:
            exec(part, names)
        try:
            return eval(last, names), names
        except SyntaxError:
            exec(last, names)
            return None, names


def run_new(chapter: Chapter, old: str) -> tuple[Any, dict[str, Any]]:
    """Run the replacement of an old call with warnings as errors."""
    (case,) = (case for case in chapter.names["cases"] if case.old == old)
    return run_code(chapter, case.instead)


def table(heading_id: str) -> list[list[str]]:
    """Return the cells of the first Org table below the heading with this CUSTOM_ID."""
    below = POST.read_text(encoding="utf-8").split(f":CUSTOM_ID: {heading_id}\n", 1)[1]
    rows = re.search(r"^\|.*\n(\|.*\n)+", below, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def section(heading_id: str) -> str:
    """Return the text of the top-level section with this CUSTOM_ID."""
    below = POST.read_text(encoding="utf-8").split(f":CUSTOM_ID: {heading_id}\n", 1)[1]
    return re.split(r"^\* ", below, maxsplit=1, flags=re.MULTILINE)[0]


def test_every_case_is_tested_here(chapter: Chapter) -> None:
    """The lists above and the script's list hold the same calls, each once."""
    old = [case.old for case in chapter.names["cases"]]
    assert sorted(old) == sorted([*TROUBLES, *SILENT])


@pytest.mark.parametrize("old", TROUBLES)
def test_old_call_fails_or_warns_as_recorded(chapter: Chapter, old: str) -> None:
    """The kind and the words of the trouble are those that a reader would see."""
    kind, words = TROUBLES[old]
    trouble = chapter.names["results"][old]
    assert trouble.startswith(f"{kind}: ")
    assert words in trouble
    assert chapter.names["attempt"](old) == trouble, "a warning that came only once"


@pytest.mark.parametrize("old", TROUBLES)
def test_old_call_outside_the_script(chapter: Chapter, old: str) -> None:
    """Run here, without the script's own recorder, each call raises what the table names."""
    kind, words = TROUBLES[old]
    torch.set_warn_always(True)
    try:
        with pytest.raises(Exception, match=re.escape(words)) as raised:
            run_code(chapter, old)
    finally:
        torch.set_warn_always(False)
    assert raised.type.__name__ == kind


@pytest.mark.parametrize("old", sorted(SILENT))
def test_silent_call_equals_its_replacement(chapter: Chapter, old: str) -> None:
    """Calls that still work raise no warning, and the preferred call gives the same."""
    value, _ = run_code(chapter, old)
    new, _ = run_new(chapter, old)
    torch.testing.assert_close(value, new, rtol=0, atol=0)
    assert chapter.names["results"][old] == ""


@pytest.mark.parametrize(
    "old",
    [
        "nn.MSELoss(size_average=False)(yhat, y)",
        "F.softmax(yhat)",
        "torch.range(0, 3)",
        "nn.utils.clip_grad_norm(model.parameters(), 1.0)",
        "torch.jit.script(model)(x)",
        "scheduler.get_lr()",
    ],
)
def test_replacement_of_a_warning_call_gives_the_same(chapter: Chapter, old: str) -> None:
    """Where the old call still works, the new one gives the same numbers."""
    value, _ = run_code(chapter, old, warn="ignore")
    new, _ = run_new(chapter, old)
    torch.testing.assert_close(new, value, check_dtype=False)


def test_clipping_clips(chapter: Chapter) -> None:
    """The new call returns the old norm and leaves a gradient of norm 1."""
    norm, names = run_new(chapter, "nn.utils.clip_grad_norm(model.parameters(), 1.0)")
    assert norm > 1
    after = math.hypot(*(p.grad.norm().item() for p in names["model"].parameters()))
    assert after == pytest.approx(1, abs=1e-4)


def test_checkpoint_with_a_plain_float_loads(chapter: Chapter) -> None:
    """A float goes through torch.load as it was."""
    loaded, _ = run_new(chapter, next(iter(TROUBLES)))
    assert loaded == {"loss": 0.5}


def test_zeros_stay_if_asked_for(chapter: Chapter) -> None:
    """With set_to_none=False the gradient is a tensor of zeros."""
    doubled, _ = run_new(chapter, "optimizer.zero_grad(); model.weight.grad * 2")
    assert torch.equal(doubled, torch.zeros(1, 1))


def test_next_gives_the_first_batch(chapter: Chapter) -> None:
    """next(iter(loader)) is the first four pairs."""
    (x, y), names = run_new(chapter, "iter(loader).next()")
    assert torch.equal(x, names["x"][:4])
    assert torch.equal(y, names["y"][:4])


def test_item_is_the_loss(chapter: Chapter) -> None:
    """loss.item() is the mean squared error as a Python number."""
    value, names = run_new(chapter, "loss.data[0]")
    assert isinstance(value, float)
    expected = ((names["yhat"] - names["y"]) ** 2).mean().detach()
    assert value == pytest.approx(expected.item(), rel=1e-6)


def test_rate_is_read_from_get_last_lr(chapter: Chapter) -> None:
    """A fresh scheduler's rate is the optimizer's."""
    rates, _ = run_new(chapter, "optim.lr_scheduler.StepLR(optimizer, 10, verbose=True)")
    assert rates == [0.1]


def test_get_lr_counts_a_decay_twice(chapter: Chapter) -> None:
    """After one decay of a half, get_lr() tells a quarter and get_last_lr() the truth."""
    start = "scheduler = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5); optimizer.step(); "
    truth, names = run_code(chapter, start + "scheduler.step(); scheduler.get_last_lr()")
    assert truth == [names["optimizer"].param_groups[0]["lr"]] == [0.05]
    wrong, _ = run_code(chapter, start + "scheduler.step(); scheduler.get_lr()", warn="ignore")
    assert wrong == [0.025]


def test_mask_is_inverted(chapter: Chapter) -> None:
    """logical_not is "not", and so is the tilde that the prose names."""
    mask, names = run_new(chapter, "1 - (x > 0.5)")
    assert torch.equal(mask, names["x"] <= 0.5)
    assert torch.equal(~(names["x"] > 0.5), mask)


def test_eigenvalues(chapter: Chapter) -> None:
    """The eigenvalues of [[2, 1], [1, 2]] are 1 and 3."""
    (values, vectors), names = run_new(chapter, "torch.symeig(matrix)")
    torch.testing.assert_close(values, torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(vectors @ torch.diag(values) @ vectors.T, names["matrix"])


@pytest.mark.parametrize("name", ["eig", "solve", "lstsq", "qr", "cholesky", "matrix_rank"])
def test_family_of_symeig_is_gone(name: str) -> None:
    """The linear-algebra calls that the prose lists are removed; torch.linalg has successors."""
    matrix = torch.eye(2)
    arguments = (matrix, matrix) if name in {"solve", "lstsq"} else (matrix,)
    with pytest.raises(RuntimeError, match="is now removed"):
        getattr(torch, name)(*arguments)
    getattr(torch.linalg, name)(*arguments)


def test_resize_resizes(chapter: Chapter) -> None:
    """transforms.Resize(32) makes the shorter side 32."""
    resize, _ = run_new(chapter, "transforms.Scale(32)")
    assert resize(torch.zeros(3, 64, 128)).shape == (3, 32, 64)


def test_ax_client_is_todays_way_in(chapter: Chapter) -> None:
    """ax.Client() takes an experiment."""
    client, names = run_new(chapter, "ax.optimize")
    rate = names["ax"].RangeParameterConfig(name="lr", parameter_type="float", bounds=(0.1, 1.0))
    client.configure_experiment(parameters=[rate])


def test_optimizer_steps_before_scheduler(chapter: Chapter) -> None:
    """The new order moves the model and counts one step of the scheduler."""
    _, names = run_new(chapter, "scheduler.step(); optimizer.step()")
    _, untouched = run_code(chapter, "0")
    assert not torch.equal(names["model"].weight, untouched["model"].weight)
    assert names["scheduler"].last_epoch == 1


def test_volatile_has_no_effect_and_no_grad_has(chapter: Chapter) -> None:
    """With volatile=True the graph is recorded after all; under no_grad it is not."""
    old = "yhat = model(Variable(x, volatile=True))"
    _, names = run_code(chapter, old, warn="ignore")
    assert names["yhat"].requires_grad
    _, names = run_new(chapter, old)
    assert not names["yhat"].requires_grad


def test_variable_leaves_its_tensor_alone_and_so_does_the_new_call(chapter: Chapter) -> None:
    """Both make a leaf on the memory of x; x.requires_grad_() would change x itself."""
    old = "Variable(x, requires_grad=True)"
    for value, names in (run_code(chapter, old), run_new(chapter, old)):
        assert value.is_leaf
        assert value.requires_grad
        assert not names["x"].requires_grad
        assert value.data_ptr() == names["x"].data_ptr()
    changed, names = run_code(chapter, "x.requires_grad_()")
    assert changed is names["x"]


def test_export_captures_a_graph_with_the_model_s_operation(chapter: Chapter) -> None:
    """What torch.export gives is a graph; it is run by Python unless something compiles it."""
    program, _ = run_code(chapter, "torch.export.export(model, (x,))")
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert called == ["aten.linear.default"]


@pytest.mark.parametrize(("name", "today"), [("resnet18", "V1"), ("resnet50", "V2")])
def test_pretrained_is_v1_and_default_need_not_be(
    name: str, today: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning names the weights; nothing is fetched here."""

    def no_network(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ConnectionError):
            getattr(models, name)(pretrained=True)
    assert "_Weights.IMAGENET1K_V1`." in str(caught[-1].message)
    assert models.get_model_weights(name).DEFAULT.name == f"IMAGENET1K_{today}"


def test_ax_optimize_exists_elsewhere() -> None:
    """And warns when it is called."""
    assert "deprecat" in inspect.getsource(pkgutil.resolve_name("ax.service.managed_loop:optimize"))


def test_default_dtype(chapter: Chapter) -> None:
    """The new call sets the data type that the old one set."""
    run_new(chapter, "torch.set_default_tensor_type(torch.FloatTensor)")
    assert torch.get_default_dtype() == torch.float32


def test_mixed_precision_works_on_the_device(chapter: Chapter) -> None:
    """Under the new autocast a layer computes in 16 bits, and the new scaler scales."""
    autocast, names = run_new(chapter, "torch.cuda.amp.autocast()")
    with autocast:
        assert names["model"](names["x"]).dtype == torch.bfloat16
    scaler, _ = run_new(chapter, "torch.cuda.amp.GradScaler()")
    assert scaler.scale(torch.ones(())) == scaler.get_scale() > 1


def test_resnet_without_weights(chapter: Chapter) -> None:
    """The new argument builds the same untrained network."""
    old = "models.resnet18(pretrained=False)"
    before, _ = run_code(chapter, old, warn="ignore")
    after, _ = run_new(chapter, old)
    assert isinstance(after, nn.Module)
    torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0)


def test_attempt_tells_first_trouble_and_silence(chapter: Chapter) -> None:
    """An error wins over a warning, the first warning over the second, silence is empty."""
    attempt = chapter.names["attempt"]
    warn = "import warnings; warnings.warn('one. Two.'); warnings.warn('three', FutureWarning)"
    assert attempt(warn) == "UserWarning: one."
    assert attempt(f"{warn}; 1 / 0") == "ZeroDivisionError: division by zero"
    assert attempt("x + x") == ""
    assert not torch.is_warn_always_enabled()


def test_names_are_fresh_for_each_call(chapter: Chapter) -> None:
    """What one call does to the model, the next does not see."""
    _, first = run_code(chapter, "optimizer.step()")
    _, second = run_code(chapter, "optimizer.step()")
    assert first["model"] is not second["model"]
    assert torch.equal(first["model"].weight, second["model"].weight)


def test_table_in_the_post_is_what_the_script_prints(chapter: Chapter) -> None:
    """Row for row and cell for cell, rules between the rows aside."""
    printed = [line for line in chapter.output.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed]

    def without_rule(rows: list[list[str]]) -> list[list[str]]:
        return [row for row in rows if not row[0].startswith("-")]

    assert len(rows) == 2 + len(TROUBLES) + len(SILENT)
    assert without_rule(table("app-old-calls")) == without_rule(rows)


def test_script_says_what_it_checked(chapter: Chapter) -> None:
    """The last line counts the calls; that no file is left is tested in the long tier."""
    count = f"{len(TROUBLES)} of {len(TROUBLES) + len(SILENT)}"
    assert chapter.output.splitlines()[-1] == (
        f"checked: {count} calls fail or warn, and no replacement does"
    )


def test_every_package_of_the_table_exists() -> None:
    """Each name in the table of packages can be imported, and each is there once."""
    names = [row[0].strip("=") for row in table("app-packages")[2:]]
    assert len(names) > 20
    assert len(set(names)) == len(names)
    for name in names:
        assert pkgutil.resolve_name(name) is not None


def test_every_package_is_met_where_the_table_says() -> None:
    """The chapter that a row links to uses the package by its last name."""
    for name, _, where in table("app-packages")[2:]:
        for heading_id in re.findall(r"\[\[#([\w-]+)\]", where):
            word = name.strip("=").rpartition(".")[2]
            assert re.search(rf"\b{word}\b", section(heading_id)), (name, heading_id)
