"""Dropout of whole channels."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..kernels import recording
from ..random import Generator
from .activation import dropout
from .convolution import for_dims
from .pointwise import mul

__all__ = ["dropout1d", "dropout2d", "dropout3d"]


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
