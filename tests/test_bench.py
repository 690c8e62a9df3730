"""The bench: turns, medians, tables; and that what it measures beside ours does the same work."""

import itertools
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from bench import __main__ as bench
from bench import chapter14, children, measure, steps, table, training
from bench.measure import Row, Taken, medians, timed
from bench.original import autoencoder, regression
from conftest import ROOT, TANGLED
from definitions import Definitions

SEARCH = ROOT / "tests" / "bench" / "original" / "search.py"


# --- turns and medians


@pytest.mark.parametrize(("warm", "turns"), [(True, 4), (False, 3)])
def test_sides_take_turns_after_one_that_is_not_measured(warm, turns):
    calls = []
    sides = [lambda side=side: calls.append(side) or Taken(1.0) for side in "ab"]
    assert medians(sides, 3, warm) == [Taken(1.0), Taken(1.0)]
    assert calls == ["a", "b"] * turns


def test_the_unmeasured_turn_does_not_count_and_the_median_does():
    times = iter([99.0, 1.0, 9.0, 2.0, 8.0, 3.0])
    assert medians([lambda: Taken(next(times))], 5, warm=True) == [Taken(3.0)]


def test_the_median_of_test_losses_is_taken_too():
    losses = iter([0.3, 0.1, 0.2])
    assert medians([lambda: Taken(1.0, next(losses))], 3, warm=False) == [Taken(1.0, 0.2)]


def test_at_least_five_rounds_and_three_where_one_takes_minutes():
    assert [Row("x", list, long).rounds() for long in (False, True)] == [5, 3]
    assert Row("x", list, long=True).rounds(7) == 7


def test_a_time_is_divided_by_how_often_the_call_works(monkeypatch):
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    calls = []
    assert timed(lambda: calls.append(1), times=100)() == Taken(0.03)
    assert calls == [1]


# --- the table


@pytest.mark.parametrize(
    ("taken", "line"),
    [
        ([Taken(2.0), Taken(5.0)], "| x | 2 s | 5 s | 1/2.5 of the time | 5 |"),
        ([Taken(0.25), Taken(0.1)], "| x | 250 ms | 100 ms | 2.5 times as long | 5 |"),
        ([Taken(0.25)], "| x | 250 ms |  |  | 5 |"),
        (
            [Taken(10.0, 0.01), Taken(123.4, 0.0136)],
            "| x | 10 s, test MSE 0.01000 | 123 s, test MSE 0.01360 | 1/12 of the time | 5 |",
        ),
    ],
)
def test_a_line_says_what_ours_takes_beside_the_other(taken, line):
    assert table.line("x", taken, 5) == line
    assert line.count("|") == table.TIMES[0].count("|") == table.TIMES[1].count("|")


@pytest.mark.parametrize(
    ("losses", "worse"),
    [((0.01, 0.02), False), ((0.02, 0.02), False), ((0.03, 0.02), True), ((None, None), False)],
)
def test_a_higher_test_loss_is_noticed(losses, worse):
    assert table.worse([Taken(1.0, loss) for loss in losses]) is worse
    assert not table.worse([Taken(1.0, 0.5)])


def test_the_tables_replace_those_in_the_readme():
    readme = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    new = f"before\n{table.BEGIN}\n\\1 new\n\n{table.END}\nafter\n"
    assert table.into_readme(readme, "\\1 new\n") == new
    assert table.into_readme(new, "\\1 new") == new
    with pytest.raises(ValueError, match="needs the marks"):
        table.into_readme("no marks\n", "new")


def test_the_readme_has_the_marks_and_tables_of_this_form_between_them():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table.into_readme(readme, "")
    shown = readme[readme.index(table.BEGIN) : readme.index(table.END)].splitlines()
    assert "\n".join(table.TIMES) in "\n".join(shown)
    names = {row.name for row in bench.ROWS} | {script.stem for script in children.SCRIPTS}
    rows = [line.split("|")[1].strip() for line in shown if line.startswith("| ")]
    heads = {"what", "script"}
    assert rows
    assert set(rows) <= names | heads


# --- picking rows


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """Let the bench have three rows that take no time, one script, and files of its own."""
    sides = [lambda: Taken(0.002, 0.5), lambda: Taken(0.001, 0.4)]
    rows = [
        Row("alone: a row", lambda: sides[:1]),
        Row("beside: a row", lambda: [sides[1], sides[0]]),
        Row("minutes: a row", lambda: sides[:1], long=True),
        Row("fails", partial(children.run, [sys.executable, "-c", "exit('why it fails')"])),
        Row("loses", lambda: sides),
    ]
    monkeypatch.setattr(bench, "ROWS", rows[:3])
    monkeypatch.setattr(bench, "SCRIPTS", [TANGLED / "01_data.py"])
    monkeypatch.setattr(bench.memory, "line", lambda script: f"| {script.stem} | 9 MiB |")
    monkeypatch.setattr(bench, "machine", lambda: "a machine")
    monkeypatch.setattr(bench, "FILE", tmp_path / "logs" / "bench.md")
    monkeypatch.setattr(bench, "README", tmp_path / "README.md")
    bench.README.write_text(f"{table.BEGIN}\n{table.END}\n")
    return rows


def measured_by(capsys, *arguments, status=0):
    """Run the bench; return the first cells of what it printed, which is also what it wrote."""
    assert bench.main([*arguments]) == status
    printed = capsys.readouterr().out
    assert printed == bench.FILE.read_text()
    assert printed.startswith("a machine\n\n| ")
    return re.findall(r"^\| ([^|]+) \|", printed, re.MULTILINE)


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        ((), "what, alone: a row, beside: a row, minutes: a row, script, 01_data"),
        (("--quick",), "what, alone: a row, beside: a row"),
        (("beside", "alone"), "what, alone: a row, beside: a row"),
        (("minutes",), "what, minutes: a row"),
        (("memory",), "script, 01_data"),
        (("data", "beside"), "what, beside: a row, script, 01_data"),
    ],
)
def test_words_and_quick_pick_rows(arguments, cells, capsys):
    assert measured_by(capsys, *arguments) == cells.split(", ")


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize("arguments", [("nosuch",), ("--readme", "alone"), ("--readme", "--quick")])
def test_what_cannot_be_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        bench.main([*arguments])
    assert error.value.code == 2
    assert not bench.FILE.exists()
    message = capsys.readouterr().err
    assert "there are: alone: a row; beside" in message or "README.md shows all rows" in message


@pytest.mark.usefixtures("fakes")
def test_the_readme_gets_the_tables_when_asked(capsys):
    measured_by(capsys)
    assert "a machine" not in bench.README.read_text()
    measured_by(capsys, "--readme", "--rounds", "1")
    text = bench.README.read_text()
    assert text == table.into_readme(text, bench.FILE.read_text())
    assert "| alone: a row | 2 ms, test MSE 0.50000 |  |  | 1 |\n" in text


@pytest.mark.parametrize(("place", "why"), [(3, "why it fails"), (4, "a higher test MSE")])
def test_a_row_that_fails_leaves_the_others_and_the_readme_alone(place, why, fakes, capsys):
    bench.ROWS.insert(0, fakes[place])
    before = bench.README.read_text()
    assert bench.main(["--readme"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"bench: {fakes[place].name}: ")
    assert why in err
    assert out.count("a row") == 3
    assert bench.README.read_text() == before


def test_make_hands_its_words_on(tmp_path):
    """And nothing of how it lets the chapters share the cores."""
    stand_in = tmp_path / "python"
    shared = '"${OMP_WAIT_POLICY-not set}${OPENBLAS_NUM_THREADS-}"'
    stand_in.write_text(f'#!/bin/sh\necho "$@"\necho {shared}\n')
    stand_in.chmod(0o755)
    command = ["make", "bench", "-o", "pytorch-first-principles.html", f"PYTHON={stand_in}"]
    options = ["WORDS=one two", "QUICK=1", "ROUNDS=3", "README=1"]
    handed = [
        subprocess.check_output(
            [*command, *more], cwd=ROOT, env=children.environment(), text=True
        ).splitlines()
        for more in ([], options)
    ]
    full = "--quick --readme --rounds 3 one two"
    assert handed == [["-m bench", "not set"], [f"-m bench {full}", "not set"]]
    bench.command_line().parse_args(full.split())


# --- what is started


def test_what_is_started_inherits_nothing_that_make_or_the_bench_set(monkeypatch):
    for name in children.NOT_INHERITED:
        monkeypatch.setenv(name, "x")
    environment = children.environment(EPOCHS="2")
    assert environment.keys() & children.NOT_INHERITED == {"EPOCHS"}
    exported = re.findall(r"^export (\w+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*exported, "MKL_CBWR"} <= children.NOT_INHERITED


def test_a_clean_project_has_run_nothing_and_can_be_made(monkeypatch):
    monkeypatch.chdir(ROOT)
    with children.clean_project() as folder:
        assert not {"logs", "figures", ".tangled"} & {path.name for path in folder.iterdir()}
        children.make(folder, "tangle")
        assert (folder / ".tangled").exists()
        assert (folder / "data" / "MNIST").exists()
    assert not folder.exists()
    assert (ROOT / "data" / "MNIST").exists()


def test_peak_memory_is_the_commands_own():
    """The process that measures, here one with torch in it, may be larger: it does not count."""
    held = []
    for size in (0, 200):
        command = [sys.executable, children.BENCH / "peak.py", sys.executable, "-c"]
        code = f"bytearray(b'x') * ({size} << 20)"
        held.append(int(subprocess.check_output([*command, code])) / 2**20)
    assert 3 < held[0] < 60
    assert 195 < held[1] - held[0] < 220


# --- chapter 14's training and its floor


def test_a_training_is_timed_from_its_start_and_its_last_epoch_alone(monkeypatch):
    clock, losses = iter([10.0, 30.0, 31.0]), [0.2, 0.1]
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    monkeypatch.setitem(training.WAYS, training.TWO, lambda n_epochs: iter(losses[:n_epochs]))
    result = training.train(training.TWO, 2)
    assert result == {"all": 21.0, "last": 1.0, "mse": 0.1}
    asked = []
    monkeypatch.setattr(training, "run_module", lambda *words: asked.append(words) or result)
    both = [[side() for side in training.sides(training.TWO, 2, part)] for part in ("all", "last")]
    assert both == [[Taken(21.0, 0.1)] * 2, [Taken(1.0)] * 2]
    assert asked == [("training", way, "2") for way in ("two threads", "original")] * 2


@pytest.mark.parametrize(("way", "wanted"), [(training.ONE, 1), (training.TWO, 2)])
def test_ours_trains_on_so_many_threads(way, wanted, monkeypatch):
    """One, as the chapter does unless it is told otherwise; two, as it can be told."""
    said = []
    monkeypatch.setattr(torch, "set_num_threads", said.append)
    monkeypatch.setattr(chapter14, "parts", lambda: said.append("parts") or [None] * 5)
    epochs = training.WAYS[way](1)
    with pytest.raises((AttributeError, TypeError)):  # there is nothing to train
        next(epochs)
    assert said == [wanted, "parts"]
    assert 'if "OMP_NUM_THREADS" not in os.environ:\n    torch.set_num_threads(1)' in (
        chapter14.SCRIPT.read_text()
    )


def test_the_bench_finds_in_chapter_14_what_it_measures():
    for name in re.findall(r'CHAPTER\.get\("(\w+)"\)', "".join(map(text_of, (chapter14, steps)))):
        assert name in chapter14.CHAPTER


def text_of(module):
    """Return a module's source."""
    with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


class Products(TorchDispatchMode):
    """Notes the shapes (n, k, m) of the matrix products that are made meanwhile."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        first = {torch.ops.aten.mm.default: 0, torch.ops.aten.addmm.default: 1}.get(func)
        if first is not None:
            x, y = args[first : first + 2]
            self.shapes.append((*x.shape, y.shape[1]))
        return func(*args, **(kwargs or {}))


def test_the_floor_of_a_step_is_its_seventeen_products(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(steps, "STEPS", 10)
    threads = torch.get_num_threads()
    step, floor = steps.sides(1)
    with Products() as in_steps:
        assert step().seconds > 0
    with Products() as bare:
        assert floor().seconds > 0
    torch.set_num_threads(threads)
    assert len(in_steps.shapes) == len(bare.shapes) == 17 * 10
    assert {*in_steps.shapes} == {*bare.shapes}
    shapes, rows = bare.shapes[:17], bare.shapes[0][0]
    assert bare.shapes == shapes * 10
    sizes = [784, 128, 64, 32, 64, 128, 784]
    expected = []
    for number, (before, after) in enumerate(itertools.pairwise(sizes)):
        expected += [(rows, before, after), (after, rows, before)]
        expected += [(rows, after, before)] if number else []
    assert shapes == expected
    assert len(shapes) == 17


# --- the original's content ends where the chapters end


@pytest.fixture(scope="module")
def data():
    return regression.make_data()


def test_the_data_are_chapter_1s(data):
    np.testing.assert_allclose((data[2][0, 0], data[3][0, 0]), (0.7713, 2.4745), atol=5e-5)
    assert [len(part) for part in data] == [100, 100, 80, 80, 20, 20]


def test_the_descent_in_numpy_ends_where_chapter_3s_does(data):
    end = regression.numpy_descent(*data[2:4])
    np.testing.assert_allclose(end, (1.02354094, 1.96896411), rtol=0, atol=5e-9)


@pytest.mark.parametrize(
    "descent",
    [
        regression.autograd_descent,
        partial(regression.optimizer_descent, loss_fn=nn.MSELoss()),
        lambda x, y: regression.model_descent(regression.ManualLinearRegression(), x, y),
        lambda x, y: regression.model_descent(regression.LayerLinearRegression(), x, y)[::-1],
    ],
)
def test_each_way_of_torch_ends_there_too(descent, data):
    end = descent(*regression.to_tensors(*data[2:4]))
    np.testing.assert_allclose(end, (1.0235, 1.9690), atol=5e-5)


@pytest.mark.parametrize("scheduled", [False, True])
def test_the_loops_do_what_those_of_chapters_10_and_11_do(scheduled, data):
    name = "11_checkpoint_and_scheduler" if scheduled else "10_training_loop"
    loop = "train_loop_with_scheduler" if scheduled else "train_loop"
    curves = []
    for source in (Definitions(TANGLED / f"{name}.py").get, partial(getattr, regression)):
        loaders = regression.make_loaders(*data[:2])
        model, loss_fn, optimizer = regression.fresh_model()
        plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.9)
        scheduler = [plateau] if scheduled else []
        curves.append(source(loop)(model, loss_fn, optimizer, *scheduler, 5, *loaders))
    assert len(curves[0]) == 2 + scheduled
    for ours, theirs in zip(*curves, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert not scheduled or curves[1][2][-1] < curves[1][2][0]


def test_a_checkpoint_gives_back_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    model, _, optimizer = regression.fresh_model()
    regression.save(model, optimizer, [1.0], [np.float64(2.0)])
    torch.manual_seed(1)
    assert regression.load() == [parameter.item() for parameter in model.parameters()]


def test_the_search_knows_booths_minimum_and_trains_a_line():
    search = Definitions(SEARCH)
    assert search.get("booth")(1, 3) == 0
    assert search.get("booth")(0, 0) == 74
    assert search.get("train_evaluate")(0.1, 16) < search.get("train_evaluate")(1e-4, 16) / 5


def test_the_originals_autoencoder_is_chapter_14s_but_for_its_output():
    ours, theirs = chapter14.CHAPTER.get("SequentialAutoencoder")(), autoencoder.Autoencoder()
    shapes = [[(name, p.shape) for name, p in m.named_parameters()] for m in (ours, theirs)]
    assert shapes[0] == shapes[1]
    kinds = [
        [type(layer).__name__ for part in m.children() for layer in part] for m in (ours, theirs)
    ]
    assert kinds[0][:-1] == kinds[1][:-1]
    assert (kinds[0][-1], kinds[1][-1]) == ("Sigmoid", "Tanh")


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_it_trains_as_the_original_did(monkeypatch):
    monkeypatch.chdir(ROOT)
    train_loader, val_loader = autoencoder.make_loaders()
    for loader, size in ((train_loader, 60_000), (val_loader, 10_000)):
        assert (loader.num_workers, loader.batch_size, len(loader.dataset)) == (4, 128, size)
        image, _ = loader.dataset[0]  # which the transform has just made
        assert image.shape == (1, 28, 28)
        assert (image.min(), image.max()) == (0, 1)
    model, loss_fn, optimizer = autoencoder.make_model()
    groups = optimizer.param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(1e-3, 1e-5)]

    images = torch.stack([val_loader.dataset[row][0] for row in range(256)])
    few = DataLoader(TensorDataset(images, images), batch_size=128)
    epochs = [*autoencoder.train(model, loss_fn, optimizer, 2, few, few)]
    losses, val_losses, outputs = zip(*epochs, strict=True)
    assert losses[-1] < losses[0]
    with torch.no_grad():
        flat = images.flatten(1)
        expected = loss_fn(model(flat.to(autoencoder.device)).cpu(), flat).item()
    assert val_losses[-1] == pytest.approx(expected, rel=1e-5)
    shown = autoencoder.to_img(outputs[-1])
    assert shown.shape == (128, 1, 28, 28)
    assert (autoencoder.to_img(torch.tensor([[-3.0] * 784]))).max() == 0


def test_it_draws_what_the_original_drew(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPOCHS", "10")
    images = torch.rand(20, 1, 28, 28)
    few = DataLoader(TensorDataset(images, images), batch_size=20)
    monkeypatch.setattr(autoencoder, "make_loaders", lambda: (few, few))
    autoencoder.main()
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures == {"image_10.png", "val_loss.png", "mnist_ae.png"}
