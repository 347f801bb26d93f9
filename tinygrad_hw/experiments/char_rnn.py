"""A recurrent network (GRU) that learns the source code of this package letter by letter, and writes more of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import nn, optim, random
from ..creation import from_numpy
from .lab import Lab, band
from .learning import learn, warm_and_cosine

TITLE = "Letter by letter"

PIECE = 32


def source_text(limit: int) -> str:
    """The beginning of the operators' sources, file after file; at most ``limit`` characters."""
    folder = Path(__file__).parent.parent / "ops"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    return text[:limit]


class Letters(nn.Module):
    """Codes of letters (n, time) → logits of the next ones (n, letters, time)."""

    def __init__(self, letters: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 32)
        self.gru = nn.GRU(32, width, batch_first=True)
        self.last = nn.Linear(width, letters)

    def forward(self, x: Any) -> Any:
        return self.last(self.gru(self.embedding(x))[0]).transpose(1, 2)

    def write(self, start: list[int], count: int, temperature: float) -> list[int]:
        """``count`` letters more, each drawn from softmax(logits / temperature)."""
        state, codes, letter = None, list(start), from_numpy(np.array([start]))
        for _ in range(count):
            output, state = self.gru(self.embedding(letter), state)
            logits = self.last(output[:, -1]).detach().numpy()[0].astype(np.float64) / temperature
            p = np.exp(logits - logits.max())
            code = int(random.default_generator.numpy.choice(len(p), p=p / p.sum()))
            codes.append(code)
            letter = from_numpy(np.array([[code]]))
        return codes


def part(seed: int, epochs: int, width: int, limit: int) -> dict[str, Any]:
    """Train on pieces of 32; curves, and a text written at the end."""
    text = source_text(limit)
    letters = sorted(set(text))
    random.manual_seed(seed)
    codes = np.array([letters.index(c) for c in text])
    pieces = codes[: (len(codes) - 1) // PIECE * PIECE].reshape(-1, PIECE)
    following = codes[1 : pieces.size + 1].reshape(-1, PIECE)
    cut = round(0.9 * len(pieces))
    model = Letters(len(letters), width)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    curves: dict[str, Any] = dict(
        learn(
            model,
            optimizer,
            (pieces[:cut], following[:cut]),
            (pieces[cut:], following[cut:]),
            epochs,
            16,
            rate=warm_and_cosine,
        )
    )
    start = [letters.index(c) for c in "def "]
    written = model.write(start, 200 if epochs < 10 else 400, 0.7)
    return curves | {"text": "".join(letters[k] for k in written), "letters": len(letters)}


def run(lab: Lab) -> None:
    """Draw loss and accuracy; show what the network writes."""
    lab.sources.append("the package's operators")
    epochs, width, limit = (15, 48, 8_000) if lab.quick else (30, 192, 100_000)
    settings = {"seed": lab.seed, "epochs": epochs, "width": width, "limit": limit}
    result = lab.sweep(part, {"network": settings})["network"]
    axes = lab.axes(1, 2)
    x = np.arange(1, epochs + 1)
    for i, (which, label) in enumerate((("train", "training"), ("valid", "validation"))):
        loss = result[f"{which}_loss"]
        band(axes[0, 0], x, loss / np.log(2), label, i, dashed=which == "train")
        band(axes[0, 1], x, 100 * result[f"{which}_accuracy"], label, i, dashed=which == "train")
        lab.number(f"{label}: bits a letter", loss[-1] / np.log(2))
    chance = np.log2(result["letters"])
    axes[0, 0].axhline(chance, color="0.6", ls=":", label=f"chance among {result['letters']}")
    axes[0, 0].set(xlabel="epoch", ylabel="cross-entropy (bits a letter)", ylim=(0, chance + 0.5))
    axes[0, 1].set(xlabel="epoch", ylabel="next letter told (%)", ylim=(0, 100))
    axes[0, 0].legend()
    lab.number("written after 'def '", result["text"])
    lab.figure(axes, "char-rnn", f"GRU with {width} units on {limit:,} letters of source code")
