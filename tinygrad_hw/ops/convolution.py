"""Convolution, and its transpose, in one to three dimensions.

Convolution is linear in the image and in the weight, so its derivatives are two more bilinear maps, and the three
are closed under derivation: with y = x ∗ w and the cotangent g of y, x' = g ∗ᵀ w, w' = x ⋆ g.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import convolution as kernels
from ..kernels.elementwise import native
from ..kernels.normalization import channel_sums
from .core import composite, primitive
from .pointwise import add
from .product import _check_dtypes
from .reduce import _sum, require_float
from .shape import _reshape

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


def for_dims(stem: str, function: Any, numbers: Sequence[int] = (1, 2, 3)) -> list[Callable]:
    """Register ``function(name, dims, …)`` as an operator for each number of spatial dimensions, ``stem``1d, ``stem``2d, …

    They have the function's other parameters, and its docstring with ``{places}`` replaced.
    """

    def state(name: str, dims: int) -> Callable:
        @functools.wraps(function)
        def op(*args, **kwargs):
            return function(name, dims, *args, **kwargs)

        op.__name__ = op.__qualname__ = name
        op.__doc__ = function.__doc__.replace("{places}", PLACES[dims])
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())[2:]
        vars(op).update(function=function, __signature__=signature.replace(parameters=parameters))
        return composite(op)

    return [state(f"{stem}{dims}d", dims) for dims in numbers]


PLACES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def per_dim(name: str, argument: str, value: Any, dims: int, least: int = 0) -> tuple[int, ...]:
    """``value``, an int for all or one for each of ``dims`` spatial dimensions, as a tuple."""
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) == 1:
        values *= dims
    if len(values) != dims or not all(isinstance(v, int | np.integer) for v in values):
        raise ValueError(f"{name}: expected an int or {dims} of them as {argument}, got {value!r}")
    if any(v < least for v in values):
        raise ValueError(f"{name}: expected {argument} >= {least}, got {value!r}")
    return tuple(map(int, values))


def spatial(x: np.ndarray) -> np.ndarray:
    """(n, channels, …) as a contiguous (n, channels, depth, height, width)."""
    return native(x).reshape(x.shape[:2] + (1,) * (5 - x.ndim) + x.shape[2:])


def _numbers(stride, padding, dilation, groups) -> tuple[int, ...]:
    """The geometry as kernels take it: three numbers each."""
    more = 3 - len(stride)
    return (*(1,) * more, *stride, *(0,) * more, *padding, *(1,) * more, *dilation, groups)


def _output(shape, weight_shape, stride, padding, dilation) -> tuple[int, ...]:
    """The sizes of a convolution's places, ``padding`` on both sides."""
    sizes = zip(shape[2:], weight_shape[2:], stride, padding, dilation, strict=True)
    return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes)


@primitive
def _convolve(input, weight, *, stride, padding, dilation, groups, sizes):
    """input ∗ weight, with ``padding`` zeros before and as many after as ``sizes`` places need."""
    return _apply(input, weight, None, stride, padding, dilation, groups, sizes)


@primitive
def _convolve_biased(input, weight, bias, *, stride, padding, dilation, groups, sizes):
    return _apply(input, weight, bias, stride, padding, dilation, groups, sizes)


def _apply(input, weight, bias, stride, padding, dilation, groups, sizes):
    out = np.empty((len(input), len(weight), *sizes), input.dtype)
    x, w = spatial(input), spatial(weight)
    b = w.reshape(-1) if bias is None else native(bias)
    numbers = _numbers(stride, padding, dilation, groups)
    kernels.convolve(spatial(out), x, w, b, *numbers, int(bias is not None), 0, len(x))
    return out


@primitive
def _convolve_input(input, weight, *, shape, stride, padding, dilation, groups):
    """The gradient of an image of ``shape``, given the cotangent ``input``: the transposed convolution."""
    out = np.empty(shape, input.dtype)
    w = spatial(weight)
    numbers = _numbers(stride, padding, dilation, groups)
    kernels.convolve_input(
        spatial(out), spatial(input), w, w.reshape(-1), *numbers, 0, 0, len(input)
    )
    return out


@primitive
def _convolve_weight(input, other, *, shape, stride, padding, dilation, groups):
    """The gradient of a weight of ``shape``, given the image ``input`` and the cotangent ``other``."""
    out = np.empty(shape, input.dtype)
    numbers = _numbers(stride, padding, dilation, groups)
    kernels.convolve_weight(
        spatial(out), spatial(input), spatial(other), *numbers, 0, shape[0] // groups, 0, math.prod(shape[1:])
    )  # fmt: skip
    return out


@_convolve.vjp("input")
@_convolve_biased.vjp("input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    return _convolve_input(g, weight, input_shape, stride, padding, dilation, groups)


@_convolve.vjp("weight")
@_convolve_biased.vjp("weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return _convolve_weight(input, g, weight_shape, stride, padding, dilation, groups)


def _bias_kernel(g):
    out = np.empty(g.shape[1], g.dtype)
    channel_sums(out, native(g).reshape(*g.shape[:2], math.prod(g.shape[2:])), 0, g.shape[1])
    return out


@_convolve_biased.vjp("bias", kernel=_bias_kernel)
def _(g):
    return _sum(g, (0, *range(2, len(g.shape))), False)


@_convolve_input.vjp("input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    return _convolve(g, weight, stride, padding, dilation, groups, input_shape[2:])


@_convolve_input.vjp("weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return _convolve_weight(g, input, weight_shape, stride, padding, dilation, groups)


@_convolve_weight.vjp("input")
def _(g, other, input_shape, stride, padding, dilation, groups):
    return _convolve_input(other, g, input_shape, stride, padding, dilation, groups)


@_convolve_weight.vjp("other")
def _(g, input, other_shape, stride, padding, dilation, groups):
    return _convolve(input, g, stride, padding, dilation, groups, other_shape[2:])


def _check(name: str, input, weight, bias, dims: int, groups: int, side: int) -> tuple:
    """Input with a batch dimension and its shape; ``side`` is the weight's dimension of the input's channels."""
    x, w = tuple(input.shape), tuple(weight.shape)
    if len(x) not in (dims + 1, dims + 2) or len(w) != dims + 2:
        raise ShapeError(
            f"{name}: expected input (n, channels, {PLACES[dims]}) or one sample of it, and a weight of "
            f"{dims + 2} dimensions, got {x} and {w}"
        )
    if len(x) == dims + 1:
        input, x = _reshape(input, (1, *x)), (1, *x)
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name}: expected groups >= 1, got {groups}")
    out = w[1] * groups if side == 0 else w[0]
    inside = w[0] if side == 0 else w[1] * groups
    if x[1] != inside or w[0] % groups:
        raise ShapeError(
            f"{name}: expected input channels and a weight that fit {groups} groups, got {x} and {w}"
        )
    if any(k < 1 for k in w[2:]):
        raise ShapeError(f"{name}: expected a window without zero sizes, got weight {w}")
    if bias is not None and tuple(bias.shape) != (out,):
        raise ShapeError(f"{name}: expected a bias of shape {(out,)}, got {tuple(bias.shape)}")
    _check_dtypes(name, input, weight, *([] if bias is None else [bias]))
    require_float(name, input)
    return input, x


def _both_sides(name: str, padding, stride, dilation, window) -> list[tuple[int, int]]:
    """Zeros before and after in each dimension; ``same`` puts an odd one after."""
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f"{name}: expected padding 'valid', 'same' or ints, got {padding!r}")
        if padding == "valid":
            return [(0, 0)] * len(window)
        if any(s != 1 for s in stride):
            raise ValueError(f"{name}: expected stride 1 with padding='same', got {stride}")
        totals = [d * (k - 1) for d, k in zip(dilation, window, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    return [(p, p) for p in per_dim(name, "padding", padding, len(window))]


def _conv(name, dims, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """out[n, o, i] = bias[o] + Σ_{c, k} weight[o, c, k] input[n, c, i·stride + k·dilation − padding], i in each dimension.

    Shapes: input (n, channels, {places}) or one sample of it, weight (out, channels / groups, *window), bias (out).
    Padding may be 'valid' (none) or 'same' (as many places as elements; stride 1).
    Derivation: docs/derivations.md, Convolution. Source: LeCun et al. 1989; Dumoulin & Visin 2016.
    """
    batched, x = _check(name, input, weight, bias, dims, groups, 1)
    window = tuple(weight.shape[2:])
    stride = per_dim(name, "stride", stride, dims, 1)
    dilation = per_dim(name, "dilation", dilation, dims, 1)
    sides = _both_sides(name, padding, stride, dilation, window)
    sizes = _output(x, weight.shape, stride, sides, dilation)
    if any(n < 1 for n in sizes):
        raise ShapeError(
            f"{name}: expected a window of at most the padded input, got weight {tuple(weight.shape)} "
            f"with dilation {dilation} for input {x} with padding {padding}"
        )
    before = tuple(p for p, _ in sides)
    if bias is None:
        out = _convolve(batched, weight, stride, before, dilation, groups, sizes)
    else:
        out = _convolve_biased(batched, weight, bias, stride, before, dilation, groups, sizes)
    return out if batched is input else _reshape(out, tuple(out.shape[1:]))


conv1d, conv2d, conv3d = for_dims("conv", _conv)


def _conv_transpose(
    name, dims, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):  # fmt: skip
    """The transpose of convolution: out[i·stride + k·dilation − padding] gathers weight[c, o, k] input[c, i].

    Shapes: input (n, channels, {places}) or one sample of it, weight (channels, out / groups, *window), bias (out).
    ``output_padding`` chooses among the sizes that the convolution maps to the input's.
    Derivation: docs/derivations.md, Convolution. Source: Dumoulin & Visin 2016.
    """
    batched, x = _check(name, input, weight, bias, dims, groups, 0)
    stride = per_dim(name, "stride", stride, dims, 1)
    padding = per_dim(name, "padding", padding, dims)
    dilation = per_dim(name, "dilation", dilation, dims, 1)
    more = per_dim(name, "output_padding", output_padding, dims)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"{name}: expected output_padding below stride or dilation, got {more}, {stride} and {dilation}"
        )
    window = weight.shape[2:]
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(x[2:], stride, padding, dilation, window, more, strict=True)
    )
    if any(n < 1 for n in sizes):
        raise ShapeError(f"{name}: expected padding that leaves an output, got sizes {sizes}")
    shape = (x[0], weight.shape[1] * groups, *sizes)
    out = _convolve_input(batched, weight, shape, stride, padding, dilation, groups)
    if bias is not None:
        out = add(out, _reshape(bias, (-1, *(1,) * dims)))
    return out if batched is input else _reshape(out, tuple(out.shape[1:]))


conv_transpose1d, conv_transpose2d, conv_transpose3d = for_dims("conv_transpose", _conv_transpose)
