"""The write-ups' headline figures beside ours: characters, digits and bit sequences, mean over seeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .. import data, nn, optim, random
from ..data import Splits
from ..data.augment import Distortion
from ..data.sets import Part
from ..errors import DataError
from ..nn import functional
from ..train import predict
from .cnn36 import merged, network
from .lab import COLORS, Lab, seeds_text
from .learning import accuracy, learn, mlp, warm_and_cosine
from .mnist_mlp import shifted
from .sequences import Bits, drawn

TITLE = "Accuracies"

#: What the write-ups report, where they do.
REPORTED = {"characters, 1024-64-36": 0.78, "digits, 200-100, shifted": 0.9788}


def images(splits: Splits, part: str) -> Part:
    """A part as upright images (n, 1, height, width), ink 1 on paper 0."""
    x, y = getattr(splits, part)
    x = splits.upright(1 - x if splits.transposed else x)
    return np.ascontiguousarray(x)[:, None], y


def distorted(distortion: Distortion) -> Callable[[np.ndarray], np.ndarray]:
    """That distortion of images (n, 1, height, width)."""
    return lambda x: distortion(x[:, 0])[:, None]


def flat(
    *widths: int, activation: type[nn.Module] = nn.ReLU, dropout: float = 0.0
) -> nn.Sequential:
    """``mlp`` on images."""
    layers: list[nn.Module] = [nn.Flatten()]
    for layer in mlp(*widths, activation=activation):
        layers.append(layer)
        if dropout and isinstance(layer, activation):
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def characters(kind: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """``as they are`` and ``distorted``: the write-up's network; ``convolutions``: the best of ours."""
    splits = Lab.data_of("characters", quick, root)
    random.manual_seed(seed)
    train, valid, test = (images(splits, part) for part in ("train", "valid", "test"))
    classes = len(splits.classes)
    change: Any = None
    size = 64
    if kind == "as they are":
        # Dropout takes the place of more characters.
        model = nn.Sequential(
            *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, 64), nn.Sigmoid()),
            *(nn.Dropout(0.2), nn.Linear(64, classes)),
        )
        optimizer: Any = optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-4)
    else:
        both = tuple(np.concatenate(pair) for pair in zip(train, valid, strict=True))
        train = both[0], both[1]
        if kind == "distorted":
            model, size = flat(1024, 64, classes, activation=nn.Sigmoid), 128
            optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0)
            change = distorted(Distortion(2.0, 12.0, 0.25, 0.15, 0.15, 0.0, 0.0))
        else:
            model = network(classes, 8 if quick else 24)
            optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
            change = distorted(Distortion())
    loss: Any = functional.cross_entropy
    if kind == "convolutions":
        loss = partial(loss, label_smoothing=0.05)
    learn(model, optimizer, train, test, epochs, size, loss, rate=warm_and_cosine, augment=change)
    got = predict(model, test[0]).numpy().argmax(axis=1)
    result = {
        "accuracy": float((got == test[1]).mean()),
        "merged": float((merged(got) == merged(test[1])).mean()),
    }
    if not quick or root:
        try:
            x, y = images(data.load("nist26", root), "test")
        except DataError:
            return result
        result["letters"] = float((predict(model, x).numpy().argmax(axis=1) == y).mean())
    return result


def digits(kind: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """``200-100`` with shifts of a pixel, ``few steps`` without, ``convolutions`` with distortions."""
    splits = Lab.data_of("digits", quick, root)
    random.manual_seed(seed)
    train, test = images(splits, "train"), images(splits, "test")
    side = train[0].shape[-1]
    change: Any = None
    if kind == "few steps":
        # Of MNIST's 60,000 three times 533 batches of 100: 1,599 steps.
        train = train[0][:53_300], train[1][:53_300]
        model = flat(side * side, 200, 100, 10)
        optimizer: Any = optim.SGD(model.parameters(), lr=0.2, momentum=0.9, nesterov=True)
    elif kind == "200-100":
        model = flat(side * side, 200, 100, 10, dropout=0.1)
        optimizer = optim.SGD(
            model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
        )
        change = lambda x: shifted(x, side).reshape(x.shape)  # noqa: E731
    else:
        w = 8 if quick else 16
        model = nn.Sequential(
            *(nn.Conv2d(1, w, 3, padding=1, bias=False), nn.BatchNorm2d(w), nn.ReLU()),
            nn.MaxPool2d(2),
            *(nn.Conv2d(w, 2 * w, 3, padding=1, bias=False), nn.BatchNorm2d(2 * w), nn.ReLU()),
            nn.MaxPool2d(2),
            *(nn.Flatten(), nn.Linear(2 * w * (side // 4) ** 2, 128), nn.ReLU()),
            *(nn.Dropout(0.4), nn.Linear(128, 10)),
        )
        optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
        small = side / 28
        change = distorted(Distortion(2 * small, 10, 0.15, 0.1, 0.1, 0.6 * small, 0.3 * small))
    batch = 100 if len(train[1]) > 10000 else 25
    learn(model, optimizer, train, test, epochs, batch, rate=warm_and_cosine, augment=change)
    loss, right = accuracy(model, test)
    return {"accuracy": right, "loss": loss}


def sequences(kind: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """``20-20-1`` and ``convolution``; equal sequences are all in one part of the split."""
    splits = Lab.data_of("sequences", quick, root)
    random.manual_seed(seed)
    pairs = (getattr(splits, part) for part in ("train", "valid", "test"))
    train, valid, test = ((2 * x - np.float32(1), y[:, None].astype(np.float32)) for x, y in pairs)
    model: nn.Module = mlp(20, 20, 1) if kind == "20-20-1" else Bits()
    optimizer = optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    bce: Any = functional.binary_cross_entropy_with_logits
    change = drawn(train[1])
    learn(model, optimizer, train, valid, epochs, 64, bce, rate=warm_and_cosine, augment=change)
    right = (predict(model, test[0]).numpy() > 0) == (test[1] > 0.5)
    return {"accuracy": float(right.mean())}


#: What is trained, and for how many epochs, quick ones behind.
ROWS: dict[str, tuple[Any, str, int, int]] = {
    "characters, 1024-64-36": (characters, "as they are", 60, 4),
    "characters, 1024-64-36, distorted": (characters, "distorted", 1000, 4),
    "characters, convolutions": (characters, "convolutions", 26, 2),
    "digits, 200-100, 1,600 steps": (digits, "few steps", 3, 3),
    "digits, 200-100, shifted": (digits, "200-100", 20, 4),
    "digits, convolutions": (digits, "convolutions", 14, 2),
    "sequences, 20-20-1": (sequences, "20-20-1", 200, 10),
    "sequences, convolution": (sequences, "convolution", 100, 6),
}


def part(row: str, seed: int, epochs: int, quick: bool, root: Any) -> dict[str, Any]:
    """One row of the table for one seed."""
    train, kind, *_ = ROWS[row]
    return train(kind, seed, epochs, quick, root)


def run(lab: Lab) -> None:
    """Train all rows; draw each seed's accuracy beside what the write-ups report."""
    for find in (lab.characters, lab.digits, lab.sequences):
        find()
    seeds = range(lab.seed, lab.seed + (1 if lab.quick else 3))
    results = lab.sweep(
        part,
        {
            f"{row}, seed {seed}": {
                "row": row,
                "seed": seed,
                "epochs": quick if lab.quick else slow,
            }
            | lab.data_settings
            for seed in seeds
            for row, (_, _, slow, quick) in ROWS.items()
        },
    )
    axes = lab.axes(1, 1, 8.5, 4.2)
    ax = axes[0, 0]
    for i, row in enumerate(ROWS):
        runs = [results[f"{row}, seed {seed}"] for seed in seeds]
        for key in runs[0]:
            values = [r[key] for r in runs]
            lab.number(f"{row}: {key}, mean and each", [np.mean(values), values])
        errors = [100 * (1 - r["accuracy"]) for r in runs]
        ax.plot(errors, [i] * len(errors), "o", color=COLORS[0], label="ours, each seed" * (i == 0))
        ax.text(max(errors) * 1.08, i, f"{np.mean(errors):.2f}", va="center", fontsize=9)
        if row in REPORTED:
            reported = 100 * (1 - REPORTED[row])
            ax.plot(reported, i, "D", color=COLORS[1], label="write-up" * (i == 0))
    ax.set_yticks(range(len(ROWS)), list(ROWS))
    ax.set(xlabel="wrong on the test part (%)", xscale="log", xlim=(0.2, 100))
    ticks = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.invert_yaxis()
    ax.legend()
    lab.figure(
        axes,
        "accuracy",
        "Errors of our networks (the write-ups' on their own data)",
        seeds_text(seeds),
    )
