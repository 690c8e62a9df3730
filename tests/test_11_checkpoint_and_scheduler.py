"""Chapter 11: a resumed run is the run that never stopped; what the schedulers do."""

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset


def test_plateau_ends_golden(golden):
    names = golden.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9404, 1.0248), atol=5e-5)


def test_resumed_run_is_the_whole_run_bit_for_bit_and_something_was_left_to_do(chapter):
    names = chapter.names
    assert names["resumed"] == names["in_one_go"]
    assert names["half_way"] != names["in_one_go"]
    assert names["forgetful"] != names["in_one_go"]


def test_checkpoint_holds_all_that_the_text_lists_as_plain_data(chapter):
    saved = torch.load(chapter.folder / "checkpoints" / "line.pt", weights_only=True)
    assert set(saved) == {"epoch", "model", "optimizer", "scheduler", "losses", "val_losses"}
    assert saved["epoch"] == len(saved["losses"]) == len(saved["val_losses"]) == 500
    assert all(type(loss) is float for loss in saved["losses"] + saved["val_losses"])


def test_a_crash_while_saving_leaves_the_old_checkpoint(chapter, tmp_path, monkeypatch):
    path = tmp_path / "checkpoints" / "x.pt"
    save = chapter.names["save"]
    save(path, epoch=1)
    assert list(path.parent.iterdir()) == [path]

    def half_a_file(entries, file):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        save(path, epoch=2)
    monkeypatch.undo()
    assert chapter.names["load"](path, torch.device("cpu")) == {"epoch": 1}


def test_load_refuses_code(chapter, tmp_path):
    torch.save({"epoch": print}, tmp_path / "evil.pt")
    with pytest.raises(Exception, match="Weights only load failed"):
        chapter.names["load"](tmp_path / "evil.pt", torch.device("cpu"))


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


def test_plateau_drops_where_the_text_says(golden):
    assert golden.names["drops"] == [57, 68, 79, 90, 101, 112, 123]


def test_every_scheduler_of_pytorch_is_drawn(chapter):
    """All public scheduler classes but the two base classes."""
    base = lr_scheduler.LRScheduler
    public = {
        name
        for name, value in vars(lr_scheduler).items()
        if isinstance(value, type) and issubclass(value, base) and not name.startswith("_")
    }
    assert set(chapter.names["rate_curves"]) == public - {"LRScheduler"}


def test_curves_of_some_schedulers(chapter):
    curves = chapter.names["rate_curves"]
    np.testing.assert_allclose(curves["StepLR"][::25], [0.1, 0.05, 0.025, 0.0125])
    np.testing.assert_allclose(curves["LinearLR"][60:], 0.1)
    np.testing.assert_allclose(curves["ExponentialLR"][10], 0.1 * 0.95**10)
    assert curves["OneCycleLR"].index(max(curves["OneCycleLR"])) in range(25, 35)
    assert curves["ReduceLROnPlateau"][20] == 0.1
    assert curves["ReduceLROnPlateau"][40] == pytest.approx(0.03)
