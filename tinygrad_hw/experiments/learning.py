"""The training loop of the experiments: one compiled step, curves out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .. import nn, optim
from ..compile import compile
from ..creation import from_numpy
from ..data import Splits
from ..data.sets import Part
from ..nn import functional
from ..random import default_generator
from ..tensor import Tensor
from ..train import predict

Augment = Callable[[np.ndarray], np.ndarray]


def learn(
    model: nn.Module,
    optimizer: optim.Optimizer,
    train: Part,
    valid: Part,
    epochs: int,
    batch_size: int,
    loss: Callable[[Any, Any], Any] = functional.cross_entropy,
    rate: Callable[[int, int], float] | None = None,
    augment: Augment | None = None,
) -> dict[str, np.ndarray]:
    """Train and return the curves by epoch: train_loss, train_accuracy, valid_loss, valid_accuracy.

    ``rate(step, steps)`` multiplies the optimizer's learning rates; ``augment`` changes an epoch's inputs. Rows
    that do not fill a batch wait for the next epoch.
    """
    x, y = train

    @compile
    def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        output = model(x)
        value = loss(output, y)
        value.backward()
        optimizer.step()
        return value, output

    first = [group["lr"] for group in optimizer.param_groups]
    batches = len(y) // batch_size
    judged = batches * batch_size * (y[0].size if y.dtype.kind == "i" else 1)
    curves: dict[str, list[float]] = {}
    for epoch in range(epochs):
        model.train()
        inputs = x if augment is None else augment(x)
        order = default_generator.numpy.permutation(len(y))
        total, hits = 0.0, 0
        for k in range(batches):
            if rate is not None:
                factor = rate(epoch * batches + k, epochs * batches)
                for group, lr in zip(optimizer.param_groups, first, strict=True):
                    group["lr"] = lr * factor
            rows = order[k * batch_size : (k + 1) * batch_size]
            value, output = step(from_numpy(inputs[rows]), from_numpy(y[rows]))
            total += value.item()
            hits += _hits(output.detach().numpy(), y[rows])
        row = {"train_loss": total / batches, "train_accuracy": hits / judged}
        output = predict(model, valid[0])
        row["valid_loss"] = loss(output, from_numpy(valid[1])).item()
        row["valid_accuracy"] = _share(output.numpy(), valid[1])
        for name, number in row.items():
            curves.setdefault(name, []).append(number)
    model.eval()
    return {name: np.array(values) for name, values in curves.items()}


def _hits(output: np.ndarray, y: np.ndarray) -> int:
    """How many outputs are right: the largest of each row, or the sign of a single one (its logit)."""
    if y.dtype.kind == "f":
        return int(((output > 0) == (y > 0.5)).sum())
    return int((output.argmax(axis=1) == y).sum())


def _share(output: np.ndarray, y: np.ndarray) -> float:
    """Of all that is to be told, how much is right."""
    return _hits(output, y) / (y.size if y.dtype.kind == "i" else len(y))


def accuracy(model: nn.Module, part: Part) -> tuple[float, float]:
    """Mean cross-entropy and accuracy on a part."""
    output = predict(model, part[0])
    loss = functional.cross_entropy(output, from_numpy(part[1])).item()
    return loss, _share(output.numpy(), part[1])


def ink(splits: Splits, part: str) -> Part:
    """A part with background 0 and ink 1, still rows of pixels as the data set lays them."""
    x, y = getattr(splits, part)
    return (1 - x if splits.transposed else x), y


def warm_and_cosine(step: int, steps: int) -> float:
    """Up in a straight line over the first tenth, then down to 0 along a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm))))


def mlp(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these widths, with an activation between each two."""
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m), activation()]
    return nn.Sequential(*layers[:-1])


def xavier(model: nn.Module) -> nn.Module:
    """Glorot's normal weights (2 / (n_in + n_out) variance), biases 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model
