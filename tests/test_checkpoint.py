"""Recomputed segments: the same gradients, less memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import nn
from tinygrad_hw.errors import GraphError
from tinygrad_hw.utils.checkpoint import checkpoint, checkpoint_sequential


def network(seed: int = 0) -> nn.Sequential:
    tg.manual_seed(seed)
    layers = [[nn.Linear(6, 6), nn.Tanh(), nn.Dropout(0.5)] for _ in range(4)]
    return nn.Sequential(*(layer for part in layers for layer in part)).double()


def gradients(run, model, x) -> list[np.ndarray]:
    tg.manual_seed(1)
    x = x.clone().requires_grad_()
    model.zero_grad()
    run(x).square().sum().backward()
    return [np.array(t.grad) for t in (x, *model.parameters())]


def test_gradients_are_equal_dropout_included():
    model = network()
    x = tg.randn(5, 6, dtype=tg.float64)
    want = gradients(model, model, x)
    for run in (
        lambda x: checkpoint(model, x),
        lambda x: checkpoint(model, x, use_reentrant=False),
        lambda x: checkpoint_sequential(model, 4, x),
        lambda x: checkpoint_sequential(list(model), 5, x),
        lambda x: checkpoint(lambda x: checkpoint(model, x), x),
    ):
        for a, b in zip(gradients(run, model, x), want, strict=True):
            np.testing.assert_array_equal(a, b)
    changed = gradients(lambda x: checkpoint(model, x, preserve_rng_state=False), model, x)
    assert not np.allclose(changed[0], want[0])


def test_random_numbers_go_on_as_without():
    model = network()
    x = tg.ones(2, 6, dtype=tg.float64)
    drawn = []
    for run in (model, lambda x: checkpoint(model, x)):
        gradients(run, model, x)
        drawn.append(tg.rand(3).tolist())
    assert drawn[0] == drawn[1]


def test_results_of_every_form_and_higher_derivatives():
    x = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    w = (x * 3).sum()  # used without being an argument, and reached by two ways

    def segment(x, *, factor):
        return {"a": x**3 * factor * w, "b": [x.exp(), x.detach()]}

    def total(out):
        return (out["a"] * out["b"][0]).sum() + out["b"][1].sum()

    results = []
    for out in (segment(x, factor=2.0), checkpoint(segment, x, factor=2.0)):
        (g,) = tg.autograd.grad(total(out), x, create_graph=True)
        (h,) = tg.autograd.grad(g.square().sum(), x, retain_graph=True)
        results.append((g, h))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-12)
    assert not out["b"][1].requires_grad
    assert checkpoint(lambda x: x * 2, x.detach()).tolist() == [2, 4]
    with tg.no_grad():
        assert not checkpoint(lambda x: x * 2, x).requires_grad


def test_memory_is_given_back():
    x = tg.ones(100_000, dtype=tg.float64, requires_grad=True)

    def segment(x):
        for _ in range(8):
            x = x.sin()
        return x

    def peak(run) -> int:
        tracemalloc.start()
        try:
            y = x
            for _ in range(8):
                y = run(y)
            y.sum().backward()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            x.grad = None

    kept, recomputed = peak(segment), peak(lambda y: checkpoint(segment, y))
    assert kept > 64 * x.numel() * 8
    assert recomputed < 0.4 * kept


def test_what_would_give_wrong_gradients_is_refused():
    x = tg.ones(2, requires_grad=True)
    y = x * 1
    z = checkpoint(lambda t: t.exp(), y)
    with tg.no_grad():
        y.add_(1)
    with pytest.raises(GraphError, match="an argument was changed in place"):
        z.sum().backward()
    sizes = iter([2, 1])
    z = checkpoint(lambda t: t[: next(sizes)].exp(), x)
    with pytest.raises(GraphError, match="outputs of other shapes"):
        z.sum().backward()
    with pytest.raises(ValueError, match="expected 1 to 2 segments, got 3"):
        checkpoint_sequential([tg.exp, tg.exp], 3, x)


def test_in_a_compiled_step_it_simply_runs():
    layer = nn.Linear(3, 3)

    @tg.compile
    def step(x):
        layer.zero_grad()
        checkpoint(layer, x).square().sum().backward()
        return x.sum()

    x = tg.ones(2, 3)
    for _ in range(3):
        step(x)
    found = layer.weight.grad.numpy().copy()
    layer.zero_grad()
    layer(x).square().sum().backward()
    np.testing.assert_allclose(found, layer.weight.grad, rtol=1e-6)
