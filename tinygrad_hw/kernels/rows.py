"""Loops over the rows of a matrix: softmax, its relatives and their derivatives, each row in one place.

All arrays are C-contiguous; ``x``, ``out`` and ``g`` are (rows, columns). A row of −∞ alone has no softmax: NaN.

Rows are often shorter than a few vectors, so exponentials are taken over blocks of rows, each block in one flat loop.
"""

from __future__ import annotations

import itertools

import numpy as np

from .jit import kernel
from .split import ELEMENTS, GRAIN, edges
from .split import rows as by_rows
from .vector_math import exp, log

#: Elements of a block: it and what it is made from stay in the first cache.
BLOCK = 2048
#: Columns from which a row fills vectors by itself.
WIDE = 256


@kernel
def row_max(x, i):
    """The largest element, past NaN unless it comes first: in x − maximum it shows again."""
    top = x[i, 0]
    for j in range(1, x.shape[1]):
        top = x[i, j] if x[i, j] > top else top
    return top


@kernel
def rows_at_once(x):
    return max(1, BLOCK // max(1, x.shape[1]))


@kernel
def shift(out, x):
    """out = x − row maximum. First of all: it is exact where a logit of 1e4 less ln Σ would round."""
    for i in range(x.shape[0]):
        top = row_max(x, i)
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - top


@kernel
def exp_all(x):
    """x = exp x; in place, since LLVM vectorizes no copy between arrays that might overlap."""
    for k in range(x.size):
        x[k] = exp(x[k])


@kernel
def exp_shifted(out, x):
    """out = exp(x − row maximum)."""
    if x.shape[1] < WIDE:
        shift(out, x)
        exp_all(out.reshape(-1))
        return
    for i in range(x.shape[0]):
        top = row_max(x, i)
        for j in range(x.shape[1]):
            out[i, j] = exp(x[i, j] - top)


@kernel
def row_sum(x, i):
    total = x.dtype.type(0)
    for j in range(x.shape[1]):
        total += x[i, j]
    return total


@kernel(split=by_rows)
def softmax(out, x):
    n, m = x.shape
    step = rows_at_once(x)
    for start in range(0, n if m else 0, step):
        e = out[start : start + step]
        exp_shifted(e, x[start : start + step])
        for i in range(e.shape[0]):
            scale = out.dtype.type(1) / row_sum(e, i)
            for j in range(m):
                e[i, j] *= scale


@kernel(split=by_rows)
def log_softmax(out, x):
    n, m = x.shape
    step = rows_at_once(x)
    scratch = np.empty((min(n, step), m), out.dtype)
    logs = np.empty(min(n, step), out.dtype)
    for start in range(0, n if m else 0, step):
        y = out[start : start + step]
        shift(y, x[start : start + step])
        e = scratch[: y.shape[0]]
        flat, shifted = e.reshape(-1), y.reshape(-1)
        for k in range(flat.size):
            flat[k] = exp(shifted[k])
        for i in range(y.shape[0]):
            logs[i] = row_sum(e, i)
        for i in range(y.shape[0]):
            logs[i] = log(logs[i])
        for i in range(y.shape[0]):
            s = logs[i]
            for j in range(m):
                y[i, j] -= s


@kernel(split=by_rows)
def softmax_vjp(out, g, y):
    for i in range(g.shape[0]):
        dot = out.dtype.type(0)
        for j in range(g.shape[1]):
            dot += g[i, j] * y[i, j]
        for j in range(g.shape[1]):
            out[i, j] = y[i, j] * (g[i, j] - dot)


@kernel(split=by_rows)
def log_softmax_vjp(out, g, y):
    for i in range(g.shape[0]):
        total = out.dtype.type(0)
        for j in range(g.shape[1]):
            total += g[i, j]
        for j in range(g.shape[1]):
            out[i, j] = g[i, j] - exp(y[i, j]) * total


@kernel(split=by_rows)
def logsumexp(out, x):
    for i in range(x.shape[0]):
        top = row_max(x, i)
        total = out.dtype.type(0)
        if np.isfinite(top):
            for j in range(x.shape[1]):
                total += exp(x[i, j] - top)
            out[i] = log(total) + top
        else:
            # ±∞ is its own logsumexp; x − top would make NaN of it. NaN stays.
            for j in range(x.shape[1]):
                top = top if x[i, j] == x[i, j] else x[i, j]
            out[i] = top


@kernel(status=True)
def cross_entropy(out, x, target, ignored, mean):
    """out[0] = −Σ ln softmax x[i] at target[i] over the rows whose target is not ``ignored``, over their number if mean.

    Returns 0, or 1 + the first row whose target is no column.
    """
    n, m = x.shape
    for i in range(n):
        if (target[i] < 0 or target[i] >= m) and target[i] != ignored:
            return i + 1
    step = rows_at_once(x)
    most = min(n, step)
    memory = np.empty(
        most * (m + 1), out.dtype
    )  # once: to ask for it takes as long as 16 exponentials
    scratch, logs = memory[most:].reshape(most, m), memory[:most]
    total = 0.0
    count = 0
    for start in range(0, n, step):
        some = x[start : start + step]
        e = scratch[: some.shape[0]]
        shift(e, some)
        for i in range(some.shape[0]):
            t = target[start + i]
            if t != ignored:
                total -= e[i, t]
                count += 1
        exp_all(e.reshape(-1))
        for i in range(some.shape[0]):
            logs[i] = row_sum(e, i) if target[start + i] != ignored else out.dtype.type(1)
        for i in range(some.shape[0]):
            logs[i] = log(logs[i])
        for i in range(some.shape[0]):
            total += logs[i]
    out[0] = total / count if mean else total
    return 0


@kernel
def cross_entropy_vjp(out, g, x, target, ignored, mean):
    """out[i] = g (softmax x[i] − onehot target[i]), g[0] times the error vector a − y; over their number if mean."""
    scale = g[0]
    if mean:
        count = 0
        for i in range(x.shape[0]):
            count += target[i] != ignored
        scale /= out.dtype.type(count)
    step = rows_at_once(x)
    for start in range(0, x.shape[0], step):
        e = out[start : start + step]
        exp_shifted(e, x[start : start + step])
        for i in range(e.shape[0]):
            t = target[start + i]
            factor = scale / row_sum(e, i) if t != ignored else out.dtype.type(0)
            for j in range(e.shape[1]):
                e[i, j] *= factor
            if t != ignored:
                e[i, t] -= scale


def _by_columns(args: tuple, parts: int) -> list[tuple] | None:
    out, x, start, stop = args
    if x.size < ELEMENTS or stop - start < parts * GRAIN:
        return None
    cuts = edges(stop - start, parts)
    return [(out, x, low, high) for low, high in itertools.pairwise(cuts)]


@kernel(split=_by_columns)
def column_sums(out, x, start, stop):
    """out[j] = Σ_i x[i, j] for the columns from ``start`` to ``stop``.

    Four rows at a time: fewer passes over ``out``, and shorter chains of rounding.
    """
    n = x.shape[0]
    for j in range(start, stop):
        out[j] = 0
    full = n - n % 4
    for i in range(0, full, 4):
        for j in range(start, stop):
            out[j] += (x[i, j] + x[i + 1, j]) + (x[i + 2, j] + x[i + 3, j])
    for i in range(full, n):
        for j in range(start, stop):
            out[j] += x[i, j]


#: Numbers that are added up in their own type; their sums are in float64.
_BLOCK_SUM = 1024


@kernel
def sums(out, x, outer, n, inner):
    """out[i, k] = Σ_j x[i, j, k] for x of the sizes (outer, n, inner); out and x are 1-d."""
    for i in range(outer):
        first = i * n * inner
        if inner == 1:
            total = 0.0
            for start in range(first, first + n, _BLOCK_SUM):
                part = x.dtype.type(0)
                for j in range(start, min(start + _BLOCK_SUM, first + n)):
                    part += x[j]
                total += part
            out[i] = total
            continue
        y = out[i * inner : (i + 1) * inner]
        for k in range(inner):
            y[k] = 0
        full = n - n % 4
        for j in range(0, full, 4):
            a = x[first + j * inner : first + (j + 4) * inner]
            for k in range(inner):
                y[k] += (a[k] + a[inner + k]) + (a[2 * inner + k] + a[3 * inner + k])
        for j in range(full, n):
            a = x[first + j * inner : first + (j + 1) * inner]
            for k in range(inner):
                y[k] += a[k]


@kernel
def tally(totals, scores, target, loss, weight):
    """totals[0] += weight loss[0], totals[1] += rows, totals[2] += rows whose largest score is at the target."""
    totals[0] += weight * loss[0]
    totals[1] += scores.shape[0]
    for i in range(scores.shape[0]):
        best = 0
        for j in range(1, scores.shape[1]):
            # As NumPy's argmax: the first of equal scores, and NaN above all.
            if scores[i, best] == scores[i, best] and not scores[i, j] <= scores[i, best]:
                best = j
        if best == target[i]:
            totals[2] += 1
