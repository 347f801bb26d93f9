"""Images at another resolution: interpolation, pixels shuffled from and to channels, patches as columns.

All of it is linear in the image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import recording
from .convolution import per_dim
from .core import composite, primitive
from .index import _take
from .product import _matmul
from .reduce import require_float
from .shape import _permute, _reshape

__all__ = ["fold", "interpolate", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def map_dims(input, maps: list[np.ndarray]):
    """The last dimensions mapped one by one: out[…, j, …] = Σ_i input[…, i, …] map[i, j]."""
    ndim = len(input.shape)
    for d, weights in enumerate(maps, ndim - len(maps)):
        order = (*range(d), *range(d + 1, ndim), d)
        shape = tuple(input.shape)
        rows = _reshape(_permute(input, order), (math.prod(shape) // max(1, shape[d]), shape[d]))
        out = _reshape(
            _matmul(rows, recording.constant(weights)),
            (*shape[:d], *shape[d + 1 :], weights.shape[1]),
        )
        input = _permute(out, (*range(d), ndim - 1, *range(d, ndim - 1)))
    return input


_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
_MODES = ("nearest", "nearest-exact", "area", "bicubic", *_LINEAR)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' convolution kernel (1981, eq. 4 with its free parameter)."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


def _weights(n: int, o: int, step: float, cubic: bool, align: bool, antialias: bool) -> np.ndarray:
    """(n, o): what each of n elements adds to each of o; ``step`` is the distance of two outputs in inputs."""
    where = np.arange(o) * step if align and not antialias else (np.arange(o) + 0.5) * step - 0.5
    if antialias:
        wide = max(step, 1.0)
        distance = (np.arange(n)[:, None] - where) / wide
        out = _cubic(distance, -0.5) if cubic else _triangle(distance)
        return out / out.sum(0)
    if not cubic and not align:
        where = np.maximum(where, 0)
    out = np.zeros((n, o))
    low = np.floor(where).astype(int)
    for k in range(-1, 3) if cubic else range(2):
        part = _cubic(where - low - k, -0.75) if cubic else _triangle(where - low - k)
        np.add.at(out, (np.clip(low + k, 0, n - 1), np.arange(o)), part)
    return out


def _target(shape, size, scale_factor, recompute) -> tuple[tuple[int, ...], list]:
    """The output's sizes, and for each dimension the scale that positions go by (None: the ratio of the sizes)."""
    dims = len(shape)
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected one of size and scale_factor")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: expected no recompute_scale_factor with size")
        return per_dim("interpolate", "size", size, dims, 1), [None] * dims
    many = isinstance(scale_factor, tuple | list)
    factors = [float(f) for f in (scale_factor if many else [scale_factor] * dims)]
    if len(factors) != dims:
        raise ValueError(f"interpolate: expected {dims} scale factors, got {scale_factor!r}")
    sizes = tuple(math.floor(n * f) for n, f in zip(shape, factors, strict=True))
    return sizes, [None] * dims if recompute else factors


@composite
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None,
    recompute_scale_factor=None, antialias=False,
):  # fmt: skip
    """(n, channels, …) at another size: nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area.

    Output i lies at the input's (i + ½) · scale − ½, with ``align_corners`` at i (n − 1)/(o − 1); scale is
    1/scale_factor where that is given, else n/o. ``antialias`` (bilinear, bicubic) widens the filter when shrinking.
    Derivation: linear in x. Source: Keys 1981 for bicubic (a = −¾, with antialias −½).
    """
    shape = tuple(input.shape)
    dims = len(shape) - 2
    if mode not in _MODES:
        raise ValueError(f"interpolate: expected mode of {', '.join(_MODES)}, got {mode!r}")
    fits = {"bicubic": dims == 2}.get(mode, _LINEAR.get(mode, dims) == dims)
    if not 1 <= dims <= 3 or not fits:
        raise ShapeError(
            f"interpolate: expected input (n, channels, …) for mode {mode!r}, got {shape}"
        )
    smooth = mode in _LINEAR or mode == "bicubic"
    if align_corners is not None and not smooth:
        raise ValueError(f"interpolate: expected no align_corners with mode {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: expected no antialias with mode {mode!r}")
    sizes, factors = _target(shape[2:], size, scale_factor, recompute_scale_factor)
    if 0 in shape[1:] or (0 in sizes and mode != "area"):
        raise ShapeError(f"interpolate: expected sizes that are not empty, got {shape} and {sizes}")
    if mode == "area":
        from . import adaptive

        return adaptive.average("interpolate", dims, input, sizes)
    if not smooth:
        return _nearest(input, sizes, factors, mode == "nearest-exact")
    require_float("interpolate", input)
    maps = []
    for n, o, f in zip(shape[2:], sizes, factors, strict=True):
        step = n / o if f is None else 1 / f
        if align_corners:
            step = (n - 1) / (o - 1) if o > 1 else 0.0
        maps.append(
            _weights(n, o, step, mode == "bicubic", bool(align_corners), antialias).astype(
                input.dtype
            )
        )
    return map_dims(input, maps)


def _nearest(input, sizes, factors, exact: bool):
    for d, (o, f) in enumerate(zip(sizes, factors, strict=True), 2):
        n = input.shape[d]
        step = np.float32(n / o if f is None else 1 / f)  # in single precision, as PyTorch rounds
        at = np.floor((np.arange(o, dtype=np.float32) + np.float32(0.5 * exact)) * step).astype(int)
        input = _take(input, (slice(None),) * d + (recording.constant(np.minimum(at, n - 1)),))
    return input


def _factor(name: str, input, factor) -> tuple[tuple[int, ...], int]:
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ShapeError(f"{name}: expected (…, channels, height, width), got {shape}")
    if not isinstance(factor, int) or factor < 1:
        raise ValueError(f"{name}: expected a positive int as factor, got {factor!r}")
    return shape, factor


@composite
def pixel_shuffle(input, upscale_factor):
    """(…, c r², h, w) → (…, c, h r, w r).  Derivation: moves elements. Source: Shi et al. 2016."""
    shape, r = _factor("pixel_shuffle", input, upscale_factor)
    lead, (c, h, w) = shape[:-3], shape[-3:]
    if c % (r * r):
        raise ShapeError(f"pixel_shuffle: expected channels divisible by {r * r}, got {shape}")
    n = len(lead)
    x = _reshape(input, (*lead, c // (r * r), r, r, h, w))
    x = _permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return _reshape(x, (*lead, c // (r * r), h * r, w * r))


@composite
def pixel_unshuffle(input, downscale_factor):
    """(…, c, h r, w r) → (…, c r², h, w), the inverse of pixel_shuffle.  Derivation: moves elements."""
    shape, r = _factor("pixel_unshuffle", input, downscale_factor)
    lead, (c, h, w) = shape[:-3], shape[-3:]
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: expected height and width divisible by {r}, got {shape}"
        )
    n = len(lead)
    x = _reshape(input, (*lead, c, h // r, r, w // r, r))
    x = _permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return _reshape(x, (*lead, c * r * r, h // r, w // r))


def _taps(padded: np.ndarray, window, dilation, stride, places):
    """For each tap of the window, the elements that it meets, as a view."""
    for k in np.ndindex(*window):
        index: tuple = tuple(
            slice(i * d, i * d + s * (n - 1) + 1, s)
            for i, d, s, n in zip(k, dilation, stride, places, strict=True)
        )
        yield k, padded[(..., *index)]


@primitive
def _unfold(input, *, window, dilation, padding, stride, places):
    """(n, channels, …) → (n, channels, *window, *places)."""
    padded = np.pad(input, ((0, 0), (0, 0), *[(p, p) for p in padding]))
    out = np.empty((*input.shape[:2], *window, *places), input.dtype)
    for k, elements in _taps(padded, window, dilation, stride, places):
        out[(slice(None), slice(None), *k)] = elements
    return out


@primitive
def _fold(input, *, sizes, window, dilation, padding, stride):
    """The transpose of ``_unfold``: what is at the same element is added up."""
    places = input.shape[2 + len(window) :]
    whole = [n + 2 * p for n, p in zip(sizes, padding, strict=True)]
    padded: Any = np.zeros((*input.shape[:2], *whole), input.dtype)
    for k, elements in _taps(padded, window, dilation, stride, places):
        elements += input[(slice(None), slice(None), *k)]
    inner: tuple = (..., *(slice(p, p + n) for n, p in zip(sizes, padding, strict=True)))
    return np.ascontiguousarray(padded[inner])


@_unfold.vjp
def _(g, input_shape, window, dilation, padding, stride):
    return _fold(g, tuple(input_shape[2:]), window, dilation, padding, stride)


@_fold.vjp
def _(g, input_shape, window, dilation, padding, stride):
    return _unfold(g, window, dilation, padding, stride, tuple(input_shape[2 + len(window) :]))


def _patches(name: str, sizes, kernel_size, dilation, padding, stride) -> tuple:
    window = per_dim(name, "kernel_size", kernel_size, 2, 1)
    dilation = per_dim(name, "dilation", dilation, 2, 1)
    padding = per_dim(name, "padding", padding, 2)
    stride = per_dim(name, "stride", stride, 2, 1)
    each = zip(sizes, window, dilation, padding, stride, strict=True)
    places = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in each)
    if min(places) < 1:
        raise ShapeError(
            f"{name}: expected windows of at most the padded image, got {window} for {sizes}"
        )
    return window, dilation, padding, stride, places


@composite
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The patches under a sliding window as columns: (n, channels, h, w) → (n, channels · window, places).

    Derivation: fold, its transpose.
    """
    shape = tuple(input.shape)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise ShapeError(
            f"unfold: expected (n, channels, height, width) or one sample of it, got {shape}"
        )
    x = _reshape(input, (1, *shape)) if len(shape) == 3 else input
    window, dilation, padding, stride, places = _patches(
        "unfold", shape[-2:], kernel_size, dilation, padding, stride
    )
    out = _unfold(x, window, dilation, padding, stride, places)
    lead = () if len(shape) == 3 else shape[:1]
    return _reshape(out, (*lead, shape[-3] * math.prod(window), math.prod(places)))


@composite
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns of patches added up to an image: (n, channels · window, places) → (n, channels, *output_size).

    Derivation: unfold, its transpose.
    """
    shape = tuple(input.shape)
    sizes: Any = per_dim("fold", "output_size", output_size, 2, 1)
    window, dilation, padding, stride, places = _patches(
        "fold", sizes, kernel_size, dilation, padding, stride
    )
    taps = math.prod(window)
    if (
        len(shape) not in (2, 3)
        or shape[-2] % taps
        or shape[-1] != math.prod(places)
        or not shape[-2]
    ):
        raise ShapeError(
            f"fold: expected (n, channels · {taps}, {math.prod(places)}) or one sample of it, got {shape}"
        )
    n = 1 if len(shape) == 2 else shape[0]
    x = _reshape(input, (n, shape[-2] // taps, *window, *places))
    out = _fold(x, sizes, window, dilation, padding, stride)
    return _reshape(out, tuple(out.shape[1:])) if len(shape) == 2 else out
