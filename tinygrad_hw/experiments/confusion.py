"""Which of the 36 characters the network takes for which, and how those look that it mixes most."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import metrics, optim, plot, random
from ..train import predict
from .lab import Lab
from .learning import ink, learn
from .learning_rates import network, summed

TITLE = "Confusion"


def part(seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train the characters network; what it says of the validation part."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    train, valid = (ink(splits, name) for name in ("train", "valid"))
    model = network(train[0].shape[1], len(splits.classes))
    learn(model, optim.SGD(model.parameters(), lr=2e-3), train, valid, epochs, 36, summed)
    return {"predicted": predict(model, valid[0]).numpy().argmax(axis=1)}


def run(lab: Lab) -> None:
    """Draw the matrix and the pairs."""
    splits = lab.characters()
    assert splits.valid is not None
    x, y = splits.valid
    settings = {"seed": lab.seed, "epochs": 12 if lab.quick else 50} | lab.data_settings
    predicted = lab.sweep(part, {"network": settings})["network"]["predicted"]
    matrix = metrics.confusion_matrix(predicted, y, len(splits.classes))
    accuracy = np.trace(matrix) / matrix.sum()
    lab.number("validation accuracy", accuracy)
    axes = lab.axes(1, 1, 10.5, 9.5)
    axes[0, 0].grid(False)
    plot.confusion(matrix, splits.classes, ax=axes[0, 0])
    lab.figure(
        axes, "confusion", f"1024-64-36 on the validation part (n = {len(y):,}), {accuracy:.1%}"
    )

    both = matrix + matrix.T
    pairs = [(int(both[i, j]), i, j) for i in range(36) for j in range(i)]
    pairs.sort(reverse=True)
    axes = lab.axes(5, 10, 1.0, 1.05)
    for row, (count, i, j) in zip(axes, pairs[:5], strict=True):
        wrong = np.flatnonzero(((y == i) & (predicted == j)) | ((y == j) & (predicted == i)))
        a, b = splits.classes[i], splits.classes[j]
        lab.number(f"{a} and {b} mixed", count)
        for k, ax in enumerate(row):
            ax.axis("off")
            if k < len(wrong):
                ax.imshow(splits.upright(x[wrong[k]]), cmap="gray", vmin=0, vmax=1)
                true, got = (splits.classes[int(v[wrong[k]])] for v in (y, predicted))
                ax.set_title(f"{true} read {got}", fontsize=8)
    lab.figure(axes, "pairs", "The five pairs that are mixed most (true class, read as)")
