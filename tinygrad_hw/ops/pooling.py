"""Pooling over windows of one to three spatial dimensions.

All dimensions before the spatial ones are planes: a batch and channels, or channels alone.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import ShapeError
from ..kernels import pooling as kernels
from ..kernels import recording
from ..kernels.elementwise import native
from .activation import relu
from .convolution import for_dims, per_dim
from .core import composite, primitive
from .index import _in_range, _index_put, _int_index, _put, array_of
from .pointwise import abs, lt, mul, neg, pow, where
from .reduce import require_float
from .shape import _reshape

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d",
    "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def _planes(x: np.ndarray, dims: int) -> np.ndarray:
    """x as a contiguous (planes, depth, height, width)."""
    lead = math.prod(x.shape[:-dims])
    return native(x).reshape((lead,) + (1,) * (3 - dims) + x.shape[-dims:])


def _numbers(window, stride, padding, dilation=None) -> tuple[int, ...]:
    """The geometry as kernels take it: three numbers each."""
    more = 3 - len(window)
    ones, zeros = (1,) * more, (0,) * more
    last = () if dilation is None else (*ones, *dilation)
    return (*ones, *window, *ones, *stride, *zeros, *padding, *last)


@primitive
def _max_pool(input, *, window, stride, padding, dilation, sizes):
    dims = len(window)
    if input.dtype.kind != "f":  # integers: exact below 2⁵³
        wide = _max_pool(input.astype(float), window, stride, padding, dilation, sizes)
        return wide.astype(input.dtype)
    out = np.empty(input.shape[:-dims] + sizes, input.dtype)
    x = _planes(input, dims)
    numbers = _numbers(window, stride, padding, dilation)
    kernels.max_pool(_planes(out, dims), x, *numbers, 0, len(x))
    return out


def _max_pool_kernel(g, input, window, stride, padding, dilation):
    dims = len(window)
    out = np.empty(input.shape, input.dtype)
    x = _planes(input, dims)
    numbers = _numbers(window, stride, padding, dilation)
    kernels.max_pool_vjp(_planes(out, dims), _planes(g, dims), x, *numbers, 0, len(x))
    return out


@_max_pool.vjp(kernel=_max_pool_kernel)
def _(g, input, window, stride, padding, dilation):
    sizes = tuple(g.shape[-len(window) :])
    index = array_of(_max_pool_index(input, window, stride, padding, dilation, sizes))
    return _unpool(g, index, tuple(input.shape), len(window))


@primitive
def _max_pool_index(input, *, window, stride, padding, dilation, sizes):
    """Where in its plane the largest element of each window stands."""
    dims = len(window)
    out = np.empty(input.shape[:-dims] + sizes, np.int64)
    input = input if input.dtype.kind == "f" else input.astype(float)
    numbers = _numbers(window, stride, padding, dilation)
    kernels.max_pool_index(_planes(out, dims), _planes(input, dims), *numbers)
    return out


_max_pool_index.differentiable = False


def _kept(flat: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (flat >= 0).astype(dtype)


def _unpool(g, index: np.ndarray, shape: tuple, dims: int):
    """Zeros of ``shape`` with g added at the positions ``index`` of its planes, but for those that are −1."""
    planes = math.prod(shape[:-dims])
    flat = index.reshape(planes, math.prod(index.shape[-dims:]))
    g = mul(_reshape(g, flat.shape), recording.call(_kept, (flat, g.dtype), "max_pool"))
    out = _put(
        g,
        (planes, math.prod(shape[-dims:])),
        (recording.constant(np.arange(planes)[:, None]), flat),
    )
    return _reshape(out, shape)


def _windows(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode) -> tuple:
    """Window, stride, padding, dilation and the number of places in each dimension."""
    shape = tuple(input.shape)
    if len(shape) not in (dims + 1, dims + 2):
        raise ShapeError(
            f"{name}: expected {dims + 1} or {dims + 2} dimensions, the last {dims} spatial, got {shape}"
        )
    window = per_dim(name, "kernel_size", kernel_size, dims, 1)
    empty = stride is None or (isinstance(stride, tuple | list) and not stride)
    stride = window if empty else per_dim(name, "stride", stride, dims, 1)
    padding = per_dim(name, "padding", padding, dims)
    dilation = per_dim(name, "dilation", dilation, dims, 1)
    sizes = []
    for n, k, s, p, d in zip(shape[-dims:], window, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        if p > k // 2:
            raise ValueError(
                f"{name}: expected padding of at most half the window, got {padding} and {window}"
            )
        free = n + 2 * p - reach
        places = (-(-free // s) if ceil_mode else free // s) + 1
        # The last window must begin inside the input or the padding before it.
        if ceil_mode and (places - 1) * s >= n + p:
            places -= 1
        sizes.append(places)
    if min(sizes) < 1 or 0 in shape[1:]:
        raise ShapeError(
            f"{name}: expected a window of at most the padded input, got window {window} for {shape}"
        )
    return window, stride, padding, dilation, tuple(sizes)


def _max(
    name, dims, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):  # fmt: skip
    """The largest element of each window; with ``return_indices`` its position in its plane as well.

    Shapes: input (n, channels, {places}) or one sample of it. Windows are ``stride`` (default: their size) apart;
    ``padding`` ones before and after the input hold −∞; ``ceil_mode`` lets the last one reach beyond.
    Of equal elements the first counts; NaN is the largest.
    Derivation: the gradient goes to the elements that were taken, added up where windows overlap.
    """
    geometry = _windows(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode)
    if not return_indices:
        return _max_pool(input, *geometry)
    return _max_pool(input, *geometry), _max_pool_index(input, *geometry)


max_pool1d, max_pool2d, max_pool3d = for_dims("max_pool", _max)


@primitive
def _avg_pool(input, *, window, stride, padding, count_include_pad, divisor, sizes):
    dims = len(window)
    out = np.empty(input.shape[:-dims] + sizes, input.dtype)
    x = _planes(input, dims)
    numbers = _numbers(window, stride, padding)
    kernels.avg_pool(_planes(out, dims), x, *numbers, count_include_pad, divisor, 0, len(x))
    return out


@primitive
def _avg_unpool(input, *, shape, window, stride, padding, count_include_pad, divisor):
    """The transpose of ``_avg_pool``: each element gathers its shares of the windows that it is in."""
    dims = len(window)
    out = np.empty(shape, input.dtype)
    g = _planes(input, dims)
    numbers = _numbers(window, stride, padding)
    kernels.avg_pool_vjp(_planes(out, dims), g, *numbers, count_include_pad, divisor, 0, len(g))
    return out


@_avg_pool.vjp
def _(g, input_shape, window, stride, padding, count_include_pad, divisor):
    return _avg_unpool(g, input_shape, window, stride, padding, count_include_pad, divisor)


@_avg_unpool.vjp
def _(g, input_shape, window, stride, padding, count_include_pad, divisor):
    sizes = tuple(input_shape[-len(window) :])
    return _avg_pool(g, window, stride, padding, count_include_pad, divisor, sizes)


def _avg(name, dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor):
    window, stride, padding, _, sizes = _windows(
        name, dims, input, kernel_size, stride, padding, 1, ceil_mode
    )
    require_float(name, input)
    if dims == 3 and any(k > n for k, n in zip(window, input.shape[-3:], strict=True)):
        raise ShapeError(f"{name}: expected a window of at most the input, got {window}")
    if divisor == 0:
        raise ValueError(f"{name}: expected a divisor_override other than 0")
    number = 0 if divisor is None else int(divisor)
    return _avg_pool(input, window, stride, padding, int(count_include_pad), number, sizes)


@composite
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window; padding counts as zeros, or with ``count_include_pad=False`` not at all.

    Shapes: as max_pool1d. Derivation: each element of a window gets the gradient divided by their number.
    """
    return _avg(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def _avg_pools(
    name, dims, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):  # fmt: skip
    """As avg_pool1d with ({places}) for the length; ``divisor_override`` replaces the number of elements."""
    return _avg(
        name, dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )  # fmt: skip


avg_pool2d, avg_pool3d = for_dims("avg_pool", _avg_pools, (2, 3))


def _lp(name, dims, input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ xᵖ)^(1/p) over each window of (n, channels, {places}), p = norm_type; NaN where the sum is below 0.

    Derivation: that of its parts, 0 where the sum is 0.
    """
    means = _avg(name, dims, pow(input, norm_type), kernel_size, stride, 0, ceil_mode, True, None)
    size = relu(abs(means))  # whose slope at 0 is 0
    size = where(lt(means, 0), neg(size), size)
    total = mul(size, math.prod(per_dim(name, "kernel_size", kernel_size, dims, 1)))
    return pow(total, 1.0 / norm_type)


lp_pool1d, lp_pool2d, lp_pool3d = for_dims("lp_pool", _lp)


def _unpooled(name, dims, input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with each element of (n, channels, {places}) at its position ``indices``, as max_pool gave it.

    ``output_size`` chooses among the sizes that max_pool maps to the input's; by default the smallest that fits.
    Derivation: the gradient at that position.
    """
    shape, window = tuple(input.shape), per_dim(name, "kernel_size", kernel_size, dims, 1)
    if len(shape) not in (dims + 1, dims + 2) or tuple(indices.shape) != shape:
        raise ShapeError(
            f"{name}: expected input and indices of one shape, got {shape} and {tuple(indices.shape)}"
        )
    stride = window if stride is None else per_dim(name, "stride", stride, dims, 1)
    padding = per_dim(name, "padding", padding, dims)
    each = zip(shape[-dims:], window, stride, padding, strict=True)
    sizes = tuple((n - 1) * s - 2 * p + k for n, k, s, p in each)
    if output_size is not None:
        wanted = tuple(output_size)[-dims:]
        if len(output_size) not in (dims, dims + 2) or any(
            not n - s < m < n + s for m, n, s in zip(wanted, sizes, stride, strict=True)
        ):
            raise ValueError(
                f"{name}: expected output_size within {stride} of {sizes}, got {wanted}"
            )
        sizes = wanted
    planes, places = math.prod(shape[:-dims]), math.prod(sizes)
    at = _int_index(name, indices).reshape(planes, -1)
    _in_range(name, at, places)
    zeros = recording.constant(np.zeros((planes, places), input.dtype))
    rows = recording.constant(np.arange(planes)[:, None])
    out = _index_put(zeros, _reshape(input, at.shape), (rows, at))
    return _reshape(out, shape[:-dims] + sizes)


max_unpool1d, max_unpool2d, max_unpool3d = for_dims("max_unpool", _unpooled)
