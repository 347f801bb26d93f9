"""The first layer's weights before and after training, as images: noise becomes strokes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim, plot, random
from .lab import Lab
from .learning import accuracy, ink, learn
from .learning_rates import network, summed

TITLE = "Weights of the first layer"


def part(seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """Train the characters network; its first layer before and after."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    train, valid, test = (ink(splits, name) for name in ("train", "valid", "test"))
    model = network(train[0].shape[1], len(splits.classes))
    before = model[0].weight.detach().numpy().copy()
    learn(model, optim.SGD(model.parameters(), lr=2e-3), train, valid, epochs, 36, summed)
    after = model[0].weight.detach().numpy().copy()
    return {"before": before, "after": after, "test": accuracy(model, test)[1]}


def run(lab: Lab) -> None:
    """Draw both grids to one scale."""
    splits = lab.characters()
    epochs = 12 if lab.quick else 50
    settings = {"seed": lab.seed, "epochs": epochs} | lab.data_settings
    result = lab.sweep(part, {"network": settings})["network"]
    limit = float(np.quantile(np.abs(result["after"]), 0.999))
    axes = lab.axes(1, 2, 5.6, 5.2)
    for ax, when in zip(axes[0], ("before", "after"), strict=True):
        ax.grid(False)
        plot.weight_grid(splits.upright(result[when]), ax=ax, limit=limit)
        ax.set_title(f"{when} training", fontsize=10)
        lab.number(f"standard deviation {when}", result[when].std())
        # Strokes make neighboring pixels' weights alike; noise does not.
        images = splits.upright(result[when])
        pairs = np.corrcoef(images[:, :, 1:].ravel(), images[:, :, :-1].ravel())[0, 1]
        lab.number(f"correlation of neighboring weights {when}", pairs)
    lab.number("test accuracy", result["test"])
    lab.figure(axes, "weights", f"First layer of 1024-64-36 (sigmoid), {epochs} epochs")
