"""Normalization: features brought to mean 0 and variance 1."""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..kernels import normalization as kernels
from ..kernels import recording
from ..kernels.elementwise import native
from .core import Recorded, composite, primitive
from .index import array_of
from .pointwise import add, clamp, div, mul, pow, rsqrt, sub
from .pooling import _avg_pool
from .reduce import _sum, mean, norm, require_float
from .shape import _reshape, _sizes, pad

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize", "rms_norm",
]  # fmt: skip


def channels_last(x: np.ndarray) -> np.ndarray:
    """x (n, channels, …) as a contiguous (n, channels, places)."""
    return native(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _column(v, ndim: int):
    """A vector of channels as it broadcasts over (n, channels, …)."""
    return _reshape(v, (1, v.shape[0], *(1,) * (ndim - 2)))


@primitive
def _moments(input):
    """(2, channels): mean and variance of each channel. Part of ``_batch_norm``, whose rules account for it."""
    out = np.empty((2, input.shape[1]), input.dtype)
    kernels.moments(out, channels_last(input), 0, input.shape[1])
    return out


_moments.differentiable = False


@primitive
def _batch_norm(input, weight, bias, moments, *, eps):
    """(x − μ)/√(v + eps) · weight + bias, with the moments μ and v of x itself."""
    out = np.empty(input.shape, input.dtype)
    kernels.normalize(
        channels_last(out), channels_last(input), native(moments), native(weight, input.dtype), native(bias, input.dtype),
        input.dtype.type(eps), 0, input.shape[1],
    )  # fmt: skip
    return out


def _batch_norm_kernel(g, input, weight, moments, eps):
    out = np.empty(input.shape, input.dtype)
    kernels.normalize_vjp(
        channels_last(out), channels_last(g), channels_last(input), native(moments), native(weight, input.dtype),
        input.dtype.type(eps), 0, input.shape[1],
    )  # fmt: skip
    return out


def _standardized(input, eps):
    """x̂ = (x − μ)/σ and 1/σ, as functions of x."""
    dims = (0, *range(2, len(input.shape)))
    centered = sub(input, mean(input, dims, True))
    inverse = rsqrt(add(mean(mul(centered, centered), dims, True), eps))
    return mul(centered, inverse), inverse


@_batch_norm.vjp("input", kernel=_batch_norm_kernel)
def _(g, input, weight, moments, eps):
    dims = (0, *range(2, len(input.shape)))
    x, inverse = _standardized(input, eps)
    rest = sub(sub(g, mean(g, dims, True)), mul(x, mean(mul(g, x), dims, True)))
    return mul(rest, mul(_column(weight, len(input.shape)), inverse))


def _weight_kernel(g, input, moments, eps):
    out = np.empty(input.shape[1], input.dtype)
    kernels.normalize_weight_vjp(
        out,
        channels_last(g),
        channels_last(input),
        native(moments),
        input.dtype.type(eps),
        0,
        len(out),
    )
    return out


@_batch_norm.vjp("weight", kernel=_weight_kernel)
def _(g, input, moments, eps):
    dims = (0, *range(2, len(input.shape)))
    return _sum(mul(g, _standardized(input, eps)[0]), dims, False)


def _bias_kernel(g):
    out = np.empty(g.shape[1], g.dtype)
    kernels.channel_sums(out, channels_last(g), 0, len(out))
    return out


_batch_norm.vjp("bias", kernel=_bias_kernel)(lambda g: _sum(g, (0, *range(2, len(g.shape))), False))


def _known(input):
    """The array behind input, which costs less to compute on, or input itself where it stands for many."""
    array = array_of(input)
    return array if isinstance(array, np.ndarray) else input


def _fixed(array: np.ndarray) -> np.ndarray:
    """``array``, whose values are the same at each replay of a recorded step."""
    if (recording.current and recording.here()) is not None:
        recording.current.know(array)
    return array


def _check_channels(name: str, input, **vectors) -> None:
    for label, v in vectors.items():
        if v is not None and tuple(v.shape) != (input.shape[1],):
            raise ShapeError(
                f"{name}: expected a {label} of shape {(input.shape[1],)}, got {tuple(v.shape)}"
            )


@composite
def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """(x − μ)/√(v + eps) · weight + bias for each channel.

    In training μ and v are the batch's mean and (biased) variance, and running_mean and running_var, where given,
    move towards them in place by ``momentum`` (the variance by its unbiased estimate). In evaluation μ and v are the
    running ones. Shapes: input (n, channels, …), all others (channels).
    Derivation: docs/derivations.md, Batch normalization. Source: Ioffe & Szegedy 2015.
    """
    momentum = 0.0 if momentum is None else momentum
    return _normalize_batch(
        input, running_mean, running_var, weight, bias, training, momentum, eps, None, True
    )


def _normalize_batch(
    input, running_mean, running_var, weight, bias, training, momentum, eps, seen, tracks
):
    """batch_norm where ``tracks`` says whether running statistics move, and ``seen`` counts the batches.

    A momentum of None weighs all batches equally.
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: expected input (n, channels, …), got {shape}")
    require_float("batch_norm", input)
    _check_channels(
        "batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )  # fmt: skip
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: expected running_mean and running_var in evaluation")
        mu, v = (
            recording.call(np.asarray, (array_of(s), input.dtype), "batch_norm")
            for s in (running_mean, running_var)
        )
        scale = rsqrt(add(v, eps))
        scale = scale if weight is None else mul(scale, weight)
        out = mul(sub(input, _column(mu, len(shape))), _column(scale, len(shape)))
        return out if bias is None else add(out, _column(bias, len(shape)))
    count = math.prod(shape) // max(1, shape[1])
    if count == 1:
        raise ValueError(
            f"batch_norm: expected more than 1 value per channel when training, got input {shape}"
        )
    moments = _moments(_known(input))
    if tracks and running_mean is not None and running_var is not None:
        _track(running_mean, running_var, moments, momentum, count, seen)
    weight = _fixed(np.ones(shape[1], input.dtype)) if weight is None else weight
    bias = _fixed(np.zeros(shape[1], input.dtype)) if bias is None else bias
    return _batch_norm(input, weight, bias, moments, eps)


def _track(running_mean, running_var, moments, momentum, count: int, seen) -> None:
    """Move the running statistics, in place."""
    changed = [v for v in (running_mean, running_var, seen) if isinstance(v, Recorded)]
    recorder = recording.current and recording.here()
    if recorder is not None:
        for v in changed:
            recorder.adopt(v)
    number = _fixed(np.zeros(1, np.int64)) if seen is None else array_of(seen).reshape(1)
    mean, var = array_of(running_mean), array_of(running_var)
    kind = mean.dtype.type
    fresh, correction = -1 if momentum is None else momentum, count / max(1, count - 1)
    kernels.update_moments(mean, var, number, moments, kind(fresh), kind(correction))
    for v in changed:
        if recorder is None:
            v._bump("batch_norm")  # type: ignore[attr-defined]
        else:
            recorder.changes(v, "batch_norm")


def _standardize(input, groups: int, eps):
    """input as ``groups`` rows, each brought to mean 0 and variance 1, in its own shape."""
    shape = tuple(input.shape)
    size = math.prod(shape)
    rows = _reshape(input, (1, groups, size // groups if groups else 0))
    ones = _fixed(np.ones(groups, input.dtype))
    zeros = _fixed(np.zeros(groups, input.dtype))
    return _reshape(_batch_norm(rows, ones, zeros, _moments(_known(rows)), eps), shape)


def _affine(out, weight, bias):
    if weight is not None:
        out = mul(out, weight)
    return out if bias is None else add(out, bias)


def _normalized(name: str, input, normalized_shape, **parameters) -> tuple[int, ...]:
    """The dimensions that are normalized, as a tuple, after checking them."""
    wanted = _sizes(name, normalized_shape)
    shape = tuple(input.shape)
    if not wanted or len(wanted) > len(shape) or shape[len(shape) - len(wanted) :] != wanted:
        raise ShapeError(
            f"{name}: expected an input whose last dimensions are {wanted}, got {shape}"
        )
    for label, p in parameters.items():
        if p is not None and tuple(p.shape) != wanted:
            raise ShapeError(f"{name}: expected a {label} of shape {wanted}, got {tuple(p.shape)}")
    require_float(name, input)
    return wanted


@composite
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x − μ)/√(v + eps) · weight + bias, μ and v over the last dimensions, which are ``normalized_shape``.

    Shapes: weight, bias as normalized_shape. Derivation: docs/derivations.md, Batch normalization, for each row.
    Source: Ba, Kiros & Hinton 2016.
    """
    wanted = _normalized("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    rows = math.prod(input.shape[: len(input.shape) - len(wanted)])
    return _affine(_standardize(input, rows, eps), weight, bias)


@composite
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x/√(⟨x²⟩ + eps) · weight, the mean over the last dimensions; eps defaults to the type's resolution.

    Derivation: from its parts. Source: Zhang & Sennrich 2019.
    """
    wanted = _normalized("rms_norm", input, normalized_shape, weight=weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    dims = tuple(range(len(input.shape) - len(wanted), len(input.shape)))
    out = mul(input, rsqrt(add(mean(mul(input, input), dims, True), eps)))
    return out if weight is None else mul(out, weight)


@composite
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """(x − μ)/√(v + eps) · weight + bias, μ and v over each sample's ``num_groups`` groups of channels.

    Shapes: input (n, channels, …), weight, bias (channels). Derivation: as layer_norm. Source: Wu & He 2018.
    """
    shape = tuple(input.shape)
    if len(shape) < 2 or num_groups < 1 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: expected input (n, channels, …) with channels divisible by {num_groups}, got {shape}"
        )
    require_float("group_norm", input)
    _check_channels("group_norm", input, weight=weight, bias=bias)
    columns = [None if p is None else _column(p, len(shape)) for p in (weight, bias)]
    return _affine(_standardize(input, shape[0] * num_groups, eps), *columns)


@composite
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5,
):  # fmt: skip
    """As batch_norm with μ and v over each channel of each sample; with running ones they follow their mean.

    Shapes: input (n, channels, …). Source: Ulyanov, Vedaldi & Lempitsky 2016.
    """
    shape = tuple(input.shape)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if len(shape) < 3:
        raise ShapeError(f"instance_norm: expected input (n, channels, …), got {shape}")
    require_float("instance_norm", input)
    _check_channels(
        "instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )  # fmt: skip
    count = math.prod(shape[2:])
    if count == 1:
        raise ValueError(
            f"instance_norm: expected more than 1 element of each channel, got input {shape}"
        )
    if running_mean is not None and running_var is not None:
        each = _moments(_reshape(array_of(input), (1, shape[0] * shape[1], count)))
        together = recording.call(_averaged, (each, shape[0]), "instance_norm")
        _track(running_mean, running_var, together, momentum, count, None)
    columns = [None if p is None else _column(p, len(shape)) for p in (weight, bias)]
    return _affine(_standardize(input, shape[0] * shape[1], eps), *columns)


def _averaged(moments: np.ndarray, samples: int) -> np.ndarray:
    """Moments of (samples · channels) as their mean over the samples."""
    return np.ascontiguousarray(moments.reshape(2, samples, -1).mean(1))


@composite
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha · mean of x² over ``size`` neighboring channels)^beta; channels beyond the last count as 0.

    Shapes: input (n, channels, …). Derivation: from its parts. Source: Krizhevsky, Sutskever & Hinton 2012, 3.3.
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ShapeError(f"local_response_norm: expected input (n, channels, …), got {shape}")
    if size < 1:
        raise ValueError(f"local_response_norm: expected size >= 1, got {size}")
    places = math.prod(shape[2:])
    squares = _reshape(mul(input, input), (shape[0], shape[1], places))
    around = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    sums = _avg_pool(around, (size, 1), (1, 1), (0, 0), 1, 0, (shape[1], places))
    return div(input, pow(add(mul(_reshape(sums, shape), alpha), k), beta))


@composite
def normalize(input, p=2.0, dim=1, eps=1e-12):
    """x / max(‖x‖_p, eps), the norm along ``dim``.  Derivation: from its parts."""
    return div(input, clamp(norm(input, p, dim, True), eps))
