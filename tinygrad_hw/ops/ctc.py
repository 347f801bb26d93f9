"""Connectionist temporal classification: the probability of a sequence of labels whose places in time are unknown."""

from __future__ import annotations

import math

import numpy as np

from ..errors import DTypeError, ShapeError
from ..kernels import recording
from .core import composite
from .index import _take, array_of, gather
from .loss import _reduce
from .pointwise import add, div, neg, where
from .reduce import logsumexp, require_float
from .shape import _reshape, _slice, cat, stack

__all__ = ["ctc_loss"]

#: The logarithm of "impossible": finite, so that differences of two are 0 and not NaN.
_NEVER = -1e30


def _lengths(name: str, lengths, n: int) -> np.ndarray:
    values = np.atleast_1d(
        np.asarray(lengths if isinstance(lengths, tuple | list) else array_of(lengths))
    )
    if values.shape != (n,) or values.dtype.kind not in "iu":
        raise ShapeError(f"ctc_loss: expected {n} integers as {name}, got {values.tolist()}")
    return values.astype(int)


def _labels(targets: np.ndarray, lengths: np.ndarray, blank: int) -> np.ndarray:
    """(n, 2 s + 1): each sample's labels with a blank before, between and after them, filled up with blanks."""
    n, longest = len(lengths), int(lengths.max(initial=0))
    out = np.full((n, 2 * longest + 1), blank)
    starts = np.cumsum(lengths) - lengths
    for i, m in enumerate(lengths):
        row = targets[starts[i] : starts[i] + m] if targets.ndim == 1 else targets[i, :m]
        if len(row) < m:
            raise ShapeError(
                f"ctc_loss: expected targets of the lengths {lengths.tolist()}, got {targets.shape}"
            )
        out[i, 1 : 2 * m : 2] = row
    return out


@composite
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False
):  # fmt: skip
    """−ln of the probability of all paths over time that read as the target once repeats and blanks are dropped.

    Shapes: log_probs (time, n, classes) or (time, classes), targets (n, longest) or all joined, lengths (n).
    The mean divides each loss by its target's length. Impossible targets give ∞, or 0 with ``zero_infinity``.
    Derivation: of the recursion over time, α_t(s) = p_t(l_s) Σ α_{t−1} over s, s − 1 and, past a blank, s − 2, in logs.
    Source: Graves et al. 2006, eq. 5 to 8.
    """
    recording.refuse(
        "ctc_loss", "Its recursion follows the lengths of the targets: leave it outside."
    )
    if len(log_probs.shape) not in (2, 3):
        raise ShapeError(
            f"ctc_loss: expected log_probs (time, n, classes), got {tuple(log_probs.shape)}"
        )
    require_float("ctc_loss", log_probs)
    single = len(log_probs.shape) == 2
    if single:
        log_probs = _reshape(log_probs, (log_probs.shape[0], 1, log_probs.shape[1]))
    time, n, classes = log_probs.shape
    targets = array_of(targets)
    if targets.dtype.kind not in "iu":
        raise DTypeError(f"ctc_loss: expected integers as targets, got {targets.dtype}")
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: expected blank in [0, {classes - 1}], got {blank}")
    inputs = _lengths("input_lengths", input_lengths, n)
    lengths = _lengths("target_lengths", target_lengths, n)
    if single and targets.ndim == 1:
        targets = targets[None]
    if inputs.size and (inputs.max() > time or inputs.min() < 0):
        raise ValueError(
            f"ctc_loss: expected input_lengths of at most {time}, got {inputs.tolist()}"
        )
    labels = _labels(targets, lengths, blank)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise IndexError(f"ctc_loss: expected labels in [0, {classes - 1}], got {labels.max()}")
    losses = _negative_log(log_probs, labels, inputs, lengths, blank)
    impossible = array_of(losses) > -0.5 * _NEVER
    losses = where(impossible, 0.0 if zero_infinity else math.inf, losses)
    if reduction == "mean":
        losses = div(losses, np.maximum(lengths, 1).astype(losses.dtype))
    elif single:
        losses = _reshape(losses, ())
    return _reduce("ctc_loss", losses, reduction)


def _negative_log(log_probs, labels: np.ndarray, inputs, lengths, blank: int):
    """The losses (n)."""
    time, n, _ = log_probs.shape
    width = labels.shape[1]
    kind = log_probs.dtype.type
    seen = gather(log_probs, 2, np.broadcast_to(labels, (time, n, width)))
    # A label may follow the one before it without a blank between, unless they are equal.
    leap = np.zeros(labels.shape, bool)
    leap[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    never = np.full((n, 2), kind(_NEVER))
    alpha = where(np.arange(width) == 0, np.zeros((n, width), kind), kind(_NEVER))
    begins = np.zeros((n, width), bool)
    for t in range(time):
        if t == 0:
            begins[:, :2] = True
            new = where(begins, _slice(seen, (0,)), kind(_NEVER))
        else:
            one = _slice(cat([never, alpha], 1), (slice(None), slice(1, width + 1)))
            two = where(
                leap, _slice(cat([never, alpha], 1), (slice(None), slice(0, width))), kind(_NEVER)
            )
            new = add(logsumexp(stack([alpha, one, two]), 0), _slice(seen, (t,)))
        alpha = where((t < inputs)[:, None], new, alpha)
    rows = np.arange(n)
    last = _take(alpha, (rows, 2 * lengths))
    before = where(lengths > 0, _take(alpha, (rows, np.maximum(2 * lengths - 1, 0))), kind(_NEVER))
    return neg(logsumexp(stack([last, before]), 0))
