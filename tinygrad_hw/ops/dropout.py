"""Dropout of whole channels, and draws of one class of many."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..kernels import recording
from ..random import Generator, draw
from .activation import dropout
from .convolution import for_dims
from .core import composite
from .index import array_of
from .pointwise import _cast, add, clamp, div, log, mul, neg
from .reduce import require_float, softmax

__all__ = [
    "dropout1d", "dropout2d", "dropout3d", "gumbel_softmax",
]  # fmt: skip


def _drop_channels(name, dims, input, p=0.5, training=True, generator: Generator | None = None):
    """Zero each channel of (n, channels, {places}) with probability p and scale the rest by 1/(1 − p), in training only.

    Derivation: linear in x, so the gradient meets the same mask and scale. Source: Tompson et al. 2015.
    """
    shape = tuple(input.shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise ShapeError(f"{name}: expected {dims + 1} or {dims + 2} dimensions, got {shape}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p in [0, 1], got {p}")
    if not training or p == 0:
        return input
    keep = shape[: len(shape) - dims]
    ones = recording.constant(np.ones(keep + (1,) * dims, input.dtype))
    return mul(input, dropout(ones, p, True, generator))


dropout1d, dropout2d, dropout3d = for_dims("dropout", _drop_channels)


@composite
def gumbel_softmax(
    logits, tau=1.0, hard=False, eps=1e-10, dim=-1, generator: Generator | None = None
):
    """softmax((x + n)/τ) along ``dim``, n = −ln(−ln u), u ≥ eps drawn uniformly; ``hard``: its largest as 1.

    Derivation: that of softmax, also of the 0s and 1s of ``hard``. Source: Jang, Gu & Poole 2017; Maddison et al. 2017.
    """
    require_float("gumbel_softmax", logits)
    drawn = draw(generator, "random", tuple(logits.shape), np.float32)  # whatever the input's type
    drawn = clamp(drawn if logits.dtype == drawn.dtype else _cast(drawn, logits.dtype), min=eps)
    soft = softmax(div(add(logits, neg(log(neg(log(drawn))))), tau), dim)
    if not hard:
        return soft
    return add(soft, recording.call(_to_corners, (array_of(soft), dim), "gumbel_softmax"))


def _to_corners(soft: np.ndarray, dim: int) -> np.ndarray:
    """What makes the first largest element along ``dim`` 1 and the others 0 when it is added: a constant to the graph."""
    top = np.expand_dims(soft.argmax(dim), dim)
    corner = np.arange(soft.shape[dim]).reshape((-1,) + (1,) * (soft.ndim - 1 - dim % soft.ndim))
    return (corner == top).astype(soft.dtype) - soft
