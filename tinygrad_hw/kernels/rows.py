"""Loops over the rows of a matrix: softmax, its relatives and their derivatives, each row in one place.

All arrays are C-contiguous; ``x``, ``out`` and ``g`` are (rows, columns). A row of −∞ alone has no softmax: NaN.
"""

from __future__ import annotations

import numpy as np

from .jit import FASTMATH, Kernel, kernel


@kernel
def row_max(x, i):
    top = x[i, 0]
    for j in range(1, x.shape[1]):
        v = x[i, j]
        top = v if v > top or v != v else top
    return top


class InOrder(Kernel):
    """A kernel, part of those that call it, whose sums the compiler must not reorder."""

    @property
    def compiled(self):
        import numba

        return numba.njit(fastmath=FASTMATH - {"reassoc"}, error_model="numpy")(self.function)


def _log_share(x, top, total):
    return (x - top) - np.log(total)


#: ln(e^x/Σ) with Σ = e^top · total, in this order: x − top is exact where the two are close, but top + ln total, which
#: sums may be reordered to, keeps only three decimals of ln total in float32 when the logits are near 1e4.
log_share = InOrder(_log_share, "rows.log_share")


@kernel
def exp_row(out, x, i):
    """out[i] = exp(x[i] − max x[i]); returns (the maximum, the sum)."""
    top = row_max(x, i)
    total = top - top
    for j in range(x.shape[1]):
        e = np.exp(x[i, j] - top)
        out[i, j] = e
        total += e
    return top, total


@kernel
def softmax(out, x):
    if x.shape[1] == 0:
        return
    for i in range(x.shape[0]):
        _, total = exp_row(out, x, i)
        for j in range(x.shape[1]):
            out[i, j] /= total


@kernel
def log_softmax(out, x):
    if x.shape[1] == 0:
        return
    for i in range(x.shape[0]):
        top, total = exp_row(out, x, i)
        for j in range(x.shape[1]):
            out[i, j] = log_share(x[i, j], top, total)


@kernel
def softmax_vjp(out, g, y):
    for i in range(g.shape[0]):
        dot = out.dtype.type(0)
        for j in range(g.shape[1]):
            dot += g[i, j] * y[i, j]
        for j in range(g.shape[1]):
            out[i, j] = y[i, j] * (g[i, j] - dot)


@kernel
def log_softmax_vjp(out, g, y):
    for i in range(g.shape[0]):
        total = out.dtype.type(0)
        for j in range(g.shape[1]):
            total += g[i, j]
        for j in range(g.shape[1]):
            out[i, j] = g[i, j] - np.exp(y[i, j]) * total


@kernel
def logsumexp(out, x):
    for i in range(x.shape[0]):
        top = row_max(x, i)
        # ±∞ and NaN are their own logsumexp; x − top would make NaN of them.
        total = top
        if np.isfinite(top):
            total = out.dtype.type(0)
            for j in range(x.shape[1]):
                total += np.exp(x[i, j] - top)
            total = np.log(total) + top
        out[i] = total


@kernel
def log_softmax_at(out, x, target):
    """out[i] = ln softmax x[i] at target[i]."""
    for i in range(x.shape[0]):
        top = row_max(x, i)
        total = top - top
        for j in range(x.shape[1]):
            total += np.exp(x[i, j] - top)
        out[i] = log_share(x[i, target[i]], top, total)


@kernel
def cross_entropy_vjp(out, g, x, target):
    """out[i] = g[i] (softmax x[i] − onehot target[i]), the error vector a − y."""
    for i in range(x.shape[0]):
        _, total = exp_row(out, x, i)
        scale = g[i] / total
        for j in range(x.shape[1]):
            out[i, j] *= scale
        out[i, target[i]] -= g[i]
