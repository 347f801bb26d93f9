"""What helps to tell people's bit sequences from machines': a convolution, and machines' drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..nn import functional
from ..random import default_generator


def drawn(y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Sequences (n, 20) of ±1 of these classes as they might have been.

    Machines' (class 0) are drawn anew, as they were made: each bit is either with probability 1/2. Of people's, signs
    and directions are: who typed them cannot be told by either.
    """
    machines = np.flatnonzero(y.reshape(-1) == 0)

    def anew(x: np.ndarray) -> np.ndarray:
        rng = default_generator.numpy
        x = x * rng.choice(np.array([-1, 1], np.float32), (len(x), 1))
        x = np.where(rng.random((len(x), 1)) < 0.5, x, x[:, ::-1])
        x[machines] = 2 * rng.integers(0, 2, (len(machines), x.shape[1])) - np.float32(1)
        return x

    return anew


class Bits(nn.Module):
    """Convolutions along a sequence (n, 20), averaged over its places: one logit."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, channels, 11), nn.ReLU(), nn.Dropout(0.2), nn.Conv1d(channels, channels, 3)
        )
        self.last = nn.Linear(channels, 1)

    def forward(self, x: Any) -> Any:
        return self.last(functional.relu(self.features(x.unsqueeze(1))).mean(2))
