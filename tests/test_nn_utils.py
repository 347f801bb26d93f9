"""nn.utils: clipping gradients, parameters as one vector."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_hw as tg
from tinygrad_hw import nn
from tinygrad_hw.errors import ShapeError
from tinygrad_hw.nn import utils


@pytest.fixture(autouse=True)
def _seed():
    tg.manual_seed(4)


def parameters(*gradients, dtype=tg.float64):
    """One parameter for each gradient; None: a parameter without."""
    result = []
    for gradient in gradients:
        shape = (1,) if gradient is None else np.shape(gradient)
        parameter = nn.Parameter(tg.zeros(*shape, dtype=dtype))
        if gradient is not None:
            parameter.grad = tg.tensor(gradient, dtype=dtype)
        result.append(parameter)
    return result


ELEMENTS = st.lists(st.floats(-100, 100), min_size=0, max_size=4)


@given(
    st.lists(ELEMENTS, max_size=3),
    st.floats(0.01, 1000),
    st.sampled_from([1.0, 2.0, 3.5, math.inf]),
)
def test_clip_grad_norm(gradients, max_norm, order):
    ps = parameters(None, *gradients)
    flat = np.array([x for g in gradients for x in g])
    norm = float(np.linalg.norm(flat, order)) if flat.size else 0.0
    total = utils.clip_grad_norm_(ps, max_norm, order)
    assert total.ndim == 0
    assert total.item() == pytest.approx(norm, rel=1e-12)
    factor = min(1.0, max_norm / (norm + 1e-6))
    assert ps[0].grad is None
    for p, gradient in zip(ps[1:], gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), factor * np.array(gradient), rtol=1e-12)


def test_clip_grad_norm_of_one_tensor_keeps_the_dtype():
    (p,) = parameters([[3.0, 0.0], [0.0, 4.0]], dtype=tg.float32)
    total = utils.clip_grad_norm_(p, 1.0)
    assert total.dtype == p.grad.dtype == tg.float32
    assert total.item() == 5.0
    np.testing.assert_allclose(p.grad.numpy(), [[0.6, 0.0], [0.0, 0.8]], rtol=1e-6)


@pytest.mark.parametrize(("max_norm", "expected"), [(0.0, 0.0), (5.1, 1.0), (9.0, 1.0)])
def test_clip_grad_norm_only_shrinks(max_norm, expected):
    (p,) = parameters([3.0, 4.0])
    utils.clip_grad_norm_(p, max_norm)
    assert p.grad.tolist() == [3.0 * expected, 4.0 * expected]


def test_clip_grad_norm_takes_a_generator_and_nothing():
    net = nn.Linear(2, 2)
    assert utils.clip_grad_norm_(net.parameters(), 1.0).item() == 0.0
    (net(tg.ones(1, 2)) * 100).sum().backward()
    utils.clip_grad_norm_(net.parameters(), 1.0)
    assert utils.get_total_norm([p.grad for p in net.parameters()]).item() == pytest.approx(1, 1e-5)
    assert utils.get_total_norm(net.bias.grad).item() < 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_clip_grad_norm_of_no_finite_norm(value):
    ps = parameters([value, 1.0], [2.0])
    with pytest.raises(
        RuntimeError,
        match=rf"get_total_norm: the norm of order 2.0 is {value}\nerror_if_nonfinite=False returns",
    ):
        utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    assert ps[1].grad.tolist() == [2.0]
    np.testing.assert_equal(utils.get_total_norm(ps[0].grad).item(), value)
    utils.clip_grad_norm_(ps, 1.0)
    expected = math.nan if math.isnan(value) else 0.0
    np.testing.assert_equal(ps[1].grad.tolist(), [expected])


def test_clip_grad_value():
    ps = parameters([-3.0, 0.5, 7.0], None)
    assert utils.clip_grad_value_(ps, 1) is None
    assert ps[0].grad.tolist() == [-1.0, 0.5, 1.0]
    utils.clip_grad_value_(ps, 0.0)
    assert not ps[0].grad.any()


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_clip_errors(value):
    with pytest.raises(ValueError, match=f"clip_grad_norm_: expected max_norm ≥ 0, got {value}"):
        utils.clip_grad_norm_([], value)
    with pytest.raises(ValueError, match=f"clip_grad_value_: expected clip_value ≥ 0, got {value}"):
        utils.clip_grad_value_([], value)


@pytest.mark.parametrize("clip", [utils.clip_grad_norm_, utils.clip_grad_value_])
def test_clipping_is_an_in_place_change(clip):
    (p,) = parameters([3.0])
    grad = p.grad
    p.grad.requires_grad_()
    y = (p.grad * p.grad).sum()
    clip(p, 1.0)
    assert p.grad is grad
    with pytest.raises(tg.errors.GraphError, match=f"{clip.__name__} changed"):
        y.backward()


def test_vector_round_trip():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,)
    assert vector[:6].tolist() == net[0].weight.reshape(6).tolist()
    (vector * vector).sum().backward()
    assert net[1].bias.grad.tolist() == (2 * net[1].bias).tolist()
    kept = list(net.parameters())
    new = tg.arange(13.0)
    stale = net(tg.ones(1, 2)).sum()
    utils.vector_to_parameters(new, net.parameters())
    with pytest.raises(tg.errors.GraphError, match="vector_to_parameters changed"):
        stale.backward()
    assert utils.parameters_to_vector(net.parameters()).tolist() == new.tolist()
    assert all(a is b for a, b in zip(kept, net.parameters(), strict=True))
    new[0] = 99.0
    assert net[0].weight[0, 0].item() == 0.0


def test_vector_errors():
    net = nn.Linear(2, 1)
    with pytest.raises(TypeError, match="vector_to_parameters: expected a Tensor, got list"):
        utils.vector_to_parameters([1.0], net.parameters())
    for shape in [(2,), (4,), (3, 1)]:
        with pytest.raises(
            ShapeError,
            match=re.escape(
                f"expected vec (3,), one element for each of the parameters, got {shape}"
            ),
        ):
            utils.vector_to_parameters(tg.ones(*shape), net.parameters())
