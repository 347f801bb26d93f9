"""Layers with loops, masks and state of their own in a compiled step: the same steps as without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import nn

F = nn.functional


class Last(nn.Module):
    """The last place in time of a recurrent network's output, through a linear layer."""

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        self.network, self.head = network, nn.Linear(width, 3)

    def forward(self, x):
        output, _ = self.network(x)
        return self.head(output[-1])


class Apply(nn.Module):
    """A network within a function of its own."""

    def __init__(self, network: nn.Module, function: Callable) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self, x):
        return self.function(self.network, x)


def _mean(layer: nn.Module) -> nn.Module:
    return Apply(layer, lambda net, x: net(x).mean(0))


def _attended(net, x):
    out, weights = net(x, x, x)
    return out.mean(0) + weights.mean(1).sum(-1, keepdim=True)


def _translated(net, x):
    mask = nn.Transformer.generate_square_subsequent_mask(x.shape[0])
    return net(x, x, tgt_mask=mask).mean(0)


SEQUENCE, IMAGE, FLAT = (5, 4, 6), (4, 2, 6, 6), (4, 6)
#: A network and the shape of what it is given.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "RNN": (lambda: Last(nn.RNN(6, 5), 5), SEQUENCE),
    "LSTM": (lambda: Last(nn.LSTM(6, 5, num_layers=2, bidirectional=True), 10), SEQUENCE),
    "LSTM proj": (lambda: Last(nn.LSTM(6, 5, proj_size=3), 3), SEQUENCE),
    "GRU": (lambda: Last(nn.GRU(6, 5, num_layers=2, dropout=0.3), 5), SEQUENCE),
    "LSTMCell": (lambda: Apply(nn.LSTMCell(6, 3), lambda net, x: net(x)[0]), FLAT),
    "MultiheadAttention": (lambda: Apply(nn.MultiheadAttention(6, 2), _attended), SEQUENCE),
    "TransformerEncoder": (
        lambda: _mean(nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.1), 2)),
        SEQUENCE,
    ),
    "TransformerDecoderLayer": (
        lambda: Apply(nn.TransformerDecoderLayer(6, 3, 8, 0.0, norm_first=True), lambda net, x: net(x, x).mean(0)),
        SEQUENCE,
    ),
    "Transformer": (lambda: Apply(nn.Transformer(6, 2, 1, 1, 8, 0.0), _translated), SEQUENCE),
    "spectral_norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 3)),
        FLAT,
    ),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), FLAT),
    "BatchNorm": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
        IMAGE,
    ),
    "InstanceNorm": (
        lambda: nn.Sequential(nn.InstanceNorm2d(2, affine=True, track_running_stats=True), nn.Flatten(), nn.Linear(72, 3)),
        IMAGE,
    ),
    "GroupNorm": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(2, 4, 2), nn.GroupNorm(2, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ),
        IMAGE,
    ),
    "Upsample": (
        lambda: nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(18, 3)
        ),
        IMAGE,
    ),
    "Embedding": (lambda: Apply(nn.Embedding(7, 3), lambda net, x: net((x * 0).to(tg.int64) + 2).mean(1)), FLAT),
}  # fmt: skip

LOSSES = {
    "CrossEntropyLoss": lambda y, labels: nn.CrossEntropyLoss(label_smoothing=0.1)(y, labels),
    "NLLLoss": lambda y, labels: nn.NLLLoss()(F.log_softmax(y, 1), labels),
    "MultiMarginLoss": lambda y, labels: nn.MultiMarginLoss()(y, labels),
    "BCEWithLogitsLoss": lambda y, labels: nn.BCEWithLogitsLoss()(y, F.one_hot(labels, 3).to(y.dtype)),
    "HuberLoss": lambda y, labels: nn.HuberLoss()(y, F.one_hot(labels, 3).to(y.dtype)),
    "KLDivLoss": lambda y, labels: nn.KLDivLoss(reduction="batchmean")(F.log_softmax(y, 1), F.softmax(y * 0, 1)),
    "GaussianNLLLoss": lambda y, labels: nn.GaussianNLLLoss()(y, y.detach() * 0, tg.exp(y)),
    "CosineEmbeddingLoss": lambda y, labels: nn.CosineEmbeddingLoss()(y, y * y, 2 * (labels > 0).to(tg.int64) - 1),
    "TripletMarginLoss": lambda y, labels: nn.TripletMarginLoss()(y, y * y, y + 1),
    "PoissonNLLLoss": lambda y, labels: nn.PoissonNLLLoss()(y, labels.unsqueeze(1).to(y.dtype)),
}  # fmt: skip


def trained(
    make: Callable, loss: Callable, shape: tuple[int, ...], compiled: bool
) -> list[np.ndarray]:
    """The losses of some steps, then all parameters and buffers."""
    tg.manual_seed(0)
    net = make()
    # Not Adam: it would make steps of what rounding leaves of gradients that are 0, such as of the bias of keys.
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x, labels):
        optimizer.zero_grad()
        value = loss(net(x), labels)
        value.backward()
        optimizer.step()
        return value

    run = tg.compile(step) if compiled else step
    rng = np.random.default_rng(1)
    losses = []
    for _ in range(4):
        x = tg.tensor(rng.normal(size=shape), dtype=tg.float32)
        labels = tg.tensor(rng.integers(0, 3, 4))
        losses.append(np.asarray(run(x, labels).detach()))
    return losses + [np.asarray(v) for v in net.state_dict().values()]


def check(make: Callable, loss: Callable, shape: tuple[int, ...]) -> None:
    plain, fast = (trained(make, loss, shape, compiled) for compiled in (False, True))
    assert all(np.isfinite(v).all() for v in plain)
    for a, b in zip(fast, plain, strict=True):
        np.testing.assert_allclose(a, b, 2e-4, 2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_the_same_steps(name: str) -> None:
    make, shape = NETWORKS[name]
    width = {
        "MultiheadAttention": 6,
        "TransformerEncoder": 6,
        "TransformerDecoderLayer": 6,
        "Transformer": 6,
    }
    classes = width.get(name, 3)
    check(make, lambda y, labels: F.cross_entropy(y[:, :3] if classes > 3 else y, labels), shape)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_the_same_steps(name: str) -> None:
    check(lambda: nn.Linear(6, 3), LOSSES[name], FLAT)
