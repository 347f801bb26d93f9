"""A convolutional network on the 36 characters, with and without distorted copies; the pairs that limit it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import data, nn, optim, random
from ..data.augment import Distortion
from ..data.rendered import CLASSES
from ..errors import DataError
from ..train import predict
from .lab import Lab, band, seeds_text
from .learning import learn, warm_and_cosine

TITLE = "Characters with convolutions"

#: Pairs that only their neighbors tell apart.
TWINS = {"0": "O", "1": "I", "5": "S", "2": "Z"}


def network(classes: int, width: int) -> nn.Sequential:
    """Three stages of convolution, batch norm, ReLU and pooling (1-w-2w-4w channels), then two linear layers."""
    layers: list[nn.Module] = []
    for n, m in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [
            nn.Conv2d(n, m, 3, padding=1, bias=False),
            nn.BatchNorm2d(m),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * width, 128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(128, classes))


def merged(classes: np.ndarray) -> np.ndarray:
    """Classes with each twin counted as its letter."""
    table = np.arange(len(CLASSES))
    for digit, letter in TWINS.items():
        table[CLASSES.index(digit)] = CLASSES.index(letter)
    return table[classes]


def part(
    distort: bool, seed: int, epochs: int, width: int, quick: bool, root: Any
) -> dict[str, Any]:
    """Train one network; its accuracies on the test part and on the genuine letters where they are."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    (x, y), valid, test = (
        (np.ascontiguousarray(1 - splits.upright(p[0]))[:, None], p[1])
        for p in (splits.train, splits.valid, splits.test)
        if p is not None
    )
    model = network(len(splits.classes), width)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    change = Distortion()
    curves: dict[str, Any] = dict(
        learn(
            model,
            optimizer,
            (x, y),
            valid,
            epochs,
            64,
            rate=warm_and_cosine,
            augment=(lambda x: change(x[:, 0])[:, None]) if distort else None,
        )
    )
    got = predict(model, test[0]).numpy().argmax(axis=1)
    curves["test"] = float((got == test[1]).mean())
    curves["merged"] = float((merged(got) == merged(test[1])).mean())
    if not quick or root:
        try:
            letters = data.load("nist26", root)
        except DataError:
            return curves
        images = np.ascontiguousarray(1 - letters.upright(letters.test[0]))[:, None]
        got = predict(model, images).numpy().argmax(axis=1)
        curves["letters"] = float((got == letters.test[1]).mean())
    return curves


def run(lab: Lab) -> None:
    """Draw the curves of both; say the accuracies."""
    lab.characters()
    epochs, width = (6, 8) if lab.quick else (24, 16)
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    ways = (
        {"distorted copies": True}
        if lab.quick
        else {"as they are": False, "distorted copies": True}
    )
    results = lab.sweep(
        part,
        {
            f"{label}, seed {seed}": {
                "distort": distort,
                "seed": seed,
                "epochs": epochs,
                "width": width,
            }
            | lab.data_settings
            for label, distort in ways.items()
            for seed in seeds
        },
    )
    axes = lab.axes(1, 2)
    x = np.arange(1, epochs + 1)
    for i, label in enumerate(ways):
        runs = [results[f"{label}, seed {seed}"] for seed in seeds]
        for which, name in (("train", "training"), ("valid", "validation")):
            dashed = which == "train"
            band(axes[0, 0], x, [r[f"{which}_loss"] for r in runs], f"{label}, {name}", i, dashed)
            shares = [100 * r[f"{which}_accuracy"] for r in runs]
            band(axes[0, 1], x, shares, f"{label}, {name}", i, dashed)
        for key, words in (
            ("test", "test accuracy"),
            ("merged", "test accuracy, O/0, I/1, S/5, Z/2 merged"),
            ("letters", "1,300 genuine letters, 36 outputs"),
        ):
            if key in runs[0]:
                values = [r[key] for r in runs]
                lab.number(f"{label}: {words}, mean and each", [np.mean(values), values])
    axes[0, 0].set(xlabel="epoch", ylabel="loss (cross-entropy)")
    axes[0, 1].set(xlabel="epoch", ylabel="accuracy (%)")
    axes[0, 0].legend(fontsize=8)
    words = seeds_text(seeds)
    lab.figure(
        axes, "cnn36", f"Convolutions {width}-{2 * width}-{4 * width}, 128 units, AdamW", words
    )
