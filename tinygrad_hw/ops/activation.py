"""Activation functions: smooth and piecewise-linear maps of one number, and dropout.

Each is stated in a form that neither overflows nor loses its small values; the algebra is in
``docs/derivations.md``.
"""

from __future__ import annotations

from math import pi

import numpy as np

from ..random import Generator, draw
from .core import composite, elementwise

from .pointwise import (  # isort: skip  # noqa: F401 (rules name them)
    _cast, abs, exp, expm1, ge, gt, le, log1p, lt, maximum, mul, square, where,
)  # fmt: skip
from .reduce import require_float

__all__ = [
    "dropout", "elu", "gelu", "leaky_relu", "logsigmoid", "relu", "sigmoid", "silu", "softplus", "tanh",
]  # fmt: skip

_INV_SQRT_2PI = (2 * pi) ** -0.5
_SQRT_2_OVER_PI = (2 / pi) ** 0.5


@elementwise(kind="float")
def tanh(input):
    """tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ) = 2σ(2x) − 1.  Derivation: 1 − tanh² x."""
    return tanh(input)


@tanh.vjp
def _(g, out):
    return g * (1 - out * out)


@elementwise(kind="float")
def sigmoid(input):
    """σ(x) = 1/(1 + e⁻ˣ).  Derivation: e⁻ˣ/(1 + e⁻ˣ)² = σ(1 − σ)."""
    return sigmoid(input)


@sigmoid.vjp
def _(g, out):
    return g * (out * (1 - out))


@elementwise(kind="float")
def logsigmoid(input):
    """ln σ(x) = min(x, 0) − ln(1 + e^(−|x|)).  Derivation: 1 − σ(x) = σ(−x)."""
    return where(input < 0, input, 0.0) - log1p(exp(-abs(input)))


@logsigmoid.vjp
def _(g, input):
    return g * sigmoid(-input)


@elementwise(kind="float")
def softplus(input, beta=1.0, threshold=20.0):
    """ln(1 + e^(βx))/β, and x itself where βx > threshold.  Derivation: σ(βx), 1 beyond the threshold."""
    scaled = input * beta
    smooth = (where(scaled > 0, scaled, 0.0) + log1p(exp(-abs(scaled)))) / beta
    return where(scaled > threshold, input, smooth)


@softplus.vjp
def _(g, input, beta, threshold):
    return g * where(gt(input * beta, threshold), 1.0, sigmoid(input * beta))


@elementwise(loops=True, numpy=lambda input: np.maximum(input, input.dtype.type(0)))
def relu(input):
    """max(x, 0).  Derivation: 1 for x > 0, else 0 (0 at 0)."""
    return where(input <= 0, 0.0, input)


@relu.vjp
def _(g, out):
    return where(gt(out, 0), g, 0.0)


@elementwise(loops=True)
def leaky_relu(input, negative_slope=0.01):
    """x for x > 0, else negative_slope · x.  Derivation: 1 or negative_slope (that one at 0)."""
    return where(input > 0, input, input * negative_slope)


@leaky_relu.vjp
def _(g, input, negative_slope):
    return where(gt(input, 0), g, g * negative_slope)


@elementwise(loops=True)
def elu(input, alpha=1.0):
    """x for x > 0, else α(eˣ − 1) (Clevert et al. 2015).  Derivation: 1 or αeˣ."""
    return where(input > 0, input, alpha * expm1(input))


@elu.vjp
def _(g, input, alpha):
    return where(gt(input, 0), g, g * (alpha * exp(where(gt(input, 0), 0.0, input))))


@composite
def gelu(input, approximate="none"):
    """x Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016).

    ``approximate="tanh"``: ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    Derivation: Φ(x) + x φ(x), with φ the normal density.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    return (_gelu if approximate == "none" else _gelu_tanh)(input)


@elementwise(kind="float")
def _gelu(input):
    return _gelu(input)


@_gelu.vjp
def _(g, input):
    return g * _gelu_slope(input)


@elementwise(kind="float")
def _gelu_slope(input):
    """Φ(x) + x φ(x).  Derivation: φ' = −xφ, so 2φ − x²φ."""
    return _gelu_slope(input)


@_gelu_slope.vjp
def _(g, input):
    return g * (exp(input * input * -0.5) * (2 - input * input) * _INV_SQRT_2PI)


@elementwise(kind="float")
def _gelu_tanh(input):
    return input * sigmoid(2 * _SQRT_2_OVER_PI * (input + 0.044715 * (input * input * input)))


@_gelu_tanh.vjp
def _(g, input):
    t = tanh(_SQRT_2_OVER_PI * (input + 0.044715 * (input * input * input)))
    slope = _SQRT_2_OVER_PI * (1 + 0.134145 * (input * input))
    return g * (0.5 * (1 + t) + 0.5 * input * ((1 - t * t) * slope))


@elementwise(kind="float")
def silu(input):
    """x σ(x).  Derivation: σ(x) + x σ(x)(1 − σ(x))."""
    return silu(input)


@silu.vjp
def _(g, input):
    s = sigmoid(input)
    return g * (s * (1 + input * (1 - s)))


@composite
def dropout(input, p=0.5, training=True, generator: Generator | None = None):
    """Zero each element with probability p and scale the rest by 1/(1 − p), in training only.

    The mask is drawn from ``generator`` (default: the package's). Derivation: linear in x, so the gradient meets the
    same mask and scale. Source: Srivastava et al. 2014, in the "inverted" form.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: expected a probability p in [0, 1], got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return mul(input, False)
    require_float("dropout", input)
    # Drawn in float32 whatever the input's type: so the mask does not depend on it.
    kept = draw(generator, "random", tuple(input.shape), np.float32)
    if input.dtype != kept.dtype:
        kept = _cast(kept, input.dtype)
    return _drop(input, kept, float(p), 1 / (1 - p))


@elementwise(2)
def _drop(input, draw, p, scale):
    return input * where(draw >= p, scale, 0.0)


@_drop.vjp("input")
def _(g, draw, p, scale):
    return g * where(ge(draw, p), scale, 0.0)
