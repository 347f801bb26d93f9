"""A small Transformer that learns to sort eight digits: accuracy, and which inputs each place attends to."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, optim, random
from ..autograd import no_grad
from ..creation import from_numpy
from ..train import predict
from .lab import Lab, band
from .learning import learn, warm_and_cosine

TITLE = "A Transformer sorts"

LENGTH, DIGITS = 8, 10


class Sorter(nn.Module):
    """Digits (n, 8) → logits of the digit that belongs at each place (n, 10, 8): two encoder layers of two heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.digit = nn.Embedding(DIGITS, width)
        self.place = nn.Embedding(LENGTH, width)
        layer = nn.TransformerEncoderLayer(width, 2, 4 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.last = nn.Linear(width, DIGITS)
        self.register_buffer("places", from_numpy(np.arange(LENGTH)), persistent=False)

    def _embedded(self, x: Any) -> Any:
        return self.digit(x) + self.place(self.get_buffer("places"))

    def forward(self, x: Any) -> Any:
        return self.last(self.encoder(self._embedded(x))).transpose(1, 2)

    def attention(self, x: np.ndarray) -> np.ndarray:
        """The first layer's weights of attention (n, to, from), mean over heads."""
        with no_grad():
            h = self._embedded(from_numpy(x))
            first = self.encoder.layers[0]
            return first.self_attn(h, h, h, need_weights=True)[1].numpy()


def part(seed: int, epochs: int, width: int, count: int) -> dict[str, Any]:
    """Train on random sequences; accuracy on others, one sequence's attention."""
    random.manual_seed(seed)
    rng = random.default_generator.numpy
    x = rng.integers(0, DIGITS, (count + 1000, LENGTH))
    y = np.sort(x, axis=1)
    model = Sorter(width)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    train, test = (x[:count], y[:count]), (x[count:], y[count:])
    curves: dict[str, Any] = dict(
        learn(model, optimizer, train, test, epochs, 64, rate=warm_and_cosine)
    )
    right = predict(model, test[0]).numpy().argmax(axis=1) == test[1]
    shown = np.array([[3, 1, 4, 1, 5, 9, 2, 6]])
    return curves | {
        "sorted": float(right.all(axis=1).mean()),
        "attention": model.attention(shown)[0],
        "shown": shown[0],
        "answer": predict(model, shown).numpy().argmax(axis=1)[0],
    }


def run(lab: Lab) -> None:
    """Draw the curves and the attention of one sequence."""
    lab.sources.append("drawn digits")
    epochs, width, count = (10, 32, 6400) if lab.quick else (30, 64, 20_000)
    settings = {"seed": lab.seed, "epochs": epochs, "width": width, "count": count}
    result = lab.sweep(part, {"network": settings})["network"]
    axes = lab.axes(1, 3, 4.6)
    x = np.arange(1, epochs + 1)
    for i, (which, label) in enumerate((("train", "training"), ("valid", "test"))):
        dashed = which == "train"
        band(axes[0, 0], x, result[f"{which}_loss"], label, i, dashed)
        band(axes[0, 1], x, 100 * result[f"{which}_accuracy"], label, i, dashed)
    axes[0, 0].set(xlabel="epoch", ylabel="loss of a place (cross-entropy)")
    axes[0, 1].set(xlabel="epoch", ylabel="places with the right digit (%)")
    axes[0, 0].legend()
    ax = axes[0, 2]
    ax.grid(False)
    picture = ax.imshow(result["attention"], cmap="Blues", vmin=0)
    ax.set_xticks(range(LENGTH), [str(d) for d in result["shown"]])
    ax.set_yticks(range(LENGTH), [str(d) for d in result["answer"]])
    ax.set(xlabel="input", ylabel="place in the output, and what was put there")
    ax.figure.colorbar(picture, ax=ax, label="weight of attention", fraction=0.046)
    lab.number("test: places right", result["valid_accuracy"][-1])
    lab.number("test: whole sequences sorted", result["sorted"])
    lab.figure(axes, "transformer", f"Sorting eight digits: two layers, width {width}, two heads")
