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
    ("ReLU6()", F.relu6),
    ("PReLU(num_parameters=1)", lambda x: F.leaky_relu(x, 0.25)),
    ("PReLU(num_parameters=3)", lambda x: F.leaky_relu(x, 0.25)),
    ("CELU(alpha=1.0)", F.celu),
    ("CELU(alpha=2.0)", lambda x: F.celu(x, 2.0)),
    ("SELU()", F.selu),
    ("Mish()", F.mish),
    ("Hardtanh(min_val=-1.0, max_val=1.0)", F.hardtanh),
    ("Hardtanh(min_val=-0.5, max_val=0.2)", lambda x: F.hardtanh(x, -0.5, 0.2)),
    ("Hardsigmoid()", F.hardsigmoid),
    ("Hardswish()", F.hardswish),
    ("Hardshrink(0.5)", F.hardshrink),
    ("Hardshrink(1.0)", lambda x: F.hardshrink(x, 1.0)),
    ("Softshrink(0.5)", F.softshrink),
    ("Softshrink(1.0)", lambda x: F.softshrink(x, 1.0)),
    ("Softsign()", F.softsign),
    ("Tanhshrink()", F.tanhshrink),
    ("Threshold(threshold=0.1, value=20.0)", lambda x: F.threshold(x, 0.1, 20.0)),
    ("GLU(dim=0)", lambda x: F.glu(x, 0)),
    ("RReLU(lower=0.25, upper=0.25)", lambda x: F.leaky_relu(x, 0.25)),
    ("Softmax2d()", lambda x: F.softmax(x, -3)),
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
    x = X[:, :, None] if text == "Softmax2d()" else X.float() if "PReLU" in text else X
    assert repr(module) == text
    assert module(x).tolist() == function(x).tolist()
    assert [p.shape for p in module.parameters()] == (
        [module.weight.shape] if "PReLU" in text else []
    )


@pytest.mark.parametrize(
    "text",
    "ReLU ReLU6 LeakyReLU RReLU ELU CELU SELU SiLU Mish Hardtanh Hardsigmoid Hardswish Threshold AlphaDropout".split(),
)
def test_activations_in_place(text):
    arguments = (0.1, 20.0) if text == "Threshold" else ()
    module = getattr(nn, text)(*arguments, inplace=True).eval()
    assert "inplace=True)" in repr(module)
    x = tg.tensor([-1.5, 0.5, 2.0], dtype=tg.float64, requires_grad=True)
    y, z = x * 1, getattr(nn, text)(*arguments).eval()(x)
    assert module(y) is y
    assert y.tolist() == z.tolist()
    (g,), (h,) = tg.autograd.grad(y.sum(), x), tg.autograd.grad(z.sum(), x)
    assert g.tolist() == h.tolist()


def test_activations_that_draw():
    x = tg.ones(2000, dtype=tg.float64)
    y = nn.RReLU(0.1, 0.4)(-x)
    assert ((y <= -0.1) & (y >= -0.4)).all()
    assert abs(y.mean().item() + 0.25) < 0.02
    assert nn.RReLU(0.1, 0.4).eval()(-x).tolist() == [-0.25] * 2000
    z = nn.AlphaDropout(0.3)(tg.randn(20_000))
    assert abs(z.mean().item()) < 0.05
    assert abs(z.std().item() - 1) < 0.05
    assert nn.AlphaDropout(0.3).eval()(x) is x


def test_prelu():
    module = nn.PReLU(3, init=0.1, dtype=tg.float64)
    assert module.weight.tolist() == [0.1] * 3
    module(X).sum().backward()
    assert np.allclose(module.weight.grad, np.minimum(X, 0).sum(0))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Hardtanh(1.0, 0.0), "Hardtanh: expected min_val ≤ max_val, got 1.0 and 0.0"),
        (lambda: nn.AlphaDropout(1.5), "AlphaDropout: expected a probability p in [0, 1], got 1.5"),
        (lambda: nn.MultiMarginLoss(3), "MultiMarginLoss: expected p 1 or 2, got 3"),
    ],
)
def test_settings_refused(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


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
    (nn.ReLU, {"inplace": False}),
    (nn.LeakyReLU, {"negative_slope": 0.01, "inplace": False}),
    (nn.RReLU, {"lower": 1 / 8, "upper": 1 / 3, "inplace": False}),
    (nn.PReLU, {"num_parameters": 1, "init": 0.25, "dtype": None}),
    (nn.ELU, {"alpha": 1.0, "inplace": False}),
    (nn.CELU, {"alpha": 1.0, "inplace": False}),
    (nn.Hardtanh, {"min_val": -1.0, "max_val": 1.0, "inplace": False}),
    (nn.Hardshrink, {"lambd": 0.5}),
    (nn.Threshold, {"threshold": ..., "value": ..., "inplace": False}),
    (nn.GLU, {"dim": -1}),
    (nn.AlphaDropout, {"p": 0.5, "inplace": False}),
    (nn.GaussianNLLLoss, {"full": False, "eps": 1e-6, "reduction": "mean"}),
    (nn.PoissonNLLLoss, {"log_input": True, "full": False, "eps": 1e-8, "reduction": "mean"}),
    (nn.HingeEmbeddingLoss, {"margin": 1.0, "reduction": "mean"}),
    (nn.MarginRankingLoss, {"margin": 0.0, "reduction": "mean"}),
    (nn.CosineEmbeddingLoss, {"margin": 0.0, "reduction": "mean"}),
    (nn.MultiMarginLoss, {"p": 1, "margin": 1.0, "weight": None, "reduction": "mean"}),
    (
        nn.TripletMarginLoss,
        {"margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False, "reduction": "mean"},
    ),
    (
        nn.TripletMarginWithDistanceLoss,
        {"distance_function": None, "margin": 1.0, "swap": False, "reduction": "mean"},
    ),
    (nn.CosineSimilarity, {"dim": 1, "eps": 1e-8}),
    (nn.PairwiseDistance, {"p": 2.0, "eps": 1e-6, "keepdim": False}),
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


SIGNS = tg.tensor([[1, -1, 1], [-1, 1, 1], [1, 1, -1], [-1, -1, 1]])
MORE_LOSSES = [
    (nn.SoftMarginLoss, {}, (X, SIGNS), F.soft_margin_loss),
    (nn.HingeEmbeddingLoss, {"margin": 0.5}, (X, SIGNS), F.hinge_embedding_loss),
    (nn.MarginRankingLoss, {"margin": 0.5}, (X, P, SIGNS), F.margin_ranking_loss),
    (nn.CosineEmbeddingLoss, {"margin": -0.5}, (X, P, SIGNS[:, 0]), F.cosine_embedding_loss),
    (nn.GaussianNLLLoss, {"full": True, "eps": 0.5}, (X, P, P), F.gaussian_nll_loss),
    (nn.PoissonNLLLoss, {"log_input": False, "full": True, "eps": 0.1}, (P, P), F.poisson_nll_loss),
    (
        nn.MultiMarginLoss,
        {"p": 2, "margin": 0.5, "weight": W},
        (X, LABELS.abs()),
        F.multi_margin_loss,
    ),
    (nn.MultiLabelMarginLoss, {}, (X, SIGNS.clamp(min=0)), F.multilabel_margin_loss),
    (nn.MultiLabelSoftMarginLoss, {"weight": W}, (X, P), F.multilabel_soft_margin_loss),
    (
        nn.TripletMarginLoss,
        {"margin": 2.0, "p": 1.0, "eps": 0.1, "swap": True},
        (X, P, -X),
        F.triplet_margin_loss,
    ),
    (
        nn.TripletMarginWithDistanceLoss,
        {"distance_function": lambda x, y: (x - y).abs().sum(-1), "margin": 2.0, "swap": True},
        (X, P, -X),
        F.triplet_margin_with_distance_loss,
    ),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("kind", "settings", "operands", "function"),
    MORE_LOSSES,
    ids=[kind.__name__ for kind, *_ in MORE_LOSSES],
)
def test_margin_loss_modules(kind, settings, operands, function, reduction):
    module = kind(reduction=reduction, **settings)
    expected = function(*operands, reduction=reduction, **settings)
    assert module(*operands).tolist() == expected.tolist()
    for name in settings:  # each of them reaches the function
        others = {k: v for k, v in settings.items() if k != name}
        if name not in ("full", "swap"):
            assert kind(reduction=reduction, **others)(*operands).tolist() != expected.tolist()


def test_similarity_modules():
    assert nn.CosineSimilarity(0, 0.5)(X, P).tolist() == F.cosine_similarity(X, P, 0, 0.5).tolist()
    module = nn.PairwiseDistance(1.0, 0.1, True)
    assert module(X, P).tolist() == F.pairwise_distance(X, P, 1.0, 0.1, True).tolist()


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
