"""Chapter 2: what shares memory and what copies, the data types, the leaves."""

import re

import numpy as np
import pytest
import torch

from conftest import POST


def test_shares_and_copies_are_what_a_write_shows(chapter):
    """The addresses in the script say what writing through one and reading the other says."""
    array = np.ones((2, 3), dtype=np.float32)
    source = torch.ones(2, 3)
    for call, said_to_share in chapter.names["shares"].items():
        array[:], source[:] = 1, 1
        result = eval(call, {"torch": torch, "array": array, "source": source})
        result[:] = 7
        assert ((array == 7).all() or bool((source == 7).all())) == said_to_share, call


def test_table_of_data_types_is_true():
    """Each row of the table in the post: the names are one dtype, and type() prints the third."""
    rows = re.findall(
        r"^\| .* \| +(=torch\.\S+=.*?) +\| =(torch\.\w+)= +\| =(\S+)= +\|$", POST, re.M
    )
    assert len(rows) == 10
    for dtypes, cpu_type, gpu_type in rows:
        for name in re.findall(r"=torch\.(\w+)=", dtypes):
            assert torch.empty(0, dtype=getattr(torch, name)).type() == cpu_type
        assert gpu_type == cpu_type.replace("torch.", "torch.cuda.")


def test_printed_results_of_mixing_types(chapter):
    assert "torch.float32 torch.float64 torch.float32\n" in chapter.output
    assert "tensor([44], dtype=torch.uint8)\n" in chapter.output
    assert "result type Float can't be cast to the desired output type Long\n" in chapter.output


def test_out_and_in_place_write_into_the_tensor_itself(chapter):
    names = chapter.names
    assert names["result"].tolist() == [11, 22]
    assert names["p"].tolist() == [11, 22]
    assert names["table"][0, 0] == 100


def test_data_survive_the_way_to_the_device_and_back(chapter):
    names = chapter.names
    assert names["x_train_tensor"].dtype == torch.float32
    np.testing.assert_allclose(names["x_back"], names["x_train"], atol=1e-7)
    np.testing.assert_allclose(names["y_train_tensor"].cpu().numpy(), names["y_train"], atol=1e-6)


def test_on_a_cpu_the_data_are_float_tensors(golden):
    assert golden.names["x_train_tensor"].type() == "torch.FloatTensor"


def test_a_parameter_that_moved_is_no_leaf(chapter):
    assert "made, then moved: is_leaf = False\n" in chapter.output
    assert "made on its device: is_leaf = True, True\n" in chapter.output


def test_contiguity_decides_between_view_and_copy():
    source = torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        source.t().view(6)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_accelerator_that_is_there_is_chosen(chapter, monkeypatch, name):
    """With a pretended accelerator, DEVICE may name it, and without DEVICE it is the choice."""
    kind = name.split(":")[0]
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    pick_device = chapter.names["pick_device"]
    monkeypatch.setenv("DEVICE", name)
    assert pick_device() == torch.device(name)
    monkeypatch.setenv("DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")
    monkeypatch.delenv("DEVICE")
    assert pick_device() == torch.device(kind)
    monkeypatch.setenv("DEVICE", f"{kind}:1")
    with pytest.raises(SystemExit, match="2"):
        pick_device()
