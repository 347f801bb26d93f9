"""How operators treat tensors that stand for one example: a rule for each form (see ``batching.RULES``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, ops
from ..ops.core import Primitive
from ..ops.reduce import _expand
from ..ops.shape import _permute, _reshape
from ..tensor import Tensor, apply
from .batching import RULES, Batched, expose, sizes


def _elementwise(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Trailing dimensions meet as they did: ones go between the batch and an example of fewer dimensions."""
    shadows = [x._array if isinstance(x, Tensor) else x for x in operands]
    rank = max(len(getattr(x, "shape", ())) for x in shadows)
    weak = dtypes.result_type(*shadows)
    aligned = []
    for x, shadow in zip(operands, shadows, strict=True):
        if isinstance(x, Batched):
            x = expose(x, levels, full=False)
            k, shape = len(levels), x.shape
            if len(shape) - k < rank:
                x = _reshape(x, (*shape[:k], *(1,) * (rank + k - len(shape)), *shape[k:]))
            if not shadow.ndim and x.dtype.kind == weak.kind:
                x = x.to(weak)  # an example of no dimensions does not decide the type
        aligned.append(x)
    out = apply(op, tuple(aligned), attrs)
    lead = sizes(levels)
    return out if out.shape[: len(lead)] == lead else _expand(out, (*lead, *out.shape[len(lead) :]))


def _same(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Only trailing dimensions matter, or none."""
    return apply(op, (expose(operands[0], levels), *operands[1:]), attrs)


def _shifted(**moves: Callable) -> Callable:
    """The first operand's dimensions are counted behind the batch: ``moves`` say what becomes of attributes."""

    def rule(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
        rank = len(operands[0].shape)
        moved = []
        for name, value in zip(op.attrs, attrs, strict=True):
            move = moves.get(name)
            if move is not None:
                value = move(value, levels, rank)
                if value is None:
                    return None
            moved.append(value)
        return apply(op, (expose(operands[0], levels),), tuple(moved))

    return rule


def _dims(dims, levels: tuple, rank: int):
    """Dimensions of an example (None or empty: all) as those of the batch."""
    if not rank:
        return None
    k = len(levels)
    if isinstance(dims, int):
        return dims % rank + k
    return tuple(d % rank + k for d in dims or range(rank))


def _one_dim(dim, levels: tuple, rank: int):
    return dim % rank + len(levels) if rank and dim is not None else None


def _placed_dim(dim, levels: tuple, rank: int):
    """A dimension of the result, counted from its front."""
    return dim + len(levels)


def _number(value, levels: tuple, rank: int):
    """What is no array, which would belong to the examples."""
    return value if isinstance(value, float) else None


def _behind(dims, levels: tuple, rank: int):
    return tuple(d + len(levels) for d in dims)


def _order(dims, levels: tuple, rank: int):
    return (*range(len(levels)), *_behind(dims, levels, rank))


def _shape(shape, levels: tuple, rank: int):
    return (*sizes(levels), *shape)


def _index(index, levels: tuple, rank: int):
    """Behind the batch, unless NumPy would put the result's dimensions elsewhere then."""
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, np.ndarray) for i in index):
        places = [n for n, i in enumerate(index) if isinstance(i, int | np.integer | np.ndarray)]
        together = places[-1] - places[0] + 1 == len(places)
        if not together or any(isinstance(i, bool) or i is None for i in index):
            return None
    return (slice(None),) * len(levels) + index


def _widths(widths, levels: tuple, rank: int):
    return (*((0, 0),) * len(levels), *widths)


def _grow(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """expand: new dimensions go between the batch and the example."""
    x = expose(operands[0], levels)
    k, shape = len(levels), x.shape
    ones = (1,) * (len(attrs[0]) + k - len(shape))
    return _expand(_reshape(x, (*shape[:k], *ones, *shape[k:])), (*sizes(levels), *attrs[0]))


def _join(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    dim, offsets = attrs
    parts = tuple(expose(x, levels) for x in operands)
    return apply(op, parts, (dim + len(levels), offsets))


def _weighted(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """A linear layer: as it is where only its input is batched, else as products of matrices."""
    input, weight, *bias = operands
    if not any(isinstance(x, Batched) for x in (weight, *bias)):
        return apply(op, (expose(input, levels), weight, *bias), attrs)
    swapped = ops.transpose(weight, -1, -2)
    out = ops.matmul(input, swapped)
    return expose(out + bias[0] if bias else out, levels)


def _merged(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Examples of images join the images' own batch, where nothing else differs between them."""
    if any(isinstance(x, Batched) for x in operands[1:]):
        return None
    x = expose(operands[0], levels)
    k = len(levels)
    out = (
        apply(op, (_reshape(x, (-1, *x.shape[k + 1 :])), *operands[1:]), attrs)
        if x.numel()
        else None
    )
    return None if out is None else _reshape(out, (*x.shape[: k + 1], *out.shape[1:]))


def _front(x: Any, levels: tuple[int, ...], place: int) -> tuple[Tensor, tuple[int, ...]]:
    """``x`` with its examples joined to dimension ``place``, which is that of its channels, and its sizes before."""
    x = expose(x, levels)
    k, shape = len(levels), x.shape
    behind = tuple(range(k + place, len(shape)))
    x = _permute(x, (*range(k, k + place), *range(k), *behind))
    return _reshape(x, (*shape[k : k + place], -1, *shape[k + place + 1 :])), shape[k:]


def _back(x: Tensor, levels: tuple[int, ...], place: int) -> Tensor:
    """The inverse: the examples in front."""
    k, shape = len(levels), x.shape
    lead = sizes(levels)
    channels = shape[place] // max(1, int(np.prod(lead)))
    x = _reshape(x, (*shape[:place], *lead, channels, *shape[place + 1 :]))
    order = (*range(place, place + k), *range(place), *range(place + k, len(x.shape)))
    return _permute(x, order)


def _grouped(*places: int) -> Callable:
    """Convolutions of examples with weights of their own as one convolution with more groups.

    ``places`` are the channels' dimensions of the operands and of the result: 1 of images, 0 of weights.
    """

    def rule(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
        count = int(np.prod(sizes(levels)))
        if not count:
            return None
        joined = [_front(x, levels, p)[0] for x, p in zip(operands, places, strict=False)]
        moved = dict(zip(op.attrs, attrs, strict=True))
        moved["groups"] *= count
        if "shape" in moved:
            shape = list(moved["shape"])
            shape[places[-1]] *= count
            moved["shape"] = tuple(shape)
        return _back(apply(op, tuple(joined), tuple(moved.values())), levels, places[-1])

    return rule


def _convolution(*places: int) -> Callable:
    """Examples join the images' own batch where they share a weight, else they are groups."""

    def rule(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
        found = _merged(op, operands, attrs, levels)
        return _grouped(*places)(op, operands, attrs, levels) if found is None else found

    return rule


def _moments(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Mean and variance of each example's channels: as many channels more."""
    return _back(apply(op, (_front(operands[0], levels, 1)[0],), attrs), levels, 1)


def _normalized(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    joined = [_front(x, levels, p)[0] for x, p in zip(operands, (1, 0, 0, 1), strict=True)]
    return _back(apply(op, tuple(joined), attrs), levels, 1)


def _looked_up(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Rows of one table."""
    index, weight = operands
    return (
        None if isinstance(weight, Batched) else apply(op, (expose(index, levels), weight), attrs)
    )


def _searched(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """Values in one sequence, or each example's among what is the same for all."""
    first, second = operands
    batched = [isinstance(x, Batched) for x in operands]
    if op.name == "_search" and (batched[0] or len(first.shape) > 1):
        return None
    if op.name == "isin" and batched[1]:
        return None
    every = [expose(x, levels) if b else x for x, b in zip((first, second), batched, strict=True)]
    return apply(op, tuple(every), attrs)


def _classified(op: Primitive, operands: tuple, attrs: tuple, levels: tuple[int, ...]):
    """cross_entropy of each example's logits (n, C) and classes (n), by its definition."""
    reduction, ignore = attrs
    input, target = operands
    target = target if isinstance(target, Tensor) else Tensor._wrap(np.asarray(target))
    kept = ops.ne(target, ignore)
    own = ops.logical_and(
        ops.eq(ops.unsqueeze(target, -1), np.arange(input.shape[1])), ops.unsqueeze(kept, -1)
    )
    total = ops.neg(ops.sum(ops.where(own, ops.log_softmax(input, -1), 0.0)))
    if reduction == "mean":
        total = ops.div(total, ops.sum(kept).to(input.dtype))
    return expose(total, levels)


_REDUCE = _shifted(dims=_dims, dim=_dims)
_PICK = _shifted(dim=_one_dim)
_PLACED = _shifted(shape=_shape, index=_index)
RULES |= {
    **dict.fromkeys(("clone", "_cast", "tril", "triu"), _same),
    **dict.fromkeys(
        (
            "_inv",
            "_det",
            "_detsign",
            "_logabsdet",
            "_cofactors",
            "_cholesky",
            "_qr",
            "_eigh",
            "_svd",
        ),
        _same,
    ),
    **dict.fromkeys(("_pinv", "_rank"), _shifted(atol=_number, rtol=_number)),
    "_singular_values": _same,
    "_raised": _same,
    "_sum": _shifted(dims=_behind),
    **dict.fromkeys(("_norm2", "_logsumexp"), _REDUCE),
    **dict.fromkeys(("amax", "amin", "all", "any", "count_nonzero"), _REDUCE),
    **dict.fromkeys(("argmax", "argmin", "argsort", "_cumsum", "_softmax", "_log_softmax"), _PICK),
    **dict.fromkeys(("_record_holders", "_middle", "_mode_index"), _PICK),
    **dict.fromkeys(("_slice", "_take", "_unslice", "_put"), _PLACED),
    **dict.fromkeys(("_max_pool", "_avg_pool", "_unfold", "_fold", "_max_pool_index"), _merged),
    "_convolve": _convolution(1, 0, 1),
    "_convolve_biased": _convolution(1, 0, 0, 1),
    "_convolve_input": _grouped(1, 0, 1),
    "_convolve_weight": _grouped(1, 1, 0),
    "_moments": _moments,
    "_batch_norm": _normalized,
    "_embedding": _looked_up,
    **dict.fromkeys(("_search", "isin"), _searched),
    "_cross_entropy": _classified,
    "_avg_unpool": _shifted(shape=_shape),
    "_diagonal": _shifted(dim1=_one_dim, dim2=_one_dim),
    "_on_diagonal": _shifted(shape=_shape, dim1=_placed_dim, dim2=_placed_dim),
    "_windows": _shifted(dim=_one_dim),
    "_from_windows": _shifted(shape=_shape, dim=_placed_dim),
    **dict.fromkeys(("_linear", "_affine"), _weighted),
    "_reshape": _shifted(shape=_shape),
    "_permute": _shifted(dims=_order),
    "_flip": _shifted(dims=_behind),
    "_pad": _shifted(widths=_widths),
    "_expand": _grow,
    "_cat": _join,
    **dict.fromkeys(("_index_put", "_show"), None),
}
for _op in ops.PRIMITIVES.values():
    if _op.broadcasts:
        RULES.setdefault(_op.name, _elementwise)
