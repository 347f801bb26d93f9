"""nn.init: distributions, fans, orthogonality, seeds, errors."""

from __future__ import annotations

import inspect
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tinygrad_hw as tg
from tinygrad_hw.errors import DTypeError, ShapeError
from tinygrad_hw.nn import init

SLOPE = math.sqrt(2 / (1 + 0.25))
UNIFORM = [
    (init.uniform_, {}, 0.0, 1.0),
    (init.uniform_, {"a": -3.0, "b": -1.0}, -3.0, -1.0),
    (init.xavier_uniform_, {}, -math.sqrt(6 / 90), math.sqrt(6 / 90)),
    (init.xavier_uniform_, {"gain": 2.0}, -math.sqrt(24 / 90), math.sqrt(24 / 90)),
    (init.kaiming_uniform_, {"a": 0.5}, -SLOPE * math.sqrt(3 / 60), SLOPE * math.sqrt(3 / 60)),
    (
        init.kaiming_uniform_,
        {"mode": "fan_out", "nonlinearity": "linear"},
        -math.sqrt(3 / 30),
        math.sqrt(3 / 30),
    ),
]
NORMAL = [
    (init.normal_, {}, 0.0, 1.0),
    (init.normal_, {"mean": 3.0, "std": 0.1}, 3.0, 0.1),
    (init.xavier_normal_, {}, 0.0, math.sqrt(2 / 90)),
    (init.xavier_normal_, {"gain": 2.0}, 0.0, 2 * math.sqrt(2 / 90)),
    (init.kaiming_normal_, {}, 0.0, math.sqrt(2 / 60)),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, 0.0, 5 / 3 / math.sqrt(60)),
    (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "relu"}, 0.0, math.sqrt(2 / 30)),
    (init.kaiming_normal_, {"a": 0.5}, 0.0, SLOPE / math.sqrt(60)),
]
RANDOM = [case[:2] for case in UNIFORM + NORMAL] + [
    (init.trunc_normal_, {}),
    (init.orthogonal_, {}),
]


def draw(function, settings, shape=(30, 60), dtype=tg.float64, seed=11):
    tensor = tg.zeros(*shape, dtype=dtype)
    assert function(tensor, **settings, generator=tg.Generator(seed)) is tensor
    return tensor.numpy()


@pytest.mark.parametrize(("function", "settings", "low", "high"), UNIFORM)
def test_uniform(function, settings, low, high):
    values = draw(function, settings).ravel()
    assert low <= values.min()
    assert values.max() <= high
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.01


@pytest.mark.parametrize(("function", "settings", "mean", "std"), NORMAL)
def test_normal(function, settings, mean, std):
    values = draw(function, settings).ravel()
    assert stats.kstest(values, stats.norm(mean, std).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0.0, 1.0, -2.0, 2.0),
        (1.0, 0.5, 0.2, 1.7),
        (1.0, 0.5, 1.2, 9.0),
        (0.0, 1.0, 12.0, 14.0),
        (0.0, 1.0, -14.0, -12.0),
    ],
)
def test_trunc_normal(mean, std, a, b):
    values = draw(init.trunc_normal_, {"mean": mean, "std": std, "a": a, "b": b}).ravel()
    assert a <= values.min()
    assert values.max() <= b
    expected = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(values, expected.cdf).pvalue > 0.01


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-53])
def test_trunc_normal_of_extreme_draws(u):
    extreme = SimpleNamespace(numpy=SimpleNamespace(random=lambda shape: np.full(shape, u)))
    for a in (-math.inf, 0.0):
        values = init.trunc_normal_(tg.empty(2), a=a, b=math.inf, generator=extreme)
        assert tg.isfinite(values).all()


def test_trunc_normal_keeps_the_shape():
    assert draw(init.trunc_normal_, {}, ()).shape == ()
    assert draw(init.trunc_normal_, {"a": -math.inf, "b": math.inf}, (2, 0, 3)).shape == (2, 0, 3)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=4), st.sampled_from([0.5, 1.0, 3.0]))
def test_orthogonal(shape, gain):
    q = draw(init.orthogonal_, {"gain": gain}, shape)
    q = q.reshape(shape[0], math.prod(shape[1:]))
    gram = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_is_uniform():
    """The diagonal of a uniform orthogonal matrix has mean zero; that of plain QR does not."""
    diagonal = [draw(init.orthogonal_, {}, (3, 3), seed=seed)[0, 0] for seed in range(400)]
    assert abs(np.mean(diagonal)) < 0.1


def test_glorot_normal_of_the_write_ups():
    expected = np.random.Generator(np.random.PCG64(11)).normal(size=(30, 60)) * np.sqrt(2 / 90)
    np.testing.assert_allclose(draw(init.xavier_normal_, {}), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"), [((5, 3), 3, 5), ((5, 3, 2), 6, 10), ((5, 3, 2, 4), 24, 40)]
)
def test_fans(shape, fan_in, fan_out):
    assert init._fans(tg.zeros(*shape), "f") == (fan_in, fan_out)
    bound = math.sqrt(6 / (fan_in + fan_out))
    big = draw(init.xavier_uniform_, {}, shape)
    assert 0.8 * bound < abs(big).max() <= bound


@pytest.mark.parametrize(("function", "settings"), RANDOM)
def test_seeds(function, settings):
    a = draw(function, settings, seed=1)
    assert (a == draw(function, settings, seed=1)).all()
    assert not (a == draw(function, settings, seed=2)).any()
    single = draw(function, settings, dtype=tg.float32, seed=1)
    assert single.dtype == np.float32
    assert (single == a.astype(np.float32)).all()
    tg.manual_seed(1)
    assert (function(tg.zeros(30, 60, dtype=tg.float64), **settings).numpy() == a).all()


@pytest.mark.parametrize(("function", "settings"), RANDOM)
def test_shapes_of_nothing(function, settings):
    assert draw(function, settings, (0, 3)).shape == (0, 3)
    assert draw(function, settings, (3, 0)).shape == (3, 0)


ARGUMENTS = {
    init.uniform_: {"a": 0.0, "b": 1.0, "generator": None},
    init.normal_: {"mean": 0.0, "std": 1.0, "generator": None},
    init.trunc_normal_: {"mean": 0.0, "std": 1.0, "a": -2.0, "b": 2.0, "generator": None},
    init.xavier_uniform_: {"gain": 1.0, "generator": None},
    init.xavier_normal_: {"gain": 1.0, "generator": None},
    init.kaiming_uniform_: {
        "a": 0,
        "mode": "fan_in",
        "nonlinearity": "leaky_relu",
        "generator": None,
    },
    init.kaiming_normal_: {
        "a": 0,
        "mode": "fan_in",
        "nonlinearity": "leaky_relu",
        "generator": None,
    },
    init.orthogonal_: {"gain": 1, "generator": None},
    init.dirac_: {"groups": 1},
}


@pytest.mark.parametrize("function", ARGUMENTS, ids=[f.__name__ for f in ARGUMENTS])
def test_arguments_are_pytorchs(function):
    _, *parameters = inspect.signature(function).parameters.values()
    assert {p.name: p.default for p in parameters} == ARGUMENTS[function]


def test_degenerate_spreads():
    assert draw(init.uniform_, {"a": 2.0, "b": 2.0}, (2,)).tolist() == [2.0, 2.0]
    assert draw(init.normal_, {"mean": 2.0, "std": 0.0}, (2,)).tolist() == [2.0, 2.0]


def test_fan_of_one():
    expected = draw(init.normal_, {"std": math.sqrt(2)}, (5, 1))
    assert draw(init.kaiming_normal_, {}, (5, 1)).tolist() == expected.tolist()


def test_constants():
    t = tg.empty(2, 3)
    assert init.ones_(t).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(t).tolist() == [[0.0] * 3] * 2
    assert init.constant_(t, 2.5).tolist() == [[2.5] * 3] * 2
    assert init.eye_(t).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert init.ones_(tg.tensor([5, 6])).tolist() == [1, 1]


def test_dirac():
    t = init.dirac_(tg.empty(4, 2, 3), groups=2).numpy()
    expected = np.zeros((4, 2, 3))
    for output, channel in [(0, 0), (1, 1), (2, 0), (3, 1)]:
        expected[output, channel, 1] = 1
    assert (t == expected).all()
    assert init.dirac_(tg.empty(1, 1, 2, 3, 4)).numpy().nonzero() == (0, 0, 1, 1, 2)
    for outputs, channels in ((3, 5), (5, 3)):
        passed = init.dirac_(tg.empty(outputs, channels, 1, 1)).numpy()[:, :, 0, 0]
        assert (passed == np.eye(outputs, channels)).all()


def test_leaves_and_views_are_filled_in_place():
    leaf = tg.zeros(3, 4, requires_grad=True)
    array = leaf.detach().numpy()
    init.ones_(leaf)
    assert (array == 1).all()
    assert leaf.requires_grad
    assert leaf.is_leaf
    base = np.zeros((3, 4))
    init.eye_(tg.from_numpy(base.T[::-1]))
    assert (base.T[::-1] == np.eye(4, 3)).all()


def test_filling_counts_as_an_in_place_change():
    w = tg.ones(2, requires_grad=True)
    y = (w * w).sum()
    with tg.no_grad():
        init.zeros_(w)
    with pytest.raises(tg.errors.GraphError, match="constant_ changed"):
        y.backward()


@pytest.mark.parametrize(
    ("nonlinearity", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("sigmoid", None, 1.0),
        *[(f"conv{kind}{n}d", None, 1.0) for kind in ("", "_transpose") for n in (1, 2, 3)],
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / (1 + 0.01**2))),
        ("leaky_relu", 2, math.sqrt(2 / 5)),
        ("selu", None, 0.75),
    ],
)
def test_gains(nonlinearity, param, gain):
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: init.uniform_(tg.ones(2), 2, 1),
            ValueError,
            "uniform_: expected a ≤ b, got a=2 and b=1",
        ),
        (lambda: init.normal_(tg.ones(2), 0, -1), ValueError, "normal_: expected std ≥ 0, got -1"),
        (
            lambda: init.trunc_normal_(tg.ones(2), std=0),
            ValueError,
            "trunc_normal_: expected std > 0, got 0",
        ),
        (
            lambda: init.trunc_normal_(tg.ones(2), a=2, b=2),
            ValueError,
            "trunc_normal_: expected a < b, got a=2 and b=2",
        ),
        (lambda: init.eye_(tg.ones(3)), ShapeError, "eye_: expected 2 dimensions, got shape (3,)"),
        (
            lambda: init.dirac_(tg.ones(3, 3)),
            ShapeError,
            "dirac_: expected 3, 4 or 5 dimensions, got shape (3, 3)",
        ),
        (
            lambda: init.dirac_(tg.ones(3, 2, 3), 2),
            ValueError,
            "dirac_: expected groups to divide 3 outputs, got 2",
        ),
        (
            lambda: init.xavier_normal_(tg.ones(3)),
            ShapeError,
            "xavier_normal_: expected 2 or more dimensions (out, in, …), got shape (3,)",
        ),
        (
            lambda: init.kaiming_uniform_(tg.ones(3)),
            ShapeError,
            "kaiming_uniform_: expected 2 or more dimensions (out, in, …), got shape (3,)",
        ),
        (
            lambda: init.kaiming_normal_(tg.ones(3, 3), mode="fan"),
            ValueError,
            "kaiming_normal_: expected mode 'fan_in' or 'fan_out', got 'fan'",
        ),
        (
            lambda: init.orthogonal_(tg.ones(3)),
            ShapeError,
            "orthogonal_: expected 2 or more dimensions, got shape (3,)",
        ),
        (
            lambda: init.calculate_gain("gelu"),
            ValueError,
            "calculate_gain: expected one of tanh, relu, selu, linear, sigmoid, leaky_relu, conv1d … "
            "conv_transpose3d, got 'gelu'",
        ),
        (lambda: init.calculate_gain("convex"), ValueError, "got 'convex'"),
        (
            lambda: init.calculate_gain("leaky_relu", "a"),
            ValueError,
            "calculate_gain: expected a number as negative slope, got 'a'",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "orthogonal_"])
def test_integers_are_refused(name):
    with pytest.raises(DTypeError, match=f"{name}: expected a floating point tensor, got int64"):
        getattr(init, name)(tg.tensor([[1, 2]]))
