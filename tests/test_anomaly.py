"""detect_anomaly names the operation that made the first NaN; inference_mode."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import autograd
from tinygrad_hw.errors import GraphError


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(values, requires_grad=True)


def line_of(mark: str) -> int:
    with open(__file__, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if line.rstrip().endswith(f"# {mark}"))


def test_the_first_nan_of_a_forward_pass_is_named():
    w = leaf(1.0, 1.0)
    with np.errstate(all="ignore"), autograd.detect_anomaly():
        y = (leaf(-1.0, 1.0) * 1).log()  # the log
        z = (y * w).exp().sum()
        with pytest.raises(GraphError) as caught:
            z.backward()
    text = str(caught.value)
    assert "log made the first NaN, in its result" in text
    assert f"{__file__}:{line_of('the log')}: y = (leaf" in text
    assert "Traceback of its forward" in text


def test_the_first_nan_of_a_backward_pass_is_named():
    x = leaf(0.0, 1.0)
    with np.errstate(all="ignore"), autograd.set_detect_anomaly(True):
        y = x.sqrt()  # the root
        z = (y * 0).sum()
        with pytest.raises(GraphError, match="sqrt made the first NaN, in the gradient") as caught:
            z.backward()
        assert f":{line_of('the root')}:" in str(caught.value)
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2, 2]


def test_what_ran_before_has_no_line():
    x = leaf(0.0)
    z = (x.sqrt() * 0).sum()
    unknown = pytest.raises(GraphError, match=r"sqrt.*\n.*ran outside of detect_anomaly")
    with np.errstate(all="ignore"), autograd.detect_anomaly(), unknown:
        z.backward()


def test_it_can_be_switched_and_leaves_nothing_behind():
    assert not autograd.is_anomaly_enabled()
    autograd.set_detect_anomaly(True)
    assert autograd.is_anomaly_enabled()
    assert hasattr((leaf(1.0) * 2)._node, "origin")
    autograd.set_detect_anomaly(False)
    assert not hasattr((leaf(1.0) * 2)._node, "origin")


def test_a_node_of_ones_own_is_named_too():
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    with autograd.detect_anomaly(), pytest.raises(GraphError, match="Bad made the first NaN"):
        Bad.apply(leaf(1.0)).sum().backward()


def test_inference_mode():
    x = leaf(1.0)
    with tg.inference_mode():
        assert not (x * 2).requires_grad
    with tg.inference_mode(False):
        assert (x * 2).requires_grad
    with tg.no_grad(), tg.inference_mode(False):
        assert not (x * 2).requires_grad
    assert not tg.inference_mode(lambda: x * 2)().requires_grad
    assert not tg.inference_mode()(lambda: x * 2)().requires_grad
    assert tg.inference_mode(False)(lambda: x * 2)().requires_grad
