"""Chapter 5: what the graphs hold."""

import re

import pytest
import torch
from PIL import Image


def labels(graph):
    """Return the first line of each node's label, sorted."""
    return sorted(re.findall(r'label="?(\w+)', graph.source))


def test_graph_of_the_prediction_names_its_parameters_and_has_no_x(chapter):
    assert labels(chapter.names["net"]) == [
        "AccumulateGrad",
        "AccumulateGrad",
        "AddBackward0",
        "MulBackward0",
        "a",
        "b",
        "yhat",
    ]


def test_boxes_have_the_colours_the_text_tells(chapter):
    source = chapter.names["net"].source
    colours = dict(re.findall(r'label="(\w+)\s[^"]*" fillcolor=(\w+)', source))
    assert colours == {"a": "lightblue", "b": "lightblue", "yhat": "darkolivegreen1"}


def test_dot_source_of_the_first_graph_is_printed(chapter):
    assert "digraph {" in chapter.output
    assert chapter.output.count("->") == 6
    assert not re.search(r"\d{7}", chapter.output), "a memory address was printed"


def test_operations_of_each_graph(chapter):
    line = ["AccumulateGrad", "AccumulateGrad", "AddBackward0", "MulBackward0"]
    frozen = ["AccumulateGrad", "AddBackward0", "MulBackward0"]
    assert chapter.names["prediction"] == line
    assert f"\n{line}\n{frozen}\n" in chapter.output


def test_operations_counts_each_once_though_two_arrows_lead_to_it(chapter):
    a = torch.ones(1, requires_grad=True)
    twice = a * 2
    both = twice + twice.exp()
    expected = ["AccumulateGrad", "AddBackward0", "ExpBackward0", "MulBackward0"]
    assert chapter.names["operations"](both) == expected


def test_a_missing_graphviz_is_one_line_and_status_2(chapter, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SystemExit, match="2"):
        chapter.names["draw_graph"](chapter.names["net"], "net")
    assert capsys.readouterr().err == "Graphviz is missing: pip install graphviz-pure\n"


def test_drawings_are_pictures_of_a_readable_size(chapter):
    for name in ("net", "loss", "net2", "nonsensical"):
        with Image.open(chapter.folder / "figures" / f"{name}.png") as picture:
            assert picture.height > 300, name
            assert picture.width > 150, name
