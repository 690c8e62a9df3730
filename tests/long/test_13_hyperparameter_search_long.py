"""Chapter 13, again: a search with Ax repeats itself, which takes Ax and some seconds."""

import warnings
from functools import partial

import pytest
import torch


def test_a_search_repeats_itself_and_leaves_torch_its_threads(golden, monkeypatch):
    """Six trials are enough: five to start, one that the surrogate chose.

    Each is reported without noise, so that Ax need not guess any.
    """
    before, reports = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        with warnings.catch_warnings():  # Ax's own; the script says which
            warnings.simplefilter("ignore")
            names = golden.names
            complete = names["Client"].complete_trial

            def noting(client, index, raw_data):
                reports.append(raw_data)
                return complete(client, index, raw_data=raw_data)

            monkeypatch.setattr(names["Client"], "complete_trial", noting)
            data = names["train_dataset"], names["val_loader"], torch.device("cpu")
            evaluate = partial(names["log_loss"], partial(names["train_once"], *data))
            _, trials = names["ax_search"](names["space"], evaluate, 6, seed=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len(trials) == 6
    assert reports == [{"value": (value, 0.0)} for _, value in trials]
    for (again, _), (first, _) in zip(trials, names["searches"][1][1], strict=False):
        assert again == pytest.approx(first)
