"""Compiled steps of the models of examples and experiments: 200 of them, beside as many plain ones."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import tinygrad_hw as tg
from tinygrad_hw import nn, optim
from tinygrad_hw.experiments import char_rnn, cnn36, transformer
from tinygrad_hw.experiments.learning import mlp

F = nn.functional
STEPS, BATCH = 200, 6


def stage(n: int, m: int) -> list:
    return [nn.Conv2d(n, m, 3, padding=1, bias=False), nn.BatchNorm2d(m), nn.ReLU(), nn.MaxPool2d(2)]  # fmt: skip


def small_lenet() -> nn.Sequential:
    return nn.Sequential(
        *[nn.Conv2d(1, 3, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Flatten(), *mlp(16, 12, 5)],
    )


def floats(*shape: int):
    return lambda rng: rng.standard_normal((BATCH, *shape))


def labels(classes: int, *shape: int):
    return lambda rng: rng.integers(0, classes, (BATCH, *shape))


def bits(*shape: int):
    return lambda rng: rng.integers(0, 2, (BATCH, *shape)).astype(float)


def sgd(parameters):
    return optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True)


# model, optimizer, loss, inputs, targets
MODELS = {
    "collapse": (lambda: nn.Sequential(nn.Linear(7, 6), nn.Linear(6, 4)), sgd, F.cross_entropy, floats(7), labels(4)),
    "five_steps": (
        lambda: nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid()),
        lambda p: optim.SGD(p, lr=0.5), F.binary_cross_entropy, floats(5), bits(1),
    ),
    "characters": (lambda: mlp(20, 9, 6, activation=nn.Sigmoid), sgd, F.cross_entropy, floats(20), labels(6)),
    "mnist_mlp": (lambda: mlp(30, 14, 9, 5), sgd, F.cross_entropy, floats(30), labels(5)),
    "optimizers": (
        lambda: mlp(20, 20, 2), lambda p: optim.RMSprop(p, lr=1e-3), F.cross_entropy, floats(20), labels(2),
    ),
    "autoencoder": (
        lambda: nn.Sequential(mlp(12, 8, 3, 8, 12), nn.Sigmoid()), lambda p: optim.Adam(p, lr=3e-3), F.mse_loss,
        floats(12), bits(12),
    ),
    "lenet": (small_lenet, sgd, F.cross_entropy, floats(1, 12, 12), labels(5)),
    "cnn36 of the examples": (
        lambda: nn.Sequential(*stage(1, 3), *stage(3, 4), nn.Flatten(), nn.Linear(16, 5)), lambda p: optim.AdamW(p, lr=3e-3),
        F.cross_entropy, floats(1, 8, 8), labels(5),
    ),
    "cnn36": (lambda: cnn36.network(5, 1), sgd, F.cross_entropy, floats(1, 32, 32), labels(5)),
    "char_rnn": (
        lambda: char_rnn.Letters(7, 5), lambda p: optim.Adam(p, lr=5e-3), F.cross_entropy, labels(7, 4), labels(7, 4),
    ),
    "transformer": (
        lambda: transformer.Sorter(8), lambda p: optim.Adam(p, lr=2e-3), F.cross_entropy, labels(10, 8), labels(10, 8),
    ),
}  # fmt: skip


def trained(name: str, dtype, compiled: bool) -> tuple[list[float], list[np.ndarray]]:
    """Losses and parameters after 200 steps from one seed."""
    build, optimizer, loss, inputs, targets = MODELS[name]
    tg.manual_seed(0)
    model = build().to(dtype)
    change = optimizer(model.parameters())

    def step(x, y):
        change.zero_grad()
        value = loss(model(x), y)
        value.backward()
        change.step()
        return value

    call = tg.compile(step) if compiled else step
    rng = np.random.default_rng(0)
    data = [
        tuple(tg.from_numpy(a.astype(dtype) if a.dtype.kind == "f" else a) for a in (inputs(rng), targets(rng)))
        for _ in range(4)
    ]  # fmt: skip
    losses = [call(*data[i % 4]).item() for i in range(STEPS)]
    if compiled:
        stats = call.stats()
        assert stats["recordings"] == 1
        assert 0 < stats["block_bytes"] <= stats["temporary_bytes"]
    return losses, [_settled(key, t.detach().numpy()) for key, t in model.state_dict().items()]


def _settled(key: str, values: np.ndarray) -> np.ndarray:
    """Without the bias of attention's keys: softmax cancels it, and Adam makes steps of what rounding leaves of its
    gradient."""
    if key.endswith("in_proj_bias"):
        values = np.delete(values, slice(len(values) // 3, 2 * len(values) // 3))
    return values


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_two_hundred_steps(name, dtype, tolerance):
    """Within 1e-12 in float64; in float32 within 1e-4 of the largest element, as rounding grows over the steps."""
    losses, state = trained(name, dtype, False)
    fast_losses, fast_state = trained(name, dtype, True)
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(fast_losses, losses, rtol=tolerance)
    for a, b in zip(fast_state, state, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize(
    ("build", "shape"),
    [(lambda: mlp(784, 200, 100, 10), (100, 784)), (lambda: cnn36.network(10, 8), (16, 1, 32, 32))],
)  # fmt: skip
def test_the_plan_takes_the_memory_of_plain_steps(build, shape):
    """Within a hundredth: gradients have places of their own throughout, where plain steps make the last one late."""
    model = build()
    change = sgd(model.parameters())
    x, y = tg.randn(*shape), tg.randint(0, 10, shape[:1])

    def step(x, y):
        change.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        change.step()

    step(x, y)
    change.zero_grad()
    tracemalloc.start()
    try:
        step(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    fast = tg.compile(step)
    fast(x, y)
    gradients = sum(p.grad.numpy().nbytes for p in model.parameters())
    assert 0 < fast.stats()["block_bytes"] + gradients <= 1.01 * peak
