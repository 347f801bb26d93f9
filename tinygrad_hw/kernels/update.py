"""Optimizer updates: one pass over a parameter, its gradient and its state, in place.

All arrays are 1-d and of one length and dtype, and all numbers of that dtype. First comes what is changed: the
parameter and its state; then its gradient. Every kernel starts from the same effective gradient

    d = sign · g + decay · p

with ``sign`` −1 to maximize, and ``decay`` the weight decay that belongs to the gradient (0 for
none). Weight decay that is decoupled from it multiplies the parameter by ``shrink`` instead (1 for
none). Averages take both weights, β and 1 − β: in float32 the second is off by 1e-5 of itself when
computed from the first. Whatever depends on the step alone (bias corrections, schedules) is a
number computed by the caller.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any

from .jit import Kernel, kernel
from .simd import array_of_object
from .split import flat


@kernel(outputs=1, split=flat)
def sgd(p, g, sign, decay, lr):
    """p ← p − lr d"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        p[i] -= lr * d


@kernel(outputs=2, split=flat)
def sgd_momentum(p, buf, g, sign, decay, lr, momentum, fresh, direct, lagged):
    """b ← momentum b + fresh d;  p ← p − lr (direct d + lagged b)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        b = momentum * buf[i] + fresh * d
        buf[i] = b
        p[i] -= lr * (direct * d + lagged * b)


@kernel(outputs=3, split=flat)
def adam(p, mean, square, g, sign, decay, shrink, lr, beta1, fresh1, beta2, fresh2, scale, eps):
    """m ← β₁ m + (1 − β₁) d;  v ← β₂ v + (1 − β₂) d²;  p ← shrink p − lr m / (scale √v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        v = beta2 * square[i] + fresh2 * (d * d)
        mean[i] = m
        square[i] = v
        p[i] = shrink * p[i] - lr * m / (scale * math.sqrt(v) + eps)


@kernel(outputs=4, split=flat)
def adam_amsgrad(
    p, mean, square, largest, g, sign, decay, shrink, lr, beta1, fresh1, beta2, fresh2, scale, eps
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


@kernel(outputs=3, split=flat)
def nadam(
    p, mean, square, g, sign, decay, shrink, now, ahead, beta1, fresh1, beta2, fresh2, scale, eps
):
    """m and v as in ``adam``;  p ← shrink p − (now d + ahead m) / (scale √v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m = beta1 * mean[i] + fresh1 * d
        v = beta2 * square[i] + fresh2 * (d * d)
        mean[i] = m
        square[i] = v
        p[i] = shrink * p[i] - (now * d + ahead * m) / (scale * math.sqrt(v) + eps)


@kernel(outputs=3, split=flat)
def adamax(p, mean, norm, g, sign, decay, lr, beta1, fresh1, beta2, eps):
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


@kernel(outputs=2, split=flat)
def rmsprop(p, square, g, sign, decay, lr, alpha, fresh, eps):
    """v ← α v + (1 − α) d²;  p ← p − lr d / (√v + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        square[i] = v
        p[i] -= lr * d / (math.sqrt(v) + eps)


@kernel(outputs=3, split=flat)
def rmsprop_momentum(p, square, buf, g, sign, decay, lr, alpha, fresh, eps, momentum):
    """v as in ``rmsprop``;  b ← momentum b + d / (√v + eps);  p ← p − lr b"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = alpha * square[i] + fresh * (d * d)
        b = momentum * buf[i] + d / (math.sqrt(v) + eps)
        square[i] = v
        buf[i] = b
        p[i] -= lr * b


@kernel(outputs=3, split=flat)
def rmsprop_centered(p, square, mean, g, sign, decay, lr, alpha, fresh, eps):
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


@kernel(outputs=4, split=flat)
def rmsprop_centered_momentum(
    p, square, mean, buf, g, sign, decay, lr, alpha, fresh, eps, momentum
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


@kernel(outputs=2, split=flat)
def adagrad(p, total, g, sign, decay, lr, eps):
    """s ← s + d²;  p ← p − lr d / (√s + eps)"""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        s = total[i] + d * d
        total[i] = s
        p[i] -= lr * d / (math.sqrt(s) + eps)


@kernel(outputs=3, split=flat)
def adadelta(p, square, travel, g, sign, decay, lr, rho, fresh, eps):
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


@kernel(outputs=3, split=flat)
def rprop(p, last, size, g, sign, shorter, longer, smallest, largest):
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


@functools.cache
def together(one: Kernel, arrays: int) -> Kernel:
    """``one`` for many parameters in a call, ``many(table, *numbers)``.

    A row of the table is the length of the arrays, and the ids of the ``arrays`` arrays: an address costs as much to
    ask for as a small update.
    """
    code = one.function.__code__
    numbers = code.co_varnames[arrays : code.co_argcount]
    views = [
        f"array_of_object(table[i, {a + 1}], table[i, 0], {numbers[0]})" for a in range(arrays)
    ]
    text = (
        f"def many({', '.join(['table', *numbers])}):\n"
        " for i in range(table.shape[0]):\n"
        f"  one({', '.join([*views, *numbers])})\n"
    )
    scope: dict = {}
    names = {"one": one, "array_of_object": array_of_object}
    exec(compile(text, f"<many {one.name}>", "exec"), names, scope)
    return _Together(one, scope["many"])


class _Together(Kernel):
    """A kernel over a table of arrays, and what stands in for it where Numba is told not to compile."""

    __slots__ = ("one",)

    def __init__(self, one: Kernel, function: Callable[..., Any]) -> None:
        super().__init__(function, f"many.{one.name}")
        self.one = one

    @property
    def compiled(self) -> Callable[..., Any]:
        import numba

        if self._compiled is None and numba.config.DISABLE_JIT:
            self._compiled = self._plain
        return super().compiled

    def _plain(self, table, *numbers):
        for row in table:
            arrays = [ctypes.cast(int(handle), ctypes.py_object).value for handle in row[1:]]
            self.one(*[a.reshape(-1) for a in arrays], *numbers)
