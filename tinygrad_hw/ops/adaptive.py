"""Pooling to a given size: window i of o over n elements goes from ⌊i n/o⌋ to ⌈(i + 1) n/o⌉."""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..kernels import recording
from .convolution import for_dims
from .core import primitive
from .index import _take, array_of
from .pooling import _avg_pool, _max_pool, _max_pool_index
from .reduce import require_float
from .resampling import map_dims
from .shape import _reshape

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d",
]  # fmt: skip


def _bounds(n: int, places: int) -> list[tuple[int, int]]:
    return [(i * n // places, -(-(i + 1) * n // places)) for i in range(places)]


def _places(name: str, dims: int, input, output_size) -> tuple[int, ...]:
    """The output's sizes; None keeps the input's."""
    shape = tuple(input.shape)
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1 :]:
        raise ShapeError(
            f"{name}: expected {dims + 1} or {dims + 2} dimensions, the last {dims + 1} not empty, got {shape}"
        )
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * dims
    if len(sizes) != dims or any(n is not None and n < 0 for n in sizes):
        raise ValueError(f"{name}: expected {dims} sizes >= 0, got {output_size!r}")
    return tuple(n if o is None else int(o) for n, o in zip(shape[-dims:], sizes, strict=True))


def _even(shape, places) -> tuple[int, ...] | None:
    """The window where all are of one size and side by side, else None."""
    pairs = list(zip(shape[-len(places) :], places, strict=True))
    return None if any(o == 0 or n % o for n, o in pairs) else tuple(n // o for n, o in pairs)


def average(name: str, dims: int, input, output_size):
    """The mean of each of ``output_size`` windows over (n, channels, {places}) or one sample of it; None keeps a size.

    Derivation: linear; each element gets its share of the windows that it is in.
    """
    places = _places(name, dims, input, output_size)
    require_float(name, input)
    window = _even(input.shape, places)
    if window is not None:
        return _avg_pool(input, window, window, (0,) * dims, 1, 0, places)
    maps = []
    for n, o in zip(input.shape[-dims:], places, strict=True):
        weights = np.zeros((n, o), input.dtype)
        for i, (low, high) in enumerate(_bounds(n, o)):
            weights[low:high, i] = 1 / (high - low)
        maps.append(weights)
    return map_dims(input, maps)


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = for_dims(
    "adaptive_avg_pool", average
)


@primitive
def _adaptive_max_index(input, *, places):
    """Where in its plane the largest element of each window stands."""
    dims = len(places)
    shape = input.shape[-dims:]
    position = np.arange(math.prod(shape)).reshape(shape)
    planes = input.reshape(math.prod(input.shape[:-dims]), *shape)
    out = np.empty((len(planes), *places), np.int64)
    bounds = [_bounds(n, o) for n, o in zip(shape, places, strict=True)]
    for place in np.ndindex(places):
        window = tuple(slice(*bounds[d][i]) for d, i in enumerate(place))
        at = position[window].reshape(-1)[::-1]
        values = planes[(slice(None), *window)].reshape(len(planes), at.size)[:, ::-1]
        # The first of equals, but the last NaN.
        best = at.size - 1 - values[:, ::-1].argmax(1)
        best = np.where((values != values).any(1), (values != values).argmax(1), best)
        out[(slice(None), *place)] = at[best]
    return out.reshape(input.shape[:-dims] + places)


_adaptive_max_index.differentiable = False


def _max(name: str, dims: int, input, output_size, return_indices=False):
    """The largest element of each of ``output_size`` windows over (…, {places}); with its position in its plane if asked.

    Derivation: the gradient goes to the elements that were taken, added up where windows overlap.
    """
    places = _places(name, dims, input, output_size)
    window = _even(input.shape, places)
    if window is not None:
        geometry = window, window, (0,) * dims, (1,) * dims, places
        out = _max_pool(input, *geometry)
        return (out, _max_pool_index(input, *geometry)) if return_indices else out
    index = _adaptive_max_index(input, places)
    shape = tuple(input.shape)
    planes = _reshape(input, (math.prod(shape[:-dims]), math.prod(shape[-dims:])))
    flat = array_of(index).reshape(planes.shape[0], math.prod(places))
    out = _reshape(
        _take(planes, (recording.constant(np.arange(len(flat))[:, None]), flat)), tuple(index.shape)
    )
    return (out, index) if return_indices else out


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = for_dims("adaptive_max_pool", _max)
