"""Similarities, and losses of margins, likelihoods and labels. ``reduction`` is "mean", "sum" or "none" throughout.

Where no derivation is given it is that of the operators that the loss is made of.
"""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..errors import ShapeError
from ..kernels import recording
from .activation import logsigmoid, relu
from .core import composite, primitive
from .index import array_of, gather, index_select
from .loss import _check_weight, _reduce, _xlogx

from .pointwise import (  # isort: skip
    _cast, _clamp_min, add, div, eq, exp, gt, log, minimum, mul, ne, neg, sqrt, square, sub, where,
)  # fmt: skip
from .reduce import _expand, mean, norm, sum
from .shape import normalize_dim, reshape, unsqueeze

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "gaussian_nll_loss", "hinge_embedding_loss", "margin_ranking_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "pairwise_distance",
    "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _broadcast(name: str, *operands) -> tuple[int, ...]:
    shapes = [tuple(x.shape) for x in operands]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{name}: expected shapes that broadcast, got {' and '.join(map(str, shapes))}"
        ) from None


@composite
def cosine_similarity(x1, x2, dim=1, eps=1e-08):
    """⟨x, y⟩/(|x| |y|) along ``dim``, each norm at least eps."""
    shape = _broadcast("cosine_similarity", x1, x2)
    dim = normalize_dim("cosine_similarity", dim, len(shape))
    parts = []
    for x in x1, x2:
        x = _expand(x if x.dtype.kind == "f" else _cast(x, dtypes.get_default_dtype()), shape)
        parts.append(div(x, _clamp_min(norm(x, 2, dim, True), eps)))
    return sum(mul(*parts), dim)


@composite
def pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    """The p-norm of x − y + eps over the last dimension."""
    _broadcast("pairwise_distance", x1, x2)
    return norm(add(sub(x1, x2), eps), p, -1, keepdim)


@composite
def gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction="mean"):
    """½(ln v + (x − t)²/v), v the variance but at least eps; with ``full``, plus ½ ln 2π.

    Derivation: (x − t)/v, and (1 − (x − t)²/v)/2v also where v was raised to eps, as in PyTorch.
    """
    if isinstance(var, int | float):
        var = recording.constant(np.full(tuple(input.shape), var, dtypes.result_type(input, 1.0)))
    shape, given = tuple(input.shape), tuple(var.shape)
    if given != shape:
        if given == shape[:-1]:
            var = unsqueeze(var, -1)
        elif len(given) != len(shape) or any(
            n not in (1, m) for m, n in zip(shape, given, strict=True)
        ):
            raise ShapeError(f"gaussian_nll_loss: expected a var for input {shape}, got {given}")
    if var.dtype.kind != "f":
        var = _cast(var, dtypes.get_default_dtype())
    var = _raised(var, eps)
    loss = mul(add(log(var), div(square(sub(input, target)), var)), 0.5)
    return _reduce(
        "gaussian_nll_loss", add(loss, 0.5 * math.log(2 * math.pi)) if full else loss, reduction
    )


@primitive
def _raised(input, *, least):
    """The larger of a variance and ``least``.  Derivation: the identity, where it was raised too."""
    if (input < 0).any():
        raise ValueError(f"gaussian_nll_loss: expected var >= 0, got {input.min()}")
    return np.maximum(input, input.dtype.type(least))


_raised.vjp(lambda g: g)


@composite
def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-08, reduction="mean"):
    """eˣ − t x, or x − t ln(x + eps) unless ``log_input``; with ``full``, plus Stirling's ln t! where t > 1."""
    if log_input:
        loss = sub(exp(input), mul(target, input))
    else:
        loss = sub(input, mul(target, log(add(input, eps))))
    if full:
        safe = where(gt(target, 1), target, 1.0)
        stirling = add(sub(_xlogx(safe), safe), mul(log(mul(safe, 2 * math.pi)), 0.5))
        loss = add(loss, where(gt(target, 1), stirling, 0.0))
    return _reduce("poisson_nll_loss", loss, reduction)


@composite
def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    """x where t = 1, max(0, margin − x) where t = −1."""
    far = where(ne(target, 1), _clamp_min(sub(margin, input), 0.0), 0.0)
    return _reduce("hinge_embedding_loss", add(far, where(ne(target, -1), input, 0.0)), reduction)


@composite
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """max(0, margin − t(x₁ − x₂)): with t = 1, x₁ should be the larger by the margin."""
    if not len(input1.shape) == len(input2.shape) == len(target.shape):
        shapes = [tuple(x.shape) for x in (input1, input2, target)]
        raise ShapeError(f"margin_ranking_loss: expected equal numbers of dimensions, got {shapes}")
    loss = _clamp_min(add(mul(neg(target), sub(input1, input2)), margin), 0.0)
    return _reduce("margin_ranking_loss", loss, reduction)


@composite
def soft_margin_loss(input, target, reduction="mean"):
    """ln(1 + e^(−t x)), t = ±1."""
    _broadcast("soft_margin_loss", input, target)
    return _reduce("soft_margin_loss", neg(logsigmoid(mul(target, input))), reduction)


def _rows(name: str, input):
    """Scores as a matrix, a row a sample."""
    if len(input.shape) > 2 or (input.shape and not input.shape[-1]):
        raise ShapeError(
            f"{name}: expected input (n, classes) or (classes), got {tuple(input.shape)}"
        )
    return input if len(input.shape) == 2 else reshape(input, (1, -1))


@composite
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """Σ_{j ≠ t} max(0, margin − x_t + x_j)ᵖ/C, times weight_t.

    Shapes: input (n, C), target (n), or (C) and (); p is 1 or 2.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p 1 or 2, got {p}")
    rows = _rows("multi_margin_loss", input)
    n, classes = rows.shape
    if tuple(target.shape) not in ((n,), () if n == 1 else (n,)):
        raise ShapeError(f"multi_margin_loss: expected {n} targets, got {tuple(target.shape)}")
    labels = reshape(target, (n, 1))
    gap = relu(add(sub(rows, gather(rows, 1, labels)), margin))
    own = eq(labels, recording.constant(np.arange(classes)))
    gap = where(own, 0.0, square(gap) if p == 2 else gap)
    if weight is not None:
        _check_weight("multi_margin_loss", weight, classes)
        gap = mul(gap, index_select(reshape(weight, (-1, 1)), 0, reshape(target, (n,))))
    loss = div(sum(gap, 1), float(classes))
    return _reduce(
        "multi_margin_loss", loss if len(input.shape) == 2 else reshape(loss, ()), reduction
    )


@composite
def multilabel_margin_loss(input, target, reduction="mean"):
    """Σ over labels t and other classes i of max(0, 1 − x_t + x_i)/C; a row's labels end at its first −1.

    Shapes: input (n, C) or (C), target the same, of classes.
    """
    rows = _rows("multilabel_margin_loss", input)
    if tuple(target.shape) != tuple(input.shape):
        raise ShapeError(
            f"multilabel_margin_loss: expected a target of shape {tuple(input.shape)}, got {tuple(target.shape)}"
        )
    n, classes = rows.shape
    labels = np.array(array_of(target)).reshape(n, classes)
    if labels.size and not ((labels >= -1) & (labels < classes)).all():
        raise IndexError(
            f"multilabel_margin_loss: expected labels in [-1, {classes - 1}], got {labels}"
        )
    used = np.cumprod(labels >= 0, 1).astype(bool)
    safe = np.where(used, labels, 0)
    wanted = np.zeros((n, classes), bool)
    np.logical_or.at(wanted, (np.arange(n)[:, None], safe), used)
    pairs = used[:, :, None] & ~wanted[:, None, :]
    gap = relu(add(sub(unsqueeze(rows, 1), unsqueeze(gather(rows, 1, safe), 2)), 1.0))
    loss = div(sum(where(pairs, gap, 0.0), (1, 2)), float(classes))
    return _reduce(
        "multilabel_margin_loss", loss if len(input.shape) == 2 else reshape(loss, ()), reduction
    )


@composite
def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    """−mean over classes (the last dimension) of t ln σ(x) + (1 − t) ln σ(−x), times weight."""
    losses = add(mul(target, logsigmoid(input)), mul(sub(1, target), logsigmoid(neg(input))))
    losses = neg(losses if weight is None else mul(losses, weight))
    return _reduce("multilabel_soft_margin_loss", mean(losses, -1), reduction)


@composite
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction="mean"
):
    """max(0, d(a, p) − d(a, n) + margin), d the pairwise_distance; ``swap``: with d(p, n) where that is less.

    Source: Schroff et al. 2015, eq. 2; Balntas et al. 2016 for the swap.
    """

    def distance(x, y):
        return pairwise_distance(x, y, p, eps)

    return _triplet(
        "triplet_margin_loss", (anchor, positive, negative), distance, margin, swap, reduction
    )


@composite
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with any distance, by default pairwise_distance."""
    distance = pairwise_distance if distance_function is None else distance_function
    name = "triplet_margin_with_distance_loss"
    return _triplet(name, (anchor, positive, negative), distance, margin, swap, reduction)


def _triplet(name: str, operands: tuple, distance, margin, swap, reduction):
    if margin <= 0:
        raise ValueError(f"{name}: expected margin > 0, got {margin}")
    anchor, positive, negative = operands
    if not len(anchor.shape) == len(positive.shape) == len(negative.shape):
        shapes = [tuple(x.shape) for x in operands]
        raise ShapeError(f"{name}: expected equal numbers of dimensions, got {shapes}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return _reduce(name, _clamp_min(add(sub(near, far), margin), 0.0), reduction)


@composite
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    """1 − cos where t = 1, max(0, cos − margin) where t = −1, cos = ⟨x, y⟩/√((|x|² + ε)(|y|² + ε)), ε = 1e-12.

    Shapes: inputs (n, d) with target (n), or (d) with ().
    """
    ndim = len(input1.shape)
    if ndim != len(input2.shape) or len(target.shape) + 1 != ndim or ndim > 2:
        shapes = [tuple(x.shape) for x in (input1, input2, target)]
        raise ShapeError(
            f"cosine_embedding_loss: expected inputs (n, d) and target (n), got {shapes}"
        )
    _broadcast("cosine_embedding_loss", input1, input2)
    size = [add(sum(square(x), -1), 1e-12) for x in (input1, input2)]
    cosine = div(sum(mul(input1, input2), -1), sqrt(mul(*size)))
    near = where(eq(target, 1), sub(1.0, cosine), 0.0)
    far = where(eq(target, -1), _clamp_min(sub(cosine, margin), 0.0), 0.0)
    return _reduce("cosine_embedding_loss", add(near, far), reduction)
