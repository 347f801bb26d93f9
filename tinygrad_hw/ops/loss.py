"""Loss functions. ``reduction`` is "mean", "sum" or "none" throughout."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..errors import DTypeError, ShapeError
from ..kernels import recording, rows
from ..kernels.elementwise import native
from .activation import logsigmoid
from .core import composite, elementwise, primitive
from .index import _take, array_of, gather

from .pointwise import (  # isort: skip  # noqa: F401 (rules name them)
    _cast, _clamp_min, abs, div, exp, ge, gt, log, log1p, lt, mul, neg, sign, square, sub, where,
)  # fmt: skip
from .reduce import _sum, log_softmax, mean, require_float, softmax, sum
from .shape import _permute, _reshape, one_hot, reshape

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss",
    "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip


def _reduce(name: str, losses, reduction: str):
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"{name}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")


def _same_shape(name: str, input, target) -> None:
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{name}: expected a target of shape {tuple(input.shape)}, got {tuple(target.shape)}\n"
            "(n, 1) against (n) would broadcast to (n, n): reshape one of them."
        )


@composite
def mse_loss(input, target, reduction="mean"):
    """(x − t)².  Derivation: 2(x − t), divided by n under the mean."""
    _same_shape("mse_loss", input, target)
    return _reduce("mse_loss", square(sub(input, target)), reduction)


@composite
def l1_loss(input, target, reduction="mean"):
    """|x − t|.  Derivation: sign(x − t), 0 at 0."""
    _same_shape("l1_loss", input, target)
    return _reduce("l1_loss", abs(sub(input, target)), reduction)


@composite
def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    """½d²/β where |d| = |x − t| < β, else |d| − β/2.  Derivation: d/β, else sign d.  Source: Girshick 2015, eq. 3."""
    _same_shape("smooth_l1_loss", input, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: expected beta >= 0, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return _reduce(
        "smooth_l1_loss", div(_huber(sub(input, target), float(beta)), float(beta)), reduction
    )


@composite
def huber_loss(input, target, reduction="mean", delta=1.0):
    """½d² where |d| = |x − t| < δ, else δ(|d| − δ/2).  Derivation: d, else δ sign d.  Source: Huber 1964."""
    _same_shape("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: expected delta > 0, got {delta}")
    return _reduce("huber_loss", _huber(sub(input, target), float(delta)), reduction)


@elementwise(loops=True)
def _huber(input, delta):
    return where(abs(input) < delta, input * input * 0.5, delta * (abs(input) - delta * 0.5))


@_huber.vjp
def _(g, input, delta):
    return g * where(lt(abs(input), delta), input, sign(input) * delta)


@composite
def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """−(t ln p + (1 − t) ln(1 − p)) of probabilities p, each logarithm cut at −100 as in PyTorch.

    Derivation: (p − t)/(p(1 − p)), with p(1 − p) kept from 0 by 1e-12.
    """
    _same_shape("binary_cross_entropy", input, target)
    for p in input, target:
        recording.check(_require_probabilities, array_of(p))
    losses = _bce(input, target)
    if weight is not None:
        losses = mul(losses, weight)
    return _reduce("binary_cross_entropy", losses, reduction)


def _require_probabilities(p: np.ndarray) -> None:
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy: expected probabilities in [0, 1], got {p.min()} … {p.max()}\n"
            "For logits use binary_cross_entropy_with_logits."
        )


def _log_cut(p):
    return where(p > 0, where(log(p) > -100, log(p), -100.0), -100.0)


@elementwise(2, loops=True)
def _bce(input, target):
    first = _log_cut(input) * target
    return -(first + _log_cut_complement(input) * (1 - target))


def _log_cut_complement(p):
    return where(p < 1, where(log1p(-p) > -100, log1p(-p), -100.0), -100.0)


@_bce.vjp("input")
def _(g, input, target):
    spread = input * (1 - input)
    return g * ((input - target) / where(gt(spread, 1e-12), spread, 1e-12))


@_bce.vjp("target")
def _(g, input):
    return g * (_clamp_min(log1p(-input), -100.0) - _clamp_min(log(input), -100.0))


@composite
def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """−(w t ln σ(x) + (1 − t) ln σ(−x)) of logits x, w = pos_weight.  Derivation: σ(x) − t for w = 1."""
    _same_shape("binary_cross_entropy_with_logits", input, target)
    negative = mul(sub(1, target), logsigmoid(neg(input)))
    positive = mul(target, logsigmoid(input))
    if pos_weight is not None:
        positive = mul(positive, pos_weight)
    losses = neg(positive + negative)
    if weight is not None:
        losses = mul(losses, weight)
    return _reduce("binary_cross_entropy_with_logits", losses, reduction)


@composite
def kl_div(input, target, reduction="mean", log_target=False):
    """t(ln t − x) with x the logarithm of the model's probabilities; "batchmean" divides the sum by the batch.

    Derivation: −t with respect to x, ln t + 1 − x with respect to t.
    """
    if log_target:
        losses = mul(exp(target), sub(target, input))
    else:
        losses = sub(_xlogx(target), mul(target, input))
    if reduction == "batchmean":
        return div(sum(losses), float(input.shape[0] if input.shape else 1))
    return _reduce("kl_div", losses, reduction)


@elementwise(loops=True)
def _xlogx(input):
    return where(input == 0, 0.0, input * log(input))


@_xlogx.vjp
def _(g, input):
    return g * (log(input) + 1)


def _class_targets(name: str, input, target) -> tuple[np.ndarray, int, int]:
    """Integer targets, the dimension of the classes in ``input`` and their number."""
    shape = tuple(input.shape)
    dim = 0 if len(shape) == 1 else 1
    labels = array_of(target)
    if not shape or labels.shape != shape[:dim] + shape[dim + 1 :]:
        raise ShapeError(
            f"{name}: expected input (n, classes, …) and target (n, …), got {shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected integer class indices as target, got {labels.dtype}")
    return labels, dim, shape[dim]


def _check_classes(name: str, labels: np.ndarray, kept, classes: int) -> None:
    used = labels if kept is None else labels[kept]
    if used.size and (used.min() < 0 or used.max() >= classes):
        bad = used.min() if used.min() < 0 else used.max()
        raise IndexError(f"{name}: expected class indices in [0, {classes - 1}], got {bad}")


@composite
def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """−input[target] of log-probabilities; the mean is weighted by the targets' class weights.

    Shapes: input (n, C, …) or (C), target (n, …) or (). Derivation: −weight at the target, 0 elsewhere.
    """
    return _nll("nll_loss", input, target, weight, ignore_index, reduction)


def _nll(name: str, input, target, weight, ignore_index, reduction):
    labels, dim, classes = _class_targets(name, input, target)
    kept = recording.call(np.not_equal, (labels, ignore_index), name)
    recording.check(_check_classes, name, labels, kept, classes)
    factor = _weight_at(name, weight, labels, kept, classes, input.dtype)
    safe = recording.call(np.where, (kept, labels, 0), name)
    picked = reshape(gather(input, dim, np.expand_dims(safe, dim)), labels.shape)
    losses = neg(where(kept, mul(picked, factor), 0.0))
    if reduction != "mean":
        return _reduce(name, losses, reduction)
    return div(sum(losses), sum(factor))


def _check_weight(name: str, weight, classes: int) -> None:
    if tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{name}: expected a weight of shape {(classes,)}, got {tuple(weight.shape)}"
        )


def _weight_at(name: str, weight, labels: np.ndarray, kept: np.ndarray, classes: int, dtype):
    """The weight of each label's class (1 without weights), 0 where it is not kept."""
    if weight is None:
        return recording.call(np.asarray, (kept, dtype), name)
    _check_weight(name, weight, classes)
    return where(
        kept, _take(_cast(weight, dtype), (recording.call(np.where, (kept, labels, 0), name),)), 0.0
    )


@composite
def cross_entropy(
    input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    """−Σ t ln softmax(x), for class indices or class probabilities t.

    Shapes: input (n, C, …) or (C), target (n, …) or () of integers, or shaped as input.
    Derivation: the gradient of the logits is softmax(x) − onehot(t), divided by n under the mean.
    """
    if weight is None and not label_smoothing and reduction in ("mean", "sum"):
        scores, labels = array_of(input), array_of(target)
        if scores.ndim >= 2 and scores.dtype.kind == "f" and labels.dtype.kind in "iu":
            if scores.ndim > 2:  # each place is a row
                _class_targets("cross_entropy", input, target)
                rows_of = _permute(input, (0, *range(2, scores.ndim), 1))
                input = _reshape(rows_of, (labels.size, scores.shape[1]))
                target = reshape(target, (labels.size,))
            return _cross_entropy(input, target, reduction, ignore_index)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"cross_entropy: expected label_smoothing in [0, 1], got {label_smoothing}"
        )
    require_float("cross_entropy", input)
    if target.dtype.kind == "f":
        return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing)
    labels, dim, classes = _class_targets("cross_entropy", input, target)
    scores = log_softmax(input, dim)
    loss = _nll("cross_entropy", scores, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    # The smoothed target is (1 − s) onehot + s/C: the second part meets all classes alike.
    kept = recording.call(np.not_equal, (labels, ignore_index), "cross_entropy")
    spread = neg(_sum(_weighted(scores, weight, dim), (dim,), False))
    spread = where(kept, spread, 0.0)
    if reduction == "mean":
        total = _weight_at("cross_entropy", weight, labels, kept, classes, input.dtype)
        spread = div(sum(spread), sum(total))
    elif reduction == "sum":
        spread = sum(spread)
    return mul(loss, 1 - label_smoothing) + mul(spread, label_smoothing / classes)


def _weighted(scores, weight, dim: int):
    """scores times the weight of their class, classes along ``dim``."""
    if weight is None:
        return scores
    _check_weight("cross_entropy", weight, scores.shape[dim])
    column = tuple(-1 if d == dim else 1 for d in range(len(scores.shape)))
    return mul(scores, reshape(_cast(weight, scores.dtype), column))


def _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing):
    _same_shape("cross_entropy", input, target)
    if not input.shape:
        raise ShapeError("cross_entropy: expected input (n, classes, …), got a 0-d one")
    dim = 0 if len(input.shape) == 1 else 1
    classes = input.shape[dim]
    if label_smoothing:
        target = mul(target, 1 - label_smoothing) + label_smoothing / classes
    terms = _weighted(mul(log_softmax(input, dim), target), weight, dim)
    losses = neg(_sum(terms, (dim,), False))
    if reduction == "mean":
        n = losses.size if isinstance(losses, np.ndarray) else int(np.prod(losses.shape))
        return div(sum(losses), float(n))
    return _reduce("cross_entropy", losses, reduction)


@primitive
def _cross_entropy(input, target, *, reduction, ignore_index):
    """Logits (n, C) and class indices (n): one pass over each row."""
    if target.shape != input.shape[:1]:
        _class_targets("cross_entropy", input, target)
    out = np.empty(1, input.dtype)
    wrong = rows.cross_entropy(
        out, native(input), native(target, dtypes.int64), ignore_index, int(reduction == "mean")
    )
    if wrong:
        raise IndexError(
            f"cross_entropy: expected class indices in [0, {input.shape[1] - 1}], got {target[wrong - 1]}"
        )
    return out.reshape(())


def _cross_entropy_kernel(g, input, target, reduction, ignore_index):
    out = np.empty(input.shape, input.dtype)
    rows.cross_entropy_vjp(
        out, g.reshape(1), native(input), native(target, dtypes.int64), ignore_index,
        int(reduction == "mean"),
    )  # fmt: skip
    return out


@_cross_entropy.vjp(kernel=_cross_entropy_kernel)
def _(g, input, target, reduction, ignore_index):
    labels = array_of(target)
    kept = labels != ignore_index
    onehot = one_hot(np.where(kept, labels, 0), input.shape[1]).astype(input.dtype)
    error = (softmax(input, 1) - onehot) * kept.astype(input.dtype)[:, None]
    return error * (div(g, float(kept.sum())) if reduction == "mean" else g)
