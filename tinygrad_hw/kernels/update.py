"""Optimizer updates: one pass over a parameter, its gradient and its state, in place.

All arrays are 1-d and of one length and dtype, and all numbers of that dtype. Every kernel starts
from the same effective gradient

    d = sign · g + decay · p

with ``sign`` −1 to maximize, and ``decay`` the weight decay that belongs to the gradient (0 for
none). Weight decay that is decoupled from it multiplies the parameter by ``shrink`` instead (1 for
none). Averages take both weights, β and 1 − β: in float32 the second is off by 1e-5 of itself when
computed from the first. Whatever depends on the step alone (bias corrections, schedules) is a
number computed by the caller.
"""

from __future__ import annotations

import math

from .jit import kernel


@kernel
def sgd(p, g, sign, decay, lr):
    """p ← p − lr d"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        p[i] -= lr * d


@kernel
def sgd_momentum(p, g, buf, sign, decay, lr, momentum, fresh, direct, lagged):
    """b ← momentum b + fresh d;  p ← p − lr (direct d + lagged b)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        b = momentum * buf[i] + fresh * d
        buf[i] = b
        p[i] -= lr * (direct * d + lagged * b)


@kernel
def adam(p, g, mean, square, sign, decay, shrink, lr, beta1, fresh1, beta2, fresh2, scale, eps):
    """m ← β₁ m + (1 − β₁) d;  v ← β₂ v + (1 − β₂) d²;  p ← shrink p − lr m / (scale √v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        v = beta2 * square[i] + fresh2 * (d * d)
        mean[i] = m
        square[i] = v
        p[i] = shrink * p[i] - lr * m / (scale * math.sqrt(v) + eps)


@kernel
def adam_amsgrad(
    p, g, mean, square, largest, sign, decay, shrink, lr, beta1, fresh1, beta2, fresh2, scale, eps
):
    """``adam`` with √v of the largest v so far"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        v = beta2 * square[i] + fresh2 * (d * d)
        x = largest[i]
        x = x if x > v else v
        mean[i] = m
        square[i] = v
        largest[i] = x
        p[i] = shrink * p[i] - lr * m / (scale * math.sqrt(x) + eps)


@kernel
def nadam(
    p, g, mean, square, sign, decay, shrink, now, ahead, beta1, fresh1, beta2, fresh2, scale, eps
):
    """m and v as in ``adam``;  p ← shrink p − (now d + ahead m) / (scale √v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        v = beta2 * square[i] + fresh2 * (d * d)
        mean[i] = m
        square[i] = v
        p[i] = shrink * p[i] - (now * d + ahead * m) / (scale * math.sqrt(v) + eps)


@kernel
def adamax(p, g, mean, norm, sign, decay, lr, beta1, fresh1, beta2, eps):
    """m ← β₁ m + (1 − β₁) d;  u ← max(β₂ u, |d| + eps);  p ← p − lr m / u"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        u = beta2 * norm[i]
        a = abs(d) + eps
        u = u if u > a else a
        mean[i] = m
        norm[i] = u
        p[i] -= lr * m / u


@kernel
def rmsprop(p, g, square, sign, decay, lr, alpha, fresh, eps):
    """v ← α v + (1 − α) d²;  p ← p − lr d / (√v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        square[i] = v
        p[i] -= lr * d / (math.sqrt(v) + eps)


@kernel
def rmsprop_momentum(p, g, square, buf, sign, decay, lr, alpha, fresh, eps, momentum):
    """v as in ``rmsprop``;  b ← momentum b + d / (√v + eps);  p ← p − lr b"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        b = momentum * buf[i] + d / (math.sqrt(v) + eps)
        square[i] = v
        buf[i] = b
        p[i] -= lr * b


@kernel
def rmsprop_centered(p, g, square, mean, sign, decay, lr, alpha, fresh, eps):
    """v as in ``rmsprop``;  m ← α m + (1 − α) d;  p ← p − lr d / (√(v − m²) + eps)

    Rounding can bring v − m² below 0 where gradients hardly vary; it counts as 0 then.
    """
    zero = p.dtype.type(0)
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        m = alpha * mean[i] + fresh * d
        w = v - m * m
        w = zero if w < zero else w
        square[i] = v
        mean[i] = m
        p[i] -= lr * d / (math.sqrt(w) + eps)


@kernel
def rmsprop_centered_momentum(
    p, g, square, mean, buf, sign, decay, lr, alpha, fresh, eps, momentum
):
    """v, m as in ``rmsprop_centered``;  b ← momentum b + d / (√(v − m²) + eps);  p ← p − lr b"""
    zero = p.dtype.type(0)
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        m = alpha * mean[i] + fresh * d
        w = v - m * m
        w = zero if w < zero else w
        b = momentum * buf[i] + d / (math.sqrt(w) + eps)
        square[i] = v
        mean[i] = m
        buf[i] = b
        p[i] -= lr * b


@kernel
def adagrad(p, g, total, sign, decay, lr, eps):
    """s ← s + d²;  p ← p − lr d / (√s + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        s = total[i] + d * d
        total[i] = s
        p[i] -= lr * d / (math.sqrt(s) + eps)


@kernel
def adadelta(p, g, square, travel, sign, decay, lr, rho, fresh, eps):
    """v ← ρ v + (1 − ρ) d²;  δ = √((u + eps) / (v + eps)) d;  u ← ρ u + (1 − ρ) δ²;
    p ← p − lr δ
    """
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = rho * square[i] + fresh * (d * d)
        u = travel[i]
        delta = math.sqrt((u + eps) / (v + eps)) * d
        square[i] = v
        travel[i] = rho * u + fresh * (delta * delta)
        p[i] -= lr * delta


@kernel
def rprop(p, g, last, size, sign, shorter, longer, smallest, largest):
    """Step sizes grow where the gradient keeps its sign; where it turns they shrink and p stays.

    c = d · last;  s ← clip(s · (longer, 1, shorter for c > 0, = 0, < 0));  d ← 0 where c < 0;
    p ← p − sgn(d) s;  last ← d
    """
    zero = p.dtype.type(0)
    one = p.dtype.type(1)
    for i in range(p.size):
        d = sign * g[i]
        c = d * last[i]
        s = size[i] * (longer if c > zero else shorter if c < zero else one)
        s = smallest if s < smallest else largest if s > largest else s
        d = zero if c < zero else d
        size[i] = s
        last[i] = d
        p[i] -= s if d > zero else -s if d < zero else zero
