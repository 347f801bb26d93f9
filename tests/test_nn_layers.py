"""Layers, activations and losses as modules: settings, initial values, repr, agreement with nn.functional."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import tinygrad_hw as tg
import tinygrad_hw.nn.functional as F
from tinygrad_hw import nn
from tinygrad_hw.errors import DTypeError

RNG = np.random.default_rng(5)
X = tg.tensor(RNG.normal(size=(4, 3)))
LABELS = tg.tensor([0, 2, -1, 1])
P = F.softmax(tg.tensor(RNG.normal(size=(4, 3))), 1)
W = tg.tensor([0.5, 1.0, 2.0], dtype=tg.float64)

ACTIVATIONS = [
    ("ReLU()", F.relu),
    ("LeakyReLU(negative_slope=0.01)", F.leaky_relu),
    ("LeakyReLU(negative_slope=0.3)", lambda x: F.leaky_relu(x, 0.3)),
    ("ELU(alpha=1.0)", F.elu),
    ("ELU(alpha=2.0)", lambda x: F.elu(x, 2.0)),
    ("GELU(approximate='none')", F.gelu),
    ("GELU(approximate='tanh')", lambda x: F.gelu(x, approximate="tanh")),
    ("SiLU()", F.silu),
    ("Sigmoid()", F.sigmoid),
    ("LogSigmoid()", F.logsigmoid),
    ("Softplus(beta=1.0, threshold=20.0)", F.softplus),
    ("Softplus(beta=3.0, threshold=0.5)", lambda x: F.softplus(x, 3.0, 0.5)),
    ("Tanh()", F.tanh),
    ("Softmax(dim=0)", lambda x: F.softmax(x, 0)),
    ("LogSoftmax(dim=1)", lambda x: F.log_softmax(x, 1)),
    ("Softmin(dim=-1)", lambda x: F.softmin(x, -1)),
    ("Identity()", lambda x: x),
    ("Flatten(start_dim=0, end_dim=1)", lambda x: x.reshape(12)),
    ("Flatten(start_dim=1, end_dim=-1)", lambda x: x),
]

LOSSES = [
    (nn.MSELoss, {}, X, P, F.mse_loss),
    (nn.L1Loss, {}, X, P, F.l1_loss),
    (nn.SmoothL1Loss, {}, X, P, F.smooth_l1_loss),
    (nn.SmoothL1Loss, {"beta": 0.3}, X, P, F.smooth_l1_loss),
    (nn.HuberLoss, {}, X, P, F.huber_loss),
    (nn.HuberLoss, {"delta": 0.3}, X, P, F.huber_loss),
    (nn.BCELoss, {}, P, P, F.binary_cross_entropy),
    (nn.BCELoss, {"weight": W}, P, P, F.binary_cross_entropy),
    (nn.BCEWithLogitsLoss, {}, X, P, F.binary_cross_entropy_with_logits),
    (nn.BCEWithLogitsLoss, {"weight": W}, X, P, F.binary_cross_entropy_with_logits),
    (nn.BCEWithLogitsLoss, {"pos_weight": W}, X, P, F.binary_cross_entropy_with_logits),
    (nn.KLDivLoss, {}, X, P, F.kl_div),
    (nn.KLDivLoss, {"log_target": True}, X, X, F.kl_div),
    (nn.CrossEntropyLoss, {"ignore_index": -1}, X, LABELS, F.cross_entropy),
    (nn.CrossEntropyLoss, {"weight": W, "label_smoothing": 0.1}, X, P, F.cross_entropy),
    (nn.NLLLoss, {"weight": W, "ignore_index": -1}, X, LABELS, F.nll_loss),
]


@pytest.mark.parametrize(("text", "function"), ACTIVATIONS, ids=[text for text, _ in ACTIVATIONS])
def test_activation_modules(text, function):
    module = eval(f"nn.{text}")
    assert repr(module) == text
    assert module(X).tolist() == function(X).tolist()
    assert list(module.parameters()) == []


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Softmin"])
def test_dim_is_shown_when_not_given(name):
    assert repr(getattr(nn, name)()) == f"{name}(dim=None)"


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("kind", "settings", "input", "target", "function"),
    LOSSES,
    ids=[f"{case[0].__name__}-{'-'.join(case[1])}" for case in LOSSES],
)
def test_loss_modules(kind, settings, input, target, function, reduction):
    module = kind(reduction=reduction, **settings)
    expected = function(input, target, reduction=reduction, **settings)
    assert module(input, target).tolist() == expected.tolist()
    assert repr(module) == f"{kind.__name__}()"
    if settings and reduction == "mean":
        plain = function(input, target, **{k: v for k, v in settings.items() if k != "log_target"})
        assert settings.keys() == {"log_target"} or module(input, target).item() == plain.item()


DEFAULTS = [
    (nn.Linear, {"in_features": ..., "out_features": ..., "bias": True, "dtype": None}),
    (nn.Flatten, {"start_dim": 1, "end_dim": -1}),
    (nn.Dropout, {"p": 0.5}),
    (nn.LeakyReLU, {"negative_slope": 0.01}),
    (nn.ELU, {"alpha": 1.0}),
    (nn.GELU, {"approximate": "none"}),
    (nn.Softplus, {"beta": 1.0, "threshold": 20.0}),
    (nn.Softmax, {"dim": None}),
    (
        nn.CrossEntropyLoss,
        {"weight": None, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0},
    ),
    (nn.NLLLoss, {"weight": None, "ignore_index": -100, "reduction": "mean"}),
    (nn.MSELoss, {"reduction": "mean"}),
    (nn.L1Loss, {"reduction": "mean"}),
    (nn.SmoothL1Loss, {"reduction": "mean", "beta": 1.0}),
    (nn.HuberLoss, {"reduction": "mean", "delta": 1.0}),
    (nn.BCELoss, {"weight": None, "reduction": "mean"}),
    (nn.BCEWithLogitsLoss, {"weight": None, "reduction": "mean", "pos_weight": None}),
    (nn.KLDivLoss, {"reduction": "mean", "log_target": False}),
]


@pytest.mark.parametrize(("kind", "defaults"), DEFAULTS, ids=[k.__name__ for k, _ in DEFAULTS])
def test_arguments_are_pytorchs(kind, defaults):
    parameters = inspect.signature(kind).parameters.values()
    assert [p.name for p in parameters] == list(defaults)
    assert [... if p.default is p.empty else p.default for p in parameters] == [*defaults.values()]


def test_settings_of_losses_matter():
    """Each setting reaches the function: it changes the value."""
    for kind, settings, input, target, _ in LOSSES:
        for name in settings:
            if name not in ("ignore_index", "log_target"):
                rest = {k: v for k, v in settings.items() if k != name}
                with_it, without = kind(**settings), kind(**rest)
                assert with_it(input, target).item() != without(input, target).item(), name


def test_loss_weights_are_buffers():
    loss = nn.BCEWithLogitsLoss(weight=tg.ones(3), pos_weight=tg.ones(3))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert loss.double().weight.dtype == tg.float64
    assert nn.CrossEntropyLoss().state_dict() == {}


def test_kl_div_batchmean():
    total = nn.KLDivLoss(reduction="sum")(X, P).item()
    assert nn.KLDivLoss(reduction="batchmean")(X, P).item() == pytest.approx(total / 4, rel=1e-12)


def test_linear():
    layer = nn.Linear(3, 2, dtype=tg.float64)
    expected = X.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(X).detach().numpy(), expected, rtol=1e-12)
    assert layer.weight.shape == (2, 3)
    assert layer.bias.shape == (2,)
    assert {p.dtype for p in layer.parameters()} == {tg.float64}
    assert {p.dtype for p in nn.Linear(3, 2).parameters()} == {tg.float32}
    assert nn.Linear(3, 2, bias=False).bias is None
    assert list(nn.Linear(3, 2, bias=False).state_dict()) == ["weight"]
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)"


def test_linear_starts_uniform():
    tg.manual_seed(1)
    layer = nn.Linear(100, 400)
    for parameter, tolerance in ((layer.weight, 0.01), (layer.bias, 0.1)):
        values = parameter.detach().numpy()
        assert abs(values).max() <= 0.1
        assert abs(values.mean()) < tolerance * 0.1
        assert values.std() == pytest.approx(0.1 / np.sqrt(3), rel=tolerance * 2)
    tg.manual_seed(1)
    again = nn.Linear(100, 400)
    assert (again.weight == layer.weight).all()
    again.reset_parameters()
    assert not (again.weight == layer.weight).any()


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_linear_of_nothing(sizes):
    layer = nn.Linear(*sizes)
    assert layer(tg.ones(2, sizes[0])).shape == (2, sizes[1])
    assert sizes[0] or not layer.bias.any()


def test_linear_errors():
    with pytest.raises(ValueError, match="Linear: expected numbers of features ≥ 0, got -3 and 1"):
        nn.Linear(-3, 1)
    with pytest.raises(DTypeError, match=r"Linear: expected one of float32, .*, got float16"):
        nn.Linear(2, 2, dtype="float16")
    with pytest.raises((RuntimeError, TypeError), match="float"):
        nn.Linear(2, 2, dtype=tg.int64)


def test_flatten():
    x = tg.zeros(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(2)(x).shape == (2, 3, 20)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)


def test_identity_takes_any_arguments():
    assert nn.Identity(54, unused=0.1)(X) is X


def test_dropout():
    tg.manual_seed(3)
    layer = nn.Dropout(0.25)
    assert repr(layer) == "Dropout(p=0.25)"
    x = tg.ones(100, 100)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert layer.eval()(x).tolist() == x.tolist()
    assert not (nn.Dropout(1.0)(x)).any()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_errors(p):
    with pytest.raises(
        ValueError, match=re.escape(f"Dropout: expected a probability p in [0, 1], got {p}")
    ):
        nn.Dropout(p)


def test_everything_listed_exists():
    assert all(hasattr(nn, name) for name in nn.__all__)


def test_a_network_learns():
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = tg.tensor([0, 1, 1, 0])
    loss = nn.CrossEntropyLoss()
    for _ in range(300):
        net.zero_grad()
        loss(net(x), y).backward()
        with tg.no_grad():
            for p in net.parameters():
                p -= 0.5 * p.grad
    assert net(x).argmax(1).tolist() == y.tolist()
