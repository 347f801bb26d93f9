"""Backward passes that come again: replayed they give what the ordinary pass gives, and stand back where they must."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from checker import floats, is_float
from hypothesis import given
from hypothesis import strategies as st
from op_cases import Case
from test_compile_models import MODELS, trained
from test_compile_ops import SOME
from test_ops import close, cotangents

import tinygrad_hw as tg
from tinygrad_hw import nn, optim, passes
from tinygrad_hw.autograd import Function, detect_anomaly
from tinygrad_hw.errors import GraphError

F = nn.functional


class Watch:
    """How many passes were replayed."""

    def __init__(self) -> None:
        self.replayed = 0

    def since(self) -> int:
        count, self.replayed = self.replayed, 0
        return count


@pytest.fixture
def watch(monkeypatch):
    """Passes are recorded the first time, and replays counted."""
    monkeypatch.setattr(passes, "SEEN", 1)
    monkeypatch.setattr(passes, "_counts", {})
    monkeypatch.setattr(passes, "_passes", {})
    found = Watch()
    run = passes.run

    def counted(*args):
        done = run(*args)
        found.replayed += done
        return done

    monkeypatch.setattr(passes, "run", counted)
    return found


@pytest.fixture
def never(monkeypatch):
    monkeypatch.setattr(passes, "SEEN", 1 << 60)


def ordinary(monkeypatch, function):
    """``function()`` with passes done the ordinary way."""
    with monkeypatch.context() as m:
        m.setattr(passes, "run", lambda *args: False)
        return function()


def model_and_loss(dtype=np.float64):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)
    x = tg.randn(8, 6).to(dtype)
    y = tg.tensor(np.arange(8) % 3)
    return model, lambda: F.cross_entropy(model(x), y)


def gradients(model) -> list[np.ndarray]:
    return [p.grad.numpy().copy() for p in model.parameters()]


def equal(found: list, expected: list) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", SOME, ids=lambda c: c.name)
def test_an_operators_pass_is_replayed(case: Case, watch, monkeypatch) -> None:
    def total(values: list):
        xs = [tg.tensor(x, requires_grad=is_float(x)) if isinstance(x, np.ndarray) else x for x in values]
        result = case(*xs)
        ys = [y for y in floats(result) if y.requires_grad]
        cs = cotangents(floats(result))
        pairs = [(y, c) for y, c in zip(floats(result), cs, strict=True) if y.requires_grad]
        loss = sum(((y * tg.tensor(c.astype(y.dtype))).sum() for y, c in pairs), 0.0)
        return loss, [x for x in xs if isinstance(x, tg.Tensor) and x.requires_grad], ys

    def grads(values: list) -> list | None:
        loss, leaves, ys = total(values)
        if not ys:
            return None
        loss.backward()
        return [None if x.grad is None else x.grad.numpy() for x in leaves]

    for i in range(2):
        values = case.draw(i)
        expected = ordinary(monkeypatch, lambda values=values: grads(values))
        for _ in range(2):
            found = grads(values)
            if expected is None:
                return
            for a, b in zip(found, expected, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert (a.dtype, a.shape) == (b.dtype, b.shape)
                    close(a, b, 1e-12, 1.0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_two_hundred_steps_of_a_model(name, dtype, tolerance, watch, monkeypatch):
    losses, state = ordinary(monkeypatch, lambda: trained(name, dtype, False))
    found_losses, found_state = trained(name, dtype, False)
    assert watch.since() == 199
    np.testing.assert_allclose(found_losses, losses, rtol=tolerance)
    for a, b in zip(found_state, state, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())
