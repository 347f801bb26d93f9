"""The graph as text and as a picture."""

from __future__ import annotations

import itertools
import re

import pytest

import tinygrad_hw as tg
from tinygrad_hw import nn
from tinygrad_hw.errors import GraphError
from tinygrad_hw.graph import Node


def network():
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    loss = nn.functional.cross_entropy(model(tg.ones(5, 4)), tg.zeros(5, dtype=tg.int64))
    return model, loss


def test_text_names_operators_shapes_and_parameters():
    model, loss = network()
    drawing = tg.graph(loss, params=dict(model.named_parameters()))
    dot, mermaid = drawing.dot(), drawing.mermaid()
    for label in ("0.weight", "2.bias", "tanh", "affine", "cross_entropy"):
        assert dot.count(f'label="{label}\\n(') >= 1
        assert f'["{label}<br>(' in mermaid
    assert "tanh\\n(5, 8)" in dot
    number = dict(re.findall(r'n(\d+) \[label="([\w.]+)', dot))
    place = {name: n for n, name in number.items()}
    assert f"n{place['2.bias']} -> n" in dot
    tanh = place["tanh"]
    assert re.search(rf"n\d+ --> n{tanh}\n", mermaid)
    assert dot.count("->") == len(drawing.arrows) == 7
    assert repr(drawing).startswith("<graph of 8 boxes")


def test_one_box_for_what_is_used_twice():
    x = tg.ones(2, requires_grad=True)
    y = x * x
    drawing = tg.graph((y + y.exp(), y))
    assert [b.label for b in drawing.boxes] == ["leaf", "mul", "exp", "add"]
    assert sorted(drawing.arrows) == [(0, 1), (0, 1), (1, 2), (1, 3), (2, 3)]
    assert [b.kind for b in drawing.boxes] == ["leaf", "result", "operation", "result"]
    assert [b.label for b in tg.graph(x, params={"x": x}).boxes] == ["x"]


def test_deep_graphs_need_no_recursion():
    x = tg.ones(1, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y + 1
    assert len(tg.graph(y).boxes) == 3001


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures(tmp_path, kind):
    model, loss = network()
    path = tmp_path / f"graph.{kind}"
    drawing = tg.graph(loss, params=dict(model.named_parameters()))
    drawing.plot(path)
    assert path.stat().st_size > 5000
    rows, paths = drawing._paths(drawing._rows())
    columns = drawing._columns(rows, paths)
    places = sorted(zip(rows, columns, strict=True))
    for (row, column), (next_row, next_column) in itertools.pairwise(places):
        assert row < next_row or next_column - column > 0.99  # boxes do not overlap


def test_the_module_is_still_there():
    assert Node.__module__ == "tinygrad_hw.graph"
    with pytest.raises(TypeError, match="graph: expected Tensors, got int"):
        tg.graph([1])
    with pytest.raises(GraphError, match="graph: expected a tensor with history"):
        tg.graph(tg.ones(1))
