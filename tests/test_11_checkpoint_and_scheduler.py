"""Chapter 11: a resumed run is the run that never stopped; what the schedulers do."""

import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn, optim
from torch.optim import lr_scheduler, swa_utils
from torch.utils.data import DataLoader, TensorDataset

from forking import run_code

CPU = torch.device("cpu")
ENTRIES = {"epoch", "model", "optimizer", "scheduler", "losses"}
GENERATORS = {"torch_random", "numpy_random", "python_random"}
some = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@pytest.fixture
def same_random_numbers():
    """Leave all generators as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def test_plateau_ends_golden(golden):
    names = golden.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9404, 1.0248), atol=5e-5)


# --- the run, stopped and resumed


def test_resumed_run_is_the_whole_run_bit_for_bit(chapter):
    names = chapter.names
    assert names["ends"]["nothing"] == [names["in_one_go"], 10]


def test_the_second_half_of_the_run_matters(chapter):
    names = chapter.names
    assert np.abs(np.subtract(names["half_way"], names["in_one_go"])).max() > 0.01


def test_each_entry_was_left_out_and_but_for_the_losses_the_end_differs(chapter):
    ends, in_one_go = chapter.names["ends"], chapter.names["in_one_go"]
    assert ends.keys() - {"device_random"} == {"nothing"} | ENTRIES | GENERATORS
    for left_out in (ENTRIES | GENERATORS) - {"losses"}:
        assert np.abs(np.subtract(ends[left_out][0], in_one_go)).max() > 1e-3, left_out
    assert ends["losses"] == [in_one_go, 5]
    assert ends["epoch"][1] == 15


def test_what_the_fresh_process_did_can_be_done_here(golden, same_random_numbers):
    """The same ends, from the file that the run left, in a process that has drawn other numbers."""
    names = golden.names
    path = golden.folder / "checkpoints" / "line.pt"
    x, y = names["x_train"], names["y_train"]
    for left_out, (end, known) in names["ends"].items():
        torch.rand(3), np.random.rand(3), random.random()
        saved = names["load"](path, CPU)
        saved.pop(left_out, None)
        assert names["go_on"](saved, 10, x, y, CPU) == (end, known)


def test_checkpoint_holds_all_that_the_text_lists_as_plain_data(chapter):
    saved = torch.load(chapter.folder / "checkpoints" / "line.pt", weights_only=True)
    assert saved.keys() - {"device_random"} == ENTRIES | GENERATORS
    assert saved["epoch"] == len(saved["losses"]) == 5
    assert all(type(loss) is float for loss in saved["losses"])


def test_augmented_moves_x_in_half_of_the_looks_and_leaves_y(chapter, same_random_numbers):
    pairs = TensorDataset(torch.arange(400.0).reshape(-1, 1), torch.zeros(400, 1))
    augmented = chapter.names["Augmented"](pairs)
    moves = torch.cat([augmented[n][0] - pairs[n][0] for n in range(len(augmented))])
    assert all(torch.equal(augmented[n][1], pairs[n][1]) for n in range(400))
    assert 150 < (moves != 0).sum() < 250
    assert moves[moves != 0].std() == pytest.approx(0.1, rel=0.2)
    assert augmented[0][0].dtype == torch.float32


def test_an_optimizer_keeps_the_tensors_that_it_loads():
    """Why the file is read anew for each entry that is left out."""
    layer = nn.Linear(1, 1)
    saved = {"momentum_buffer": torch.ones(1, 1)}, {"momentum_buffer": torch.ones(1)}
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": dict(enumerate(saved)), "param_groups": groups})
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert saved[0]["momentum_buffer"].item() == pytest.approx(1.9)


def rates_after(make, *, late):
    """Return ten rates of a run that was resumed after five; late makes the scheduler last."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    states = optimizer.state_dict(), scheduler.state_dict()
    fresh = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    if late:
        fresh.load_state_dict(states[0])
    again = make(fresh)
    if not late:
        fresh.load_state_dict(states[0])
    again.load_state_dict(states[1])
    rates = [], []
    for _ in range(10):
        for one, o, s in zip(rates, (optimizer, fresh), (scheduler, again), strict=True):
            one.append(o.param_groups[0]["lr"])
            o.step()
            s.step()
    return rates


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.LinearLR(o, 0.1, total_iters=8),
        lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    ],
)
def test_a_scheduler_is_made_before_the_optimizer_s_state_is_loaded(make):
    never_stopped, resumed = rates_after(make, late=False)
    assert resumed == never_stopped
    never_stopped, resumed = rates_after(make, late=True)
    assert resumed != never_stopped


def test_without_the_optimizer_s_state_the_rate_is_the_first_one_again():
    """The rate stands there, not in the scheduler's state."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 3, 0.5)
    state = scheduler.state_dict() | {"last_epoch": 5, "_last_lr": [0.05]}
    scheduler.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_fresh_adam_s_first_step_is_the_rate_however_small_the_gradient():
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1e-4, -3.0])
    optim.Adam([parameter], lr=0.01).step()
    torch.testing.assert_close(parameter.detach(), torch.tensor([-0.01, 0.01]), rtol=1e-3, atol=0)


# --- random numbers


def test_states_come_back_through_a_checkpoint(chapter, tmp_path, same_random_numbers):
    names = chapter.names
    np.random.randn()  # leaves a second normal number in store, which belongs to the state
    names["save"](tmp_path / "states" / "x.pt", **names["generator_states"](CPU))
    drawn = names["draw"](CPU), np.random.randn(), torch.randn(3).tolist(), random.gauss(0, 1)
    names["restore_generators"](names["load"](tmp_path / "states" / "x.pt", CPU), CPU)
    again = names["draw"](CPU), np.random.randn(), torch.randn(3).tolist(), random.gauss(0, 1)
    assert drawn == again


@pytest.mark.parametrize("kept", sorted(GENERATORS))
def test_only_the_states_that_are_there_are_restored(chapter, kept, same_random_numbers):
    names = chapter.names
    states = names["generator_states"](CPU)

    def numbers():
        return {
            "torch_random": torch.rand(1).item(),
            "numpy_random": np.random.rand(),
            "python_random": random.random(),
        }

    before = numbers()
    names["restore_generators"]({kept: states[kept]}, CPU)
    after = numbers()
    assert {name for name in before if before[name] == after[name]} == {kept}


def test_an_accelerator_s_generator_is_saved_and_restored(chapter, monkeypatch):
    """With stand-ins for its module and its state, since not every machine has a GPU."""
    restored = []

    class State:
        cpu = staticmethod(lambda: "on the CPU")

    class Module:
        get_rng_state = staticmethod(State)
        set_rng_state = staticmethod(restored.append)

    monkeypatch.setattr(torch, "get_device_module", lambda device: Module)
    monkeypatch.setattr(torch, "set_rng_state", restored.append)
    device = torch.device("cuda")
    states = chapter.names["generator_states"](device)
    assert states.keys() == GENERATORS | {"device_random"}
    assert isinstance(states["device_random"], State)
    kept = {"torch_random": State(), "device_random": states["device_random"]}
    chapter.names["restore_generators"](kept, device)
    assert restored == ["on the CPU", "on the CPU"]


@pytest.mark.parametrize("name", ["cuda", "mps", "xpu"])
def test_every_accelerator_s_module_has_the_two_calls(name):
    module = torch.get_device_module(name)
    assert callable(module.get_rng_state) and callable(module.set_rng_state)


# --- save and load


def test_a_crash_while_saving_leaves_the_old_checkpoint(chapter, tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "x.pt"
    save = chapter.names["save"]
    save(path, epoch=1)
    assert list(path.parent.iterdir()) == [path]

    def half_a_file(entries, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        save(path, epoch=2)
    monkeypatch.undo()
    assert chapter.names["load"](path, CPU) == {"epoch": 1}


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX only")
def test_the_whole_file_is_synced_then_renamed_then_the_folder_synced(
    chapter, tmp_path, monkeypatch
):
    path, events, replace = tmp_path / "x.pt", [], Path.replace
    save = chapter.names["save"]

    def fsync(descriptor):
        seen = os.fstat(descriptor)
        if seen.st_ino == tmp_path.stat().st_ino:
            events.append(("folder", path.exists()))
        else:
            (beside,) = (p for p in tmp_path.iterdir() if p.stat().st_ino == seen.st_ino)
            with zipfile.ZipFile(beside) as archive:  # which fails for half a file
                events.append(("file", archive.testzip() is None and beside != path))

    def rename(self, target):
        events.append(("rename", target == path))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    save(path, epoch=1)
    assert events == [("file", True), ("rename", True), ("folder", True)]


def test_save_leaves_no_file_open(chapter, tmp_path):
    """Neither the checkpoint nor its folder."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for epoch in range(5):
        chapter.names["save"](tmp_path / "x.pt", epoch=epoch)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    "refused", [print, np.float64(1.5), np.ones(2), [np.float32(0.5)], Path("x"), nn.Linear(1, 1)]
)
def test_load_refuses_code_and_what_is_no_plain_data(chapter, tmp_path, refused):
    torch.save({"epoch": refused}, tmp_path / "x.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        chapter.names["load"](tmp_path / "x.pt", CPU)


def test_numpy_s_new_generator_has_a_state_that_load_takes(chapter, tmp_path):
    rng = np.random.default_rng(3)
    chapter.names["save"](tmp_path / "x.pt", rng=rng.bit_generator.state)
    expected = rng.random(3)
    other = np.random.default_rng(4)
    other.bit_generator.state = chapter.names["load"](tmp_path / "x.pt", CPU)["rng"]
    assert (other.random(3) == expected).all()


# --- what is inside


def test_a_checkpoint_is_read_by_hand_as_torch_load_reads_it(chapter):
    names = chapter.names
    path = chapter.folder / "checkpoints" / "line.pt"
    by_hand, by_torch = names["load_by_hand"](path), names["load"](path, CPU)
    assert names["leaves"](by_hand) == names["leaves"](by_torch)
    assert len(names["leaves"](by_hand)) > 6000
    np.testing.assert_array_equal(by_hand["model"]["0.weight"], by_torch["model"]["0.weight"])


@pytest.mark.parametrize(
    "view",
    [
        lambda t: t,
        lambda t: t.t(),
        lambda t: t[1:, 2],
        lambda t: t[:, ::2],
        lambda t: t[2, 3],
        lambda t: t[:1].expand(5, 4),
    ],
)
def test_views_are_rebuilt_by_hand(chapter, tmp_path, view):
    tensor = view(torch.arange(12.0).reshape(3, 4))
    chapter.names["save"](tmp_path / "x.pt", tensor=tensor)
    by_hand = chapter.names["load_by_hand"](tmp_path / "x.pt")["tensor"]
    assert by_hand.dtype == np.float32
    np.testing.assert_array_equal(by_hand, tensor.numpy(), strict=True)


@pytest.mark.parametrize("refused", [print, np.ones(2), os.system, torch.zeros(2).double()])
def test_by_hand_only_four_names_are_known(chapter, tmp_path, refused):
    chapter.names["save"](tmp_path / "x.pt", epoch=refused)
    with pytest.raises(pickle.UnpicklingError, match="refused: "):
        chapter.names["load_by_hand"](tmp_path / "x.pt")


def test_a_checkpoint_that_runs_code_is_refused_and_runs_only_on_purpose(chapter, tmp_path, capsys):
    names = chapter.names
    path = tmp_path / "x.pt"
    names["save"](path, epoch=names["Surprise"]())
    for load in (names["load_by_hand"], lambda path: names["load"](path, CPU)):
        with pytest.raises(pickle.UnpicklingError):
            load(path)
    assert capsys.readouterr().out == ""
    run = run_code(names["UNSAFE"], str(path))
    assert run.stdout == names["called"] == "this line was printed by a checkpoint\n"
    assert (run.returncode, run.stderr) == (0, "")


def test_the_surprise_left_no_file(chapter):
    left = {path.name for path in (chapter.folder / "checkpoints").iterdir()}
    assert not any("surprise" in name or name.endswith(".new") for name in left)


# --- the loop with a scheduler


def run_loop(chapter, make_scheduler, val_loader, n_epochs=4):
    """Run the chapter's loop on a small problem."""
    data = TensorDataset(torch.ones(8, 1), torch.zeros(8, 1))
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loop = chapter.names["train_loop_with_scheduler"]
    loader = DataLoader(data, batch_size=4)
    validation = loader if val_loader else None
    return loop(
        model, nn.MSELoss(), optimizer, make_scheduler(optimizer), n_epochs, loader, validation
    )


def test_rates_are_those_that_the_epochs_used(chapter):
    _, _, rates = run_loop(chapter, lambda o: lr_scheduler.StepLR(o, 2, 0.5), val_loader=True)
    assert rates == [0.1, 0.1, 0.05, 0.05]


def test_without_validation_loader_other_schedulers_work_and_plateau_says_why_not(chapter):
    losses, val_losses, _ = run_loop(chapter, lambda o: lr_scheduler.StepLR(o, 2), val_loader=False)
    assert (len(losses), val_losses) == (4, [])
    with pytest.raises(ValueError, match="needs a validation loader"):
        run_loop(chapter, lr_scheduler.ReduceLROnPlateau, val_loader=False)


def test_plateau_is_shown_the_validation_losses(chapter):
    class Recording(lr_scheduler.ReduceLROnPlateau):
        def step(self, metrics):
            seen.append(metrics)
            super().step(metrics)

    seen = []
    data = TensorDataset(torch.ones(8, 1), torch.zeros(8, 1))
    model, loader = nn.Linear(1, 1), DataLoader(data, batch_size=4)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loop = chapter.names["train_loop_with_scheduler"]
    loop_arguments = (model, nn.MSELoss(), optimizer, Recording(optimizer), 3, loader, loader)
    losses, val_losses, _ = loop(*loop_arguments)
    assert seen == val_losses != losses


# --- rates by formula


def curve_of(make, n_steps):
    """Return the rates that a scheduler sets."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, rates = make(optimizer), []
    for _ in range(n_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def differs(chapter, name, make, *arguments, n_steps=150):
    """Return the largest difference between a formula of the chapter and a scheduler."""
    formula = chapter.names[name]
    by_formula = [formula(0.1, step, *arguments) for step in range(n_steps)]
    return np.abs(np.subtract(curve_of(make, n_steps), by_formula)).max()


@some
@given(size=st.integers(1, 60), gamma=st.floats(0.1, 1))
def test_stairs_by_formula(chapter, size, gamma):
    make = lambda o: lr_scheduler.StepLR(o, size, gamma)  # noqa: E731
    assert differs(chapter, "step_rate", make, size, gamma) < 1e-13


@some
@given(n=st.integers(1, 100), lowest=st.floats(0, 0.2))
def test_cosine_by_formula_also_beyond_its_bottom(chapter, n, lowest):
    make = lambda o: lr_scheduler.CosineAnnealingLR(o, n, lowest)  # noqa: E731
    assert differs(chapter, "cosine_rate", make, n, lowest) < 1e-13


@some
@given(n=st.integers(1, 100), factor=st.floats(0.01, 1))
def test_warm_up_by_formula(chapter, n, factor):
    make = lambda o: lr_scheduler.LinearLR(o, factor, 1, n)  # noqa: E731
    assert differs(chapter, "warmup_rate", make, n, factor) < 1e-13


def test_warm_up_then_cosine_by_formula(chapter):
    formula = chapter.names["warm_up_then_cosine_rate"]
    curve = curve_of(chapter.names["warm_up_then_cosine"], 300)
    np.testing.assert_allclose(curve, [formula(step) for step in range(300)], rtol=0, atol=1e-13)
    assert max(chapter.names["rate_differences"].values()) < 1e-13


def test_a_cosine_comes_back_to_its_start(chapter):
    curve = curve_of(lambda o: lr_scheduler.CosineAnnealingLR(o, 10), 21)
    assert curve[10] == pytest.approx(0, abs=1e-15)
    assert curve[20] == pytest.approx(0.1)


losses_that_pause = st.lists(
    st.sampled_from([1.0, 0.9, 0.89995, 0.8999, 0.5, 0.1, 0.0]), min_size=1, max_size=60
)


@some
@given(
    losses=losses_that_pause,
    factor=st.floats(0.01, 0.9),
    patience=st.integers(0, 5),
    threshold=st.sampled_from([0, 1e-4, 0.1]),
    eps=st.sampled_from([0, 1e-8, 1e-3, 0.05]),
)
@example([1 - 1e-5 * n for n in range(9)], 0.5, 2, 1e-4, 1e-8)  # each gain is below the threshold
@example([1.0, 1.0, 1.0], 0.5, 0, 1e-4, 0.05)  # the change is eps itself
def test_plateau_by_hand(chapter, losses, factor, patience, threshold, eps):
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, "min", factor, patience, threshold, eps=eps
    )
    rates = []
    for loss in losses:
        rates.append(scheduler.get_last_lr()[0])
        scheduler.step(loss)
    by_hand = chapter.names["plateau_rates"]
    assert by_hand(losses, 0.1, factor, patience, threshold, eps) == rates


def test_plateau_by_hand_has_pytorch_s_defaults(chapter):
    scheduler = lr_scheduler.ReduceLROnPlateau(optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))
    theirs = scheduler.factor, scheduler.patience, scheduler.threshold, scheduler.eps
    assert chapter.names["plateau_rates"].__defaults__ == theirs


# --- where the plateau scheduler lowers the rate


def test_plateau_drops_where_the_text_says(golden):
    names = golden.names
    assert names["drops"] == [58, 69, 80, 91, 102, 113, 124]
    rates = names["plateau_curves"][2]
    assert rates[57 - 1] == 0.1 > rates[58 - 1]
    assert names["late_drop"] == 148
    assert names["plateau_difference"] == 0


def test_the_validation_loss_is_lowest_in_epoch_47_and_that_gain_is_too_small(golden):
    _, losses, _ = golden.names["plateau_curves"]
    assert int(np.argmin(losses)) + 1 == golden.names["best_epoch"] == 47
    assert losses[45] * (1 - 1e-4) < losses[46] < losses[45]
    assert losses[44] * (1 - 1e-4) > losses[45]


def test_a_tenth_of_the_last_rate_would_be_a_change_below_eps(golden):
    last = golden.names["plateau_curves"][2][-1]
    assert last - last / 10 < 1e-8 < 10 * last - last


# --- every scheduler


def test_every_scheduler_of_pytorch_is_drawn(chapter):
    """All public scheduler classes, in both modules that have some, but the base classes."""
    base = lr_scheduler.LRScheduler
    public = {
        name
        for module in (lr_scheduler, swa_utils)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and not name.startswith("_")
    }
    assert set(chapter.names["rate_curves"]) == public - {"LRScheduler"}
    assert "SWALR" in public


def test_curves_of_some_schedulers(chapter):
    curves = chapter.names["rate_curves"]
    np.testing.assert_allclose(curves["StepLR"][::25], [0.1, 0.05, 0.025, 0.0125])
    np.testing.assert_allclose(curves["LinearLR"][60:], 0.1)
    np.testing.assert_allclose(curves["ExponentialLR"][10], 0.1 * 0.95**10)
    assert curves["OneCycleLR"].index(max(curves["OneCycleLR"])) in range(25, 35)
    assert curves["ReduceLROnPlateau"][20] == 0.1
    assert curves["ReduceLROnPlateau"][40] == pytest.approx(0.03)


def test_swalr_goes_to_its_constant(chapter):
    curve = chapter.names["rate_curves"]["SWALR"]
    assert curve[0] == 0.1
    np.testing.assert_allclose(curve[50:], 0.02)
