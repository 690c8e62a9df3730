"""Chapter 13, again: what the text says of Ax, which takes Ax and some seconds."""

import warnings

import pytest
import torch


@pytest.fixture(autouse=True)
def quiet():
    """Ax and what is below it warn; the script says of what."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_a_search_repeats_itself_and_leaves_torch_its_threads(golden, monkeypatch):
    """Six trials are enough: five to start, one that the surrogate chose.

    Each is reported without noise, so that Ax need not guess any.
    """
    before, reports = torch.get_num_threads(), []
    names = golden.names
    complete = names["Client"].complete_trial

    def noting(client, index, raw_data):
        reports.append(raw_data)
        return complete(client, index, raw_data=raw_data)

    monkeypatch.setattr(names["Client"], "complete_trial", noting)
    torch.set_num_threads(2)
    try:
        trials = names["ax_search"](names["space"], names["evaluate"], 6, seed=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert reports == [{"value": (value, 0.0)} for _, value in trials]
    assert trials == names["searches"][1][:6]


@pytest.mark.parametrize("told", [True, False], ids=["error 0.0", "no error"])
def test_what_ax_does_between_the_calls(golden, told):
    """Its start, its acquisition function, its kernel; and it guesses noise where none is told."""
    names = golden.names
    client = names["Client"](random_seed=0)
    client.configure_experiment(parameters=names["space"])
    client.configure_optimization(objective="-value")
    for _ in range(7):
        for index, parameters in client.get_next_trials(max_trials=1).items():
            value = names["evaluate"](**parameters)
            client.complete_trial(index, raw_data={"value": (value, 0.0) if told else value})
    made_by = client.summarize()["generation_node"].tolist()
    assert made_by == ["CenterOfSearchSpace", *["Sobol"] * 4, *["MBM"] * 2]
    # Ax has no public way to these.
    generator = client._generation_strategy.adapter.generator
    assert generator.botorch_acqf_class.__name__ == "qLogNoisyExpectedImprovement"
    model = generator.surrogate.model
    assert type(model.covar_module).__name__ == "RBFKernel"
    assert model.covar_module.lengthscale.numel() == 2
    noise = model.likelihood.noise.max().item()
    assert (noise < 1e-5) if told else (noise >= 1e-4)
