"""Cases of the pointwise families: trigonometric, special, rounding, logic, arithmetic, activations."""

from __future__ import annotations

import numpy as np
from op_cases import SHAPES, case, holes, ints, just, mask, nonzero, positive, real, unit, wide
from scipy import special

from tinygrad_hw import Generator


def beyond(low: float):
    """Numbers above ``low``."""
    return lambda *shape: lambda rng: np.asarray(positive(*shape)(rng) + low)


UNARY = {
    "tan": (unit, np.tan),
    "asin": (unit, np.arcsin),
    "acos": (unit, np.arccos),
    "atan": (wide, np.arctan),
    "sinh": (real, np.sinh),
    "cosh": (real, np.cosh),
    "asinh": (wide, np.arcsinh),
    "acosh": (beyond(1.0), np.arccosh),
    "atanh": (unit, np.arctanh),
    "sinc": (real, np.sinc),
    "deg2rad": (wide, np.deg2rad),
    "rad2deg": (real, np.rad2deg),
    "exp2": (real, np.exp2),
    "log2": (positive, np.log2),
    "log10": (positive, np.log10),
    "erfc": (real, special.erfc),
    "erfinv": (unit, special.erfinv),
    "lgamma": (positive, special.gammaln),
    "digamma": (positive, special.digamma),
    "entr": (positive, special.entr),
    "ndtr": (wide, special.ndtr),
    "isposinf": (real, np.isposinf),
    "isneginf": (real, np.isneginf),
    "isreal": (real, np.isreal),
    "signbit": (real, np.signbit),
    "logit": (unit, special.logit),
    "floor": (wide, np.floor),
    "ceil": (wide, np.ceil),
    "trunc": (wide, np.trunc),
    "round": (wide, np.round),
    "frac": (wide, lambda x: x - np.trunc(x)),
    "nan_to_num": (real, np.nan_to_num),
    "positive": (real, np.copy),
    "celu": (real, lambda x: np.where(x > 0, x, np.expm1(x))),
    "selu": (
        real,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    "mish": (wide, lambda x: x * np.tanh(np.logaddexp(0, x))),
    "hardtanh": (real, lambda x: np.clip(x, -1, 1)),
    "relu6": (wide, lambda x: np.clip(x, 0, 6)),
    "hardsigmoid": (wide, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hardswish": (wide, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hardshrink": (real, lambda x: x * (np.abs(x) > 0.5)),
    "softshrink": (real, lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
    "softsign": (real, lambda x: x / (1 + np.abs(x))),
    "tanhshrink": (real, lambda x: x - np.tanh(x)),
}
for _name, (_domain, _oracle) in UNARY.items():
    for _shape in (2, 3), (), (0, 3):
        case(_name, _domain(*_shape), oracle=_oracle)

near_0 = lambda rng: np.array([0.0, 1e-3, -0.009, 0.0096, 0.02])  # noqa: E731
case("sinc", near_0, oracle=np.sinc)
case("logit", unit(9), eps=0.2, oracle=lambda p: special.logit(np.clip(p, 0.2, 0.8)))
case("round", wide(9), decimals=1, oracle=lambda x: np.round(x, 1))
case("round", wide(9), decimals=-1, oracle=lambda x: np.round(x, -1))
for _n in 0, 1, 2, 4:
    case(
        "polygamma",
        positive(5),
        call=lambda f, x, n=_n: f(n, x),
        oracle=lambda x, n=_n: special.polygamma(n, x),
    )
case("lgamma", just(np.array([-0.5, -2.25, 40.0])), oracle=special.gammaln)
case("digamma", just(np.array([-0.5, -2.25, 40.0])), oracle=special.digamma)
case(
    "nan_to_num",
    just(np.array([np.nan, np.inf, -np.inf, 1.0])),
    nan=2.0,
    posinf=3.0,
    neginf=-4.0,
    oracle=lambda x: np.nan_to_num(x, nan=2.0, posinf=3.0, neginf=-4.0),
)
case("celu", real(7), alpha=0.5, oracle=lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5)))
case("hardtanh", wide(9), min_val=-2.0, max_val=0.5, oracle=lambda x: np.clip(x, -2, 0.5))
case("hardshrink", real(9), lambd=1.0, oracle=lambda x: x * (np.abs(x) > 1))
case("softshrink", real(9), lambd=0.0, oracle=np.copy)
for _shape in (9,), (), (0, 3):
    case(
        "threshold",
        real(*_shape),
        threshold=0.2,
        value=2.0,
        oracle=lambda x: np.where(x > 0.2, x, 2),
    )
case("mish", just(np.array([-30.0, 30.0, 50.0])))

BINARY = {
    "atan2": (nonzero, nonzero, np.arctan2),
    "hypot": (nonzero, nonzero, np.hypot),
    "logaddexp": (wide, wide, np.logaddexp),
    "logaddexp2": (wide, wide, np.logaddexp2),
    "xlogy": (holes, positive, special.xlogy),
    "xlog1py": (holes, positive, special.xlog1py),
    "fmax": (real, real, np.fmax),
    "fmin": (real, real, np.fmin),
    "nextafter": (real, real, np.nextafter),
    "ldexp": (real, real, lambda x, y: x * 2.0**y),
    "fmod": (wide, nonzero, np.fmod),
    "remainder": (wide, nonzero, np.remainder),
    "floor_divide": (wide, nonzero, np.floor_divide),
    "true_divide": (real, nonzero, np.divide),
    "copysign": (nonzero, nonzero, np.copysign),
    "heaviside": (nonzero, real, np.heaviside),
    "isclose": (holes, holes, np.isclose),
    "float_power": (positive, real, np.float_power),
    "rsub": (real, real, lambda x, y: y - x),
    "clamp_min": (real, real, np.maximum),
    "clamp_max": (real, real, np.minimum),
}
for _name, (_left, _right, _oracle) in BINARY.items():
    for _a, _b in SHAPES:
        case(_name, _left(*_a), _right(*_b), oracle=_oracle)
for _mode, _oracle in ("floor", np.floor_divide), ("trunc", lambda x, y: np.trunc(x / y)):
    for _a, _b in SHAPES:
        case("div", wide(*_a), nonzero(*_b), rounding_mode=_mode, oracle=_oracle)
    case(
        "div",
        ints(-9, 9, 30),
        ints(1, 4, 30),
        rounding_mode=_mode,
        oracle=lambda x, y, f=_oracle: f(x, y).astype(int),
    )
    case("div", wide(4), just(0.7), rounding_mode=_mode)
case("rsub", real(3), real(3), alpha=2.5, oracle=lambda x, y: y - 2.5 * x)
case("float_power", positive(4), just(2), oracle=lambda x, _: x * x)
case("float_power", just(2), real(4), oracle=lambda x, y: 2**y)
case("clamp_min", real(9), just(0.2), oracle=np.maximum)
case("clamp_max", real(9), just(0.2), oracle=np.minimum)
for _name, _oracle in ("remainder", np.remainder), ("fmod", np.fmod):
    case(_name, ints(-9, 9, 20), ints(1, 5, 20), oracle=_oracle)
    case(_name, just(7.5), nonzero(4), torch=_name != "fmod", oracle=_oracle)
for _name, _oracle in (
    ("bitwise_and", np.bitwise_and), ("bitwise_or", np.bitwise_or), ("bitwise_xor", np.bitwise_xor),
    ("bitwise_left_shift", np.left_shift), ("bitwise_right_shift", np.right_shift),
):  # fmt: skip
    case(_name, ints(-9, 9, 3, 4), ints(0, 5, 4), oracle=_oracle)
    case(_name, ints(-9, 9, 3, 4), just(2), oracle=_oracle)
case("heaviside", ints(-1, 2, 9), ints(3, 5, 9), oracle=lambda x, v: np.heaviside(x, v).astype(int))
case("bitwise_not", ints(-9, 9, 4), oracle=np.bitwise_not)
case("bitwise_not", mask(4), oracle=np.logical_not)
case("allclose", real(3), real(3), oracle=np.allclose)
case(
    "allclose",
    just(np.array([1.0, np.nan])),
    just(np.array([1.001, np.nan])),
    rtol=1e-2,
    equal_nan=True,
)
case("equal", real(3), real(3), oracle=np.array_equal)
case("equal", ints(0, 1, 3), ints(0, 1, 3), oracle=np.array_equal)

for _w in 0.0, 0.3, 0.7, 1.0:
    case("lerp", real(2, 3), real(3), weight=_w, oracle=lambda x, y, w=_w: x + w * (y - x))
case("lerp", real(2, 3), real(3), real(2, 1), oracle=lambda x, y, w: x + w * (y - x))
case("addcmul", real(2, 3), real(3), real(2, 1), oracle=lambda x, y, z: x + y * z)
case("addcmul", real(3), real(3), real(3), value=2.5, oracle=lambda x, y, z: x + 2.5 * y * z)
case("addcdiv", real(2, 3), real(3), nonzero(2, 1), oracle=lambda x, y, z: x + y / z)
case("addcdiv", real(3), real(3), nonzero(3), value=2.5, oracle=lambda x, y, z: x + 2.5 * y / z)

case("prelu", real(2, 3, 4), real(3), oracle=lambda x, w: np.where(x > 0, x, x * w[:, None]))
case("prelu", real(2, 3), real(1), oracle=lambda x, w: np.where(x > 0, x, x * w))
case("prelu", real(4), real(1), oracle=lambda x, w: np.where(x > 0, x, x * w))
case("prelu", real(), real(), oracle=lambda x, w: np.where(x > 0, x, x * w))
for _dim in -1, 0:
    case(
        "glu",
        real(2, 4),
        dim=_dim,
        oracle=lambda x, d=_dim: np.split(x, 2, d)[0] * special.expit(np.split(x, 2, d)[1]),
    )
case("rrelu", real(9), oracle=lambda x: np.where(x > 0, x, x * 11 / 48))
case(
    "rrelu",
    real(9),
    call=lambda f, x: f(x, 0.25, 0.25, True),
    oracle=lambda x: np.where(x > 0, x, x / 4),
)
case("alpha_dropout", real(3), p=0.5, oracle=np.copy)
case("alpha_dropout", real(3), p=0.0, training=True, oracle=np.copy)
case("alpha_dropout", real(3), p=1.0, training=True, oracle=np.zeros_like)

strange = just(np.array([np.inf, -np.inf, np.nan, -0.0, 1.0]))
for _name, _oracle in (
    ("isposinf", np.isposinf), ("isneginf", np.isneginf), ("signbit", np.signbit), ("isreal", np.isreal),
):  # fmt: skip
    case(_name, strange, oracle=_oracle)
case("signbit", ints(-9, 9, 9), oracle=np.signbit)
gaps = just(np.array([np.nan, 0.5, np.nan]))
case("fmax", gaps, real(2, 3), oracle=np.fmax)
case("fmin", real(3), gaps, oracle=np.fmin)
case("ldexp", real(4), ints(-3, 4, 4), oracle=np.ldexp)
for _name, _oracle in ("gcd", np.gcd), ("lcm", np.lcm):
    case(_name, ints(-20, 20, 3, 4), ints(0, 20, 4), oracle=_oracle)
for _p in 1, 3:
    case(
        "mvlgamma",
        lambda rng: positive(4)(rng) + 2,
        p=_p,
        oracle=lambda x, p=_p: (
            special.multigammaln(x, 1)
            if p == 1
            else np.array([special.multigammaln(v, p) for v in x])
        ),
    )
for _invert in False, True:
    case("isin", ints(0, 5, 3, 4), ints(0, 5, 2), invert=_invert,
         oracle=lambda x, y, i=_invert: np.isin(x, y, invert=i))  # fmt: skip
case("isin", ints(0, 5, 3), just(2), oracle=np.isin)
for _p in 0.0, 1.0:
    case("feature_alpha_dropout", real(2, 3, 2), p=_p, training=True)
case(
    "feature_alpha_dropout", real(2, 3, 2), torch=False,
    call=lambda f, x: f(x, 0.5, True, generator=Generator(3)),
)  # fmt: skip
case(
    "gumbel_softmax", real(3, 4), torch=False,
    call=lambda f, x: f(x, 0.7, dim=0, generator=Generator(3)),
)  # fmt: skip
