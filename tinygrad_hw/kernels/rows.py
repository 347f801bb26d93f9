"""Loops over the rows of a matrix: softmax, its relatives and their derivatives, each row in one place.

All arrays are C-contiguous; ``x``, ``out`` and ``g`` are (rows, columns). A row of −∞ alone has no softmax: NaN.
"""

from __future__ import annotations

import numpy as np

from .jit import kernel


@kernel
def row_max(x, i):
    top = x[i, 0]
    for j in range(1, x.shape[1]):
        v = x[i, j]
        top = v if v > top or v != v else top
    return top


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
        top, total = exp_row(out, x, i)
        for j in range(x.shape[1]):
            out[i, j] /= total


@kernel
def log_softmax(out, x):
    if x.shape[1] == 0:
        return
    for i in range(x.shape[0]):
        top, total = exp_row(out, x, i)
        shift = np.log(total)
        for j in range(x.shape[1]):
            # The maximum goes first: subtracting it is exact where a logit of 1e4 plus ln Σ would round.
            out[i, j] = (x[i, j] - top) - shift


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
def cross_entropy(losses, x, target):
    """losses[i] = ln Σⱼ exp x[i, j] − x[i, target[i]]."""
    for i in range(x.shape[0]):
        top = row_max(x, i)
        total = top - top
        for j in range(x.shape[1]):
            total += np.exp(x[i, j] - top)
        losses[i] = np.log(total) - (x[i, target[i]] - top)


@kernel
def cross_entropy_vjp(out, g, x, target):
    """out[i] = g[i] (softmax x[i] − onehot target[i]), the error vector a − y."""
    for i in range(x.shape[0]):
        top, total = exp_row(out, x, i)
        scale = g[i] / total
        for j in range(x.shape[1]):
            out[i, j] *= scale
        out[i, target[i]] -= g[i]
