"""Normalization by the mean and variance of each channel of x (n, channels, places).

Each function does the channels from ``start`` to ``stop``, one as a whole before the next: on the second pass over it, it
is in the second cache. Where a sample has few places, the sums of all channels are made together along the rows of x.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import kernel
from .split import ranges

#: Places from which a sample's part of a channel fills vectors by itself.
LONG = 8


@kernel(split=ranges)
def channel_sums(out, g, start, stop):
    """out[c] = Σ g[:, c, :]."""
    n, _, places = g.shape
    if places < LONG:
        for c in range(start, stop):
            out[c] = 0
        for i in range(n):
            for c in range(start, stop):
                for p in range(places):
                    out[c] += g[i, c, p]
        return
    for c in range(start, stop):
        total = g.dtype.type(0)
        for i in range(n):
            part = g.dtype.type(0)
            for p in range(places):
                part += g[i, c, p]
            total += part
        out[c] = total


@kernel(split=ranges)
def moments(out, x, start, stop):
    """out[0] = the mean, out[1] = the variance Σ (x − mean)²/n of each channel."""
    n, _, places = x.shape
    one = x.dtype.type(1)
    scale = one / x.dtype.type(max(1, n * places))
    if places < LONG:
        channel_sums(out[0], x, start, stop)
        for c in range(start, stop):
            out[0, c] *= scale
            out[1, c] = 0
        for i in range(n):
            for c in range(start, stop):
                for p in range(places):
                    d = x[i, c, p] - out[0, c]
                    out[1, c] += d * d
        for c in range(start, stop):
            out[1, c] *= scale
        return
    for c in range(start, stop):
        total = x.dtype.type(0)
        for i in range(n):
            part = x.dtype.type(0)
            for p in range(places):
                part += x[i, c, p]
            total += part
        mean = total * scale
        total = x.dtype.type(0)
        for i in range(n):
            part = x.dtype.type(0)
            for p in range(places):
                d = x[i, c, p] - mean
                part += d * d
            total += part
        out[0, c] = mean
        out[1, c] = total * scale


@kernel(outputs=3)
def update_moments(mean, var, tracked, now, momentum, correction):
    """mean and var ← (1 − momentum) · old + momentum · now; momentum 1/(number of updates) where it is negative.

    The variance is corrected by n/(n − 1).
    """
    tracked[0] += 1
    fresh = momentum if momentum >= 0 else mean.dtype.type(1) / mean.dtype.type(tracked[0])
    for c in range(mean.size):
        mean[c] += fresh * (now[0, c] - mean[c])
        var[c] += fresh * (now[1, c] * correction - var[c])


@kernel(split=ranges)
def normalize(out, x, stats, weight, bias, eps, start, stop):
    """out = (x − mean)/√(var + eps) · weight + bias."""
    n, _, places = x.shape
    if places < LONG:
        scale = np.empty(x.shape[1], x.dtype)
        for c in range(start, stop):
            scale[c] = weight[c] / math.sqrt(stats[1, c] + eps)
        for i in range(n):
            for c in range(start, stop):
                for p in range(places):
                    out[i, c, p] = (x[i, c, p] - stats[0, c]) * scale[c] + bias[c]
        return
    for c in range(start, stop):
        factor = weight[c] / x.dtype.type(math.sqrt(stats[1, c] + eps))
        mean, shift = stats[0, c], bias[c]
        for i in range(n):
            for p in range(places):
                out[i, c, p] = (x[i, c, p] - mean) * factor + shift


@kernel(split=ranges)
def normalize_vjp(out, g, x, stats, weight, eps, start, stop):
    """out = weight/σ · (g − ⟨g⟩ − x̂ ⟨g x̂⟩), with x̂ = (x − mean)/σ, σ = √(var + eps), ⟨·⟩ the channel's mean."""
    n, _, places = x.shape
    one = x.dtype.type(1)
    share = one / x.dtype.type(max(1, n * places))
    if places < LONG:
        first, second = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
        for i in range(n):
            for c in range(start, stop):
                for p in range(places):
                    first[c] += g[i, c, p]
                    second[c] += g[i, c, p] * (x[i, c, p] - stats[0, c])
        for c in range(start, stop):
            first[c] *= share
            second[c] *= share / (stats[1, c] + eps)
        for i in range(n):
            for c in range(start, stop):
                factor = weight[c] / x.dtype.type(math.sqrt(stats[1, c] + eps))
                for p in range(places):
                    d = x[i, c, p] - stats[0, c]
                    out[i, c, p] = (g[i, c, p] - first[c] - d * second[c]) * factor
        return
    for c in range(start, stop):
        mean = stats[0, c]
        total = slope = x.dtype.type(0)
        for i in range(n):
            a = b = x.dtype.type(0)
            for p in range(places):
                a += g[i, c, p]
                b += g[i, c, p] * (x[i, c, p] - mean)
            total += a
            slope += b
        total *= share
        slope *= share / (stats[1, c] + eps)
        factor = weight[c] / x.dtype.type(math.sqrt(stats[1, c] + eps))
        for i in range(n):
            for p in range(places):
                out[i, c, p] = (g[i, c, p] - total - (x[i, c, p] - mean) * slope) * factor


@kernel(split=ranges)
def normalize_weight_vjp(out, g, x, stats, eps, start, stop):
    """out[c] = Σ g x̂."""
    n, _, places = x.shape
    if places < LONG:
        for c in range(start, stop):
            out[c] = 0
        for i in range(n):
            for c in range(start, stop):
                for p in range(places):
                    out[c] += g[i, c, p] * (x[i, c, p] - stats[0, c])
        for c in range(start, stop):
            out[c] /= x.dtype.type(math.sqrt(stats[1, c] + eps))
        return
    for c in range(start, stop):
        mean = stats[0, c]
        total = x.dtype.type(0)
        for i in range(n):
            part = x.dtype.type(0)
            for p in range(places):
                part += g[i, c, p] * (x[i, c, p] - mean)
            total += part
        out[c] = total / x.dtype.type(math.sqrt(stats[1, c] + eps))
