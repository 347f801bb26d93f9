"""Rows of a table by their numbers, and the bilinear form."""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError, ShapeError
from ..kernels import recording
from ..kernels.elementwise import native
from ..kernels.lookup import look_up, look_up_vjp
from .core import Recorded, composite, primitive
from .index import _put, array_of
from .pointwise import add, mul
from .product import einsum

__all__ = ["bilinear", "embedding"]


@primitive
def _embedding(index, weight, *, padding_idx, by_count):
    out = np.empty((index.size, weight.shape[1]), weight.dtype)
    flat = native(index.reshape(-1), np.dtype(np.int64))
    wrong = look_up(out, native(weight), flat)
    if wrong:
        raise IndexError(
            f"embedding: expected indices in [0, {len(weight) - 1}], got {flat[wrong - 1]}"
        )
    return out.reshape(*index.shape, weight.shape[1])


def _embedding_kernel(g, index, weight_shape, padding_idx, by_count):
    out = np.empty(weight_shape, g.dtype)
    flat = native(index.reshape(-1), np.dtype(np.int64))
    look_up_vjp(out, native(g).reshape(index.size, weight_shape[1]), flat, padding_idx, by_count)
    return out


@_embedding.vjp("weight", kernel=_embedding_kernel)
def _(g, index, weight_shape, padding_idx, by_count):
    index = array_of(index)
    factor = (index != padding_idx).astype(g.dtype)
    if by_count:
        factor /= np.bincount(index.ravel(), minlength=weight_shape[0])[index]
    return _put(mul(g, factor[..., None]), weight_shape, (index,))


@composite
def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
    sparse=False,
):  # fmt: skip
    """weight[input], rows of a table by their numbers.

    Shapes: input (…) of integers, weight (rows, width) → (…, width). The row ``padding_idx`` gets no gradient;
    ``scale_grad_by_freq`` divides each row's by how often it occurs. With ``max_norm`` rows that are used and longer
    are shortened to it, in place, in the norm ``norm_type``. Gradients are dense.
    Derivation: the gradient is added to the rows it came from.
    """
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: expected a weight (rows, width), got {tuple(weight.shape)}")
    if input.dtype.kind not in "iu":
        raise DTypeError(f"embedding: expected integers as input, got {input.dtype}")
    if sparse:
        raise ValueError("embedding: expected sparse=False, as gradients are dense")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ValueError(
                f"embedding: expected padding_idx in [{-rows}, {rows - 1}], got {padding_idx}"
            )
        padding_idx %= rows
    if max_norm is not None:
        _shorten(array_of(input), weight, float(max_norm), float(norm_type))
    skipped = -1 if padding_idx is None else int(padding_idx)
    return _embedding(input, weight, skipped, int(scale_grad_by_freq))


def _shorten(index: np.ndarray, weight, max_norm: float, p: float) -> None:
    """Scale the rows of ``weight`` that are used to a norm of at most ``max_norm``, in place."""
    recording.refuse("max_norm of an embedding", "Limit the rows outside the step.")
    table = array_of(weight)
    used = np.unique(index)
    norms = (np.abs(table[used]) ** p).sum(1) ** (1 / p)
    long = norms > max_norm
    table[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(table.dtype)
    if isinstance(weight, Recorded):
        weight._bump("embedding")  # type: ignore[attr-defined]


@composite
def bilinear(input1, input2, weight, bias=None):
    """out[…, o] = Σ_ij input1[…, i] weight[o, i, j] input2[…, j] + bias[o].

    Shapes: input1 (…, i), input2 (…, j), weight (o, i, j), bias (o). Derivation: that of its products.
    """
    a, b, w = tuple(input1.shape), tuple(input2.shape), tuple(weight.shape)
    if len(w) != 3 or not a or not b or a[:-1] != b[:-1] or a[-1:] + b[-1:] != w[1:]:
        raise ShapeError(
            f"bilinear: expected (…, i), (…, j) and a weight (o, i, j), got {a}, {b} and {w}"
        )
    if bias is not None and tuple(bias.shape) != w[:1]:
        raise ShapeError(f"bilinear: expected a bias of shape {w[:1]}, got {tuple(bias.shape)}")
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else add(out, bias)
