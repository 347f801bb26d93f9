"""More activation functions: smooth ones made of the others, and ones made of straight pieces.

Where a piece ends the derivative is PyTorch's: of the flat side, unless said otherwise.
"""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError, ShapeError
from ..random import Generator, draw
from .activation import leaky_relu, sigmoid, softplus, tanh
from .core import composite, elementwise

from .pointwise import (  # isort: skip
    abs, add, exp, expm1, ge, gt, le, log1p, lt, mul, reciprocal, sub, where,
)  # fmt: skip
from .reduce import require_float
from .shape import _length, _reshape, narrow

__all__ = [
    "alpha_dropout", "celu", "feature_alpha_dropout", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "mish", "prelu", "relu6", "rrelu", "selu", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

# λ and α with which mean 0 and variance 1 are a fixed point (Klambauer et al. 2017, eq. 14)
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@elementwise(loops=True)
def celu(input, alpha=1.0):
    """x for x > 0, else α(e^(x/α) − 1) (Barron 2017).  Derivation: 1 or e^(x/α)."""
    return where(input > 0, input, alpha * expm1(input / alpha))


@celu.vjp
def _(g, input, alpha):
    return where(gt(input, 0), g, g * exp(where(gt(input, 0), 0.0, input) / alpha))


@elementwise(loops=True)
def selu(input):
    """λx for x > 0, else λα(eˣ − 1) (Klambauer et al. 2017).  Derivation: λ or λαeˣ."""
    return _SELU_SCALE * where(input > 0, input, _SELU_ALPHA * expm1(input))


@selu.vjp
def _(g, input):
    slope = where(gt(input, 0), 1.0, _SELU_ALPHA * exp(where(gt(input, 0), 0.0, input)))
    return g * (_SELU_SCALE * slope)


@elementwise(kind="float")
def mish(input):
    """x tanh(ln(1 + eˣ)) (Misra 2019).  Derivation: with t the tanh, t + x(1 − t²)σ(x)."""
    return input * tanh(where(input > 0, input, 0.0) + log1p(exp(-abs(input))))


@mish.vjp
def _(g, input):
    t = tanh(softplus(input, 1.0, 40.0))
    return g * (t + input * (1 - t * t) * sigmoid(input))


def _clip_whole(input, low, high):
    if input.dtype.kind == "b" or (input.dtype.kind == "u" and low < 0):
        raise DTypeError(f"hardtanh: expected signed numbers, got {input.dtype}")
    return np.clip(input, input.dtype.type(low), input.dtype.type(high))


@elementwise(loops=True, numpy=_clip_whole)
def hardtanh(input, min_val=-1.0, max_val=1.0):
    """x cut to [min_val, max_val].  Derivation: 1 inside, 0 outside and at the bounds."""
    return where(input < min_val, min_val, where(input > max_val, max_val, input))


@hardtanh.vjp
def _(g, input, min_val, max_val):
    return where(gt(input, min_val), where(lt(input, max_val), g, 0.0), 0.0)


@composite
def relu6(input):
    """min(max(x, 0), 6).  Derivation: 1 inside, 0 outside and at the bounds."""
    return hardtanh(input, 0.0, 6.0)


@elementwise(loops=True)
def hardsigmoid(input):
    """min(max(x + 3, 0), 6)/6.  Derivation: 1/6 for |x| < 3, else 0."""
    return where(input <= -3, 0.0, where(input >= 3, 1.0, input / 6 + 0.5))


@hardsigmoid.vjp
def _(g, input):
    return where(lt(abs(input), 3), g / 6, 0.0)


@elementwise(loops=True)
def hardswish(input):
    """x min(max(x + 3, 0), 6)/6 (Howard et al. 2019).  Derivation: x/3 + ½ for |x| < 3, 0 below and 1 above."""
    return where(input <= -3, 0.0, where(input >= 3, input, input * (input / 6 + 0.5)))


@hardswish.vjp
def _(g, input):
    return where(le(input, -3), 0.0, where(ge(input, 3), g, g * (input / 3 + 0.5)))


@elementwise(loops=True)
def hardshrink(input, lambd=0.5):
    """x where |x| > λ, else 0.  Derivation: 1 or 0."""
    return where(abs(input) <= lambd, 0.0, input)


@hardshrink.vjp
def _(g, input, lambd):
    return where(le(abs(input), lambd), 0.0, g)


@composite
def softshrink(input, lambd=0.5):
    """x less λ towards 0, and 0 where |x| ≤ λ.  Derivation: 1 or 0."""
    if lambd < 0:
        raise ValueError(f"softshrink: expected lambd >= 0, got {lambd}")
    return _softshrink(input, lambd)


@elementwise(loops=True)
def _softshrink(input, lambd):
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, input * 0.0))


@_softshrink.vjp
def _(g, input, lambd):
    return where(le(abs(input), lambd), 0.0, g)


@elementwise(kind="float")
def softsign(input):
    """x/(1 + |x|).  Derivation: 1/(1 + |x|)²."""
    return input / (1 + abs(input))


@softsign.vjp
def _(g, input):
    bound = reciprocal(abs(input) + 1)
    return g * (bound * bound)


@composite
def tanhshrink(input):
    """x − tanh x.  Derivation: tanh² x."""
    return sub(input, tanh(input))


@elementwise(loops=True, numpy=lambda input, t, v: np.where(input > t, input, input.dtype.type(v)))
def threshold(input, threshold, value):
    """x where x > threshold, else value.  Derivation: 1 or 0."""
    return where(input <= threshold, value, input)


@threshold.vjp
def _(g, input, threshold):
    return where(le(input, threshold), 0.0, g)


@composite
def prelu(input, weight):
    """x for x > 0, else w x, with one w or one for each index of dim 1 (He et al. 2015).

    Derivation: 1 or w with respect to x, 0 or x with respect to w.
    """
    shape = tuple(input.shape)
    channels = shape[1] if len(shape) > 1 else 1
    if len(weight.shape) > 1 or (len(weight.shape) == 1 and weight.shape[0] not in (1, channels)):
        raise ShapeError(
            f"prelu: expected one weight or {channels}, got shape {tuple(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise DTypeError(f"prelu: expected a weight of {input.dtype}, got {weight.dtype}")
    if len(weight.shape) == 1:
        weight = _reshape(
            weight,
            (weight.shape[0], *[1] * (len(shape) - 2)) if len(shape) > 1 else (1,) * len(shape),
        )
    return where(gt(input, 0), input, mul(weight, input))


@composite
def glu(input, dim=-1):
    """a σ(b) of the two halves of input along ``dim`` (Dauphin et al. 2017)."""
    dim, n = _length("glu", input.shape, dim)
    if n % 2:
        raise ShapeError(f"glu: expected an even size in dim {dim}, got {n}")
    return mul(narrow(input, dim, 0, n // 2), sigmoid(narrow(input, dim, n // 2, n // 2)))


@composite
def rrelu(input, lower=1 / 8, upper=1 / 3, training=False, generator: Generator | None = None):
    """x for x > 0, else a x: a is drawn from [lower, upper] for each element in training, else their mean."""
    if lower > upper:
        raise ValueError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    require_float("rrelu", input)
    slope = draw(generator, "random", tuple(input.shape), input.dtype)
    return where(gt(input, 0), input, mul(input, add(mul(slope, upper - lower), lower)))


@composite
def alpha_dropout(input, p=0.5, training=False, generator: Generator | None = None):
    """Each element set to −λα with probability p, and all mapped so that mean 0 and variance 1 stay, in training only.

    Source: Klambauer et al. 2017: a(x d − λα(1 − d)) + b with d = 1 for kept elements, a = ((1 − p)(1 + p λ²α²))^−½
    and b = a p λα.
    """
    return _alpha_dropped("alpha_dropout", input, p, training, generator, tuple(input.shape))


@composite
def feature_alpha_dropout(input, p=0.5, training=False, generator: Generator | None = None):
    """alpha_dropout of whole channels of (n, channels, …)."""
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError(f"feature_alpha_dropout: expected (n, channels, …), got {shape}")
    shape = shape[:2] + (1,) * (len(shape) - 2)
    return _alpha_dropped("feature_alpha_dropout", input, p, training, generator, shape)


def _alpha_dropped(name: str, input, p, training, generator, shape: tuple[int, ...]):
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p in [0, 1], got {p}")
    if not training or p == 0:
        return input
    require_float(name, input)
    if p == 1:
        return mul(input, 0.0)
    low = _SELU_SCALE * _SELU_ALPHA
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    kept = ge(draw(generator, "random", shape, np.float32), p)  # as dropout: whatever the type
    return add(mul(where(kept, input, -low), a), a * p * low)
