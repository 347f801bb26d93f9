"""Elementary functions of one number that LLVM vectorizes.

A call into a math library keeps a loop scalar. The float32 functions below are plain arithmetic, selections
and integer operations on the bits of a float: no calls, no table but one, no branch that has to stay a branch.
Their error is at most 4 units in the last place over all floats, subnormal results included; infinities and NaN
come out as the limits are. For float64, the dtype of checks, the library's functions are called.

Their arithmetic is contracted (a·b + c in one rounding) where the machine can, and never reassociated: loops around them
may be, but x − n·hi − n·lo must not become x − n·(hi + lo).

Every polynomial is a minimax fit, its coefficients rounded one by one: ``python -m benchmarks.fit_polynomials``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from .jit import Kernel

# A flag of LLVM that is missing on an instruction binds it after inlining, too.
_COMPILED = {"fastmath": {"contract"}, "error_model": "numpy", "forceinline": True}


class Function(Kernel):
    """A function of float32 or float64 scalars, for use inside kernels and rules.

    ``single`` and ``double`` compute it; the argument's type decides. Without ``double`` it is a part of other
    float32 functions.
    """

    __slots__ = ("double",)

    def __init__(
        self, single: Callable[..., Any], double: Callable[..., Any] | None = None
    ) -> None:
        super().__init__(single, f"vector_math.{single.__name__}")
        self.double = double

    @property
    def compiled(self) -> Callable:
        """What stands for the function in code that Numba compiles."""
        if self._compiled is None:
            import numba
            from numba.extending import overload

            plain = numba.config.DISABLE_JIT
            names = {
                key: value.compiled if isinstance(value, Kernel) else value
                for key, value in self.function.__globals__.items()
                if key in self.function.__code__.co_names
            }
            single = FunctionType(self.function.__code__, names | {"__name__": __name__}, self.name)
            double = self.double
            if double is None:
                self._compiled = single if plain else numba.njit(**_COMPILED)(single)
            else:

                def by_type(x):
                    return single(x) if x.dtype == np.float32 else double(x)

                if not plain:
                    choose = overload(by_type, jit_options=_COMPILED, strict=False)
                    choose(lambda x: single if x == numba.float32 else double)
                self._compiled = by_type
        return self._compiled


def function(double: Callable) -> Callable[[Callable], Function]:
    """Make a ``Function`` of its float32 form; ``double`` is its float64 form."""
    return lambda single: Function(single, double)


# Numba takes the bits of a float only of what is visibly a NumPy number, hence np.float32(...).view below.
F = np.float32
INF, NAN = F(np.inf), F(np.nan)

# Cody & Waite's reduction (Software Manual for the Elementary Functions, 1980): x = n ln 2 + r, |r| ≤ ½ ln 2, with
# ln 2 = LN2_HIGH + LN2_LOW, so that n · LN2_HIGH is exact without a fused product, too.
LOG2_E = F(1.4426950408889634)
LN2_HIGH, LN2_LOW = F(0.693359375), F(-2.12194440e-4)
# Added to |y| < 2²², it rounds y to an integer, and leaves that + 254 in the low bits: two biased exponents' worth.
ROUND = F(3 * 2**22 + 254)
LOWEST = F(-110)  # e^x, even 110 e^x, is below half the least subnormal
ROUND_BITS = np.int32(0x4B400000)
HIGHEST = F(89)  # e^x is beyond the greatest float

# (e^r − 1 − r)/r²
E0, E1, E2, E3, E4 = map(F, (0.49999997, 0.16666545, 0.0416674614, 0.00836643204, 0.00138684351))

# (ln(1 + f) − f + f²/2)/f³ on √½ − 1 … √2 − 1
L0, L1, L2, L3 = map(F, (0.333333313, -0.250008196, 0.200012416, -0.166234091))
L4, L5, L6, L7 = map(F, (0.1420158, -0.131596103, 0.127622157, -0.0763643533))
SQRT_HALF_BITS = np.int32(0x3F3504F3)
LN_2_24 = F(24 * math.log(2))

# (erf x − x)/x in powers of x², |x| ≤ 1, and ln(1 − erf x), 1 ≤ x ≤ 4
S0, S1, S2, S3 = map(F, (0.128379166, -0.37612626, 0.112835787, -0.0268533472))
S4, S5, S6 = map(F, (0.0051871622, -0.00079978531, 7.80690316e-05))
G0, G1, G2 = map(F, (-0.00267170975, -1.11743844, -0.65448904))
G3, G4, G5 = map(F, (-0.0886340961, 0.0147780925, -0.00115041912))

# (a + 1) Φ(−a) e^(a²/2) in powers of (a − 3)/(a + 3), 0 ≤ a ≤ 14.5: nearly flat, so that rounding a + 3 is harmless
T0, T1, T2, T3, T4 = map(
    F, (0.486055791, -0.0965269282, -0.0164320935, 0.0451685041, -0.0227291435)
)
T5, T6, T7, T8 = map(F, (0.00112705107, 0.00299292523, -0.0002624724, -0.000443544559))
T9 = F(-6.22042207e-05)
# (sin r − r)/r³ and (cos r − 1 + r²/2)/r⁴ in powers of r², |r| ≤ π/4
A0, A1, A2 = map(F, (-0.166666552, 0.00833218731, -0.000195179076))
B0, B1, B2 = map(F, (0.0416666456, -0.00138873095, 2.44323328e-05))
FARTHEST = F(14.6)  # a φ(a) is below half the least subnormal
SQRT_HALF, INV_SQRT_2PI = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@Function
def _expm1_reduced(x):
    """e^r − 1, and 2ⁿ as the number that _times_power and _power take."""
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = r * r * ((((E4 * r + E3) * r + E2) * r + E1) * r + E0) + r
    return p, np.float32(shifted).view(np.int32)


@Function
def _times_power(p, n):
    """2ⁿ p for every n that occurs, rounded once: 2ⁿ itself may be no float, its halves are."""
    half = np.int32(n >> 1)
    return p * np.int32(half << 23).view(np.float32) * np.int32((n - half) << 23).view(np.float32)


@Function
def _power(n):
    """2ⁿ where it is a normal float."""
    return np.int32((n - 127) << 23).view(np.float32)


@function(lambda x: np.exp(x))
def exp(x):
    # A comparison with NaN fails, so these keep it.
    x = LOWEST if x < LOWEST else x
    x = HIGHEST if x > HIGHEST else x
    p, n = _expm1_reduced(x)
    return _times_power(p + F(1), n)


@function(lambda x: np.expm1(x))
def expm1(x):
    y = F(-20) if x < F(-20) else x
    y = HIGHEST if y > HIGHEST else y
    p, n = _expm1_reduced(y)
    # 2ⁿ (p + (1 − 2⁻ⁿ)): where the exponent of 2⁻ⁿ would end, 2⁻ⁿ has long ceased to matter.
    least = np.int32(ROUND_BITS + 284)
    n_small = least if n > least else n
    inverse = np.int32((381 - n_small) << 23).view(np.float32)
    y = _times_power(p + (F(1) - inverse), n)
    return x if x == 0 else y


@function(lambda x: np.tanh(x))
def tanh(x):
    """−m/(m + 2) with m = e^(−2|x|) − 1, which loses nothing for small x."""
    y = F(-2) * abs(x)
    y = F(-20) if y < F(-20) else y
    p, n = _expm1_reduced(y)
    s = _power(n)
    m = s * p + (s - F(1))
    t = -m / (m + F(2))
    return np.copysign(t, x)


def _sigmoid(x):
    small = np.exp(-abs(x))
    return (1 if x >= 0 else small) / (1 + small)


@function(_sigmoid)
def sigmoid(x):
    y = -abs(x)
    y = LOWEST if y < LOWEST else y
    p, n = _expm1_reduced(y)
    small = _times_power(p + F(1), n)
    return (F(1) if x >= 0 else small) / (F(1) + small)


def _silu(x):
    small = np.exp(-abs(x))
    return (x if x >= 0 else max(x, -800.0) * small) / (1 + small)


@function(_silu)
def silu(x):
    """x σ(x), in the order that spares the small values an intermediate subnormal."""
    y = -abs(x)
    y = LOWEST if y < LOWEST else y
    p, n = _expm1_reduced(y)
    p += F(1)
    return (x if x >= 0 else _times_power(y * p, n)) / (F(1) + _times_power(p, n))


@Function
def _log_reduced(u, c):
    """ln(u + c) for normal u > 0 and a c that u + c rounds away; u = 2ᵏ m, √½ ≤ m < √2, as in fdlibm."""
    shifted = np.int32(np.float32(u).view(np.int32) - SQRT_HALF_BITS)
    k = np.int32(shifted >> 23)
    m = np.int32((shifted & 0x7FFFFF) + SQRT_HALF_BITS).view(np.float32)
    k_small = np.int32(127) if k > 127 else k
    f = (m - F(1)) + c * np.int32((127 - k_small) << 23).view(np.float32)
    p = ((((((L7 * f + L6) * f + L5) * f + L4) * f + L3) * f + L2) * f + L1) * f + L0
    n = F(k)
    return n * LN2_HIGH + (f + (f * f * (f * p - F(0.5)) + n * LN2_LOW))


@function(lambda x: np.log(x))
def log(x):
    subnormal = x < F(2**-126)
    y = _log_reduced(x * F(2**24) if subnormal else x, F(0))
    y = y - LN_2_24 if subnormal else y
    y = y if x < INF else x
    return y if x > 0 else (-INF if x == 0 else NAN)


@function(lambda x: np.log1p(x))
def log1p(x):
    u = F(1) + x
    y = _log_reduced(u, x - (u - F(1)))
    y = y if x < INF else x
    y = y if x > F(-1) else (-INF if x == F(-1) else NAN)
    return x if x == 0 else y


@function(lambda x: math.erf(x))
def erf(x):
    a = abs(x)
    z = x * x
    near = a + a * ((((((S6 * z + S5) * z + S4) * z + S3) * z + S2) * z + S1) * z + S0)
    b = F(4) if a > F(4) else a
    p, n = _expm1_reduced(((((G5 * b + G4) * b + G3) * b + G2) * b + G1) * b + G0)
    y = near if a < F(1) else F(1) - (p + F(1)) * _power(n)
    return np.copysign(y, x)


@Function
def _normal_tail(a):
    """(p, e, n) with Φ(−a) = p (1 + e) 2ⁿ and e^(−a²/2) = (1 + e) 2ⁿ, 0 ≤ a ≤ 14.5."""
    s = (a - F(3)) / (a + F(3))
    p = T4 + ((((T9 * s + T8) * s + T7) * s + T6) * s + T5) * s
    p = (((p * s + T3) * s + T2) * s + T1) * s + T0
    # Rounding a² would cost 40 units, so the square of a's upper half, exact, goes first.
    upper = np.int32(np.float32(a).view(np.int32) & -4096).view(np.float32)
    half = F(-0.5) * upper
    high = half * upper
    low = (a - upper) * (half - F(0.5) * a)
    shifted = (high + low) * LOG2_E + ROUND
    n = shifted - ROUND
    r = (high - n * LN2_HIGH - n * LN2_LOW) + low
    e = r * r * ((((E4 * r + E3) * r + E2) * r + E1) * r + E0) + r
    return p / (a + F(1)), e, np.float32(shifted).view(np.int32)


@function(lambda x: max(x, -40.0) * (0.5 * math.erfc(x * -SQRT_HALF)))
def gelu(x):
    """x Φ(x) = max(x, 0) − |x| Φ(−|x|)."""
    a = abs(x)
    a = FARTHEST if a > FARTHEST else a
    p, e, n = _normal_tail(a)
    p *= a
    tail = _times_power(p * e + p, n)
    return x - tail if x >= 0 else -tail


def _gelu_slope(x):
    density = np.exp(-0.5 * (x * x)) * INV_SQRT_2PI
    return 0.5 * math.erfc(x * -SQRT_HALF) + max(min(x, 40.0), -40.0) * density


@function(_gelu_slope)
def gelu_slope(x):
    """Φ(x) + x φ(x), the derivative of gelu: that of −x and that of x add up to 1."""
    a = abs(x)
    a = FARTHEST if a > FARTHEST else a
    p, e, n = _normal_tail(a)
    p -= a * F(INV_SQRT_2PI)
    left = _times_power(p * e + p, n)
    return F(1) - left if x > 0 else left


def _turns() -> tuple[np.ndarray, np.ndarray]:
    """2/π for Payne & Hanek's reduction (1983): by exponent of x, without what gives whole turns, in two parts.

    A float32 is an integer M < 2²⁴ times 2ʲ. For j > 0, (2/π 2ʲ mod 4) 2⁻ʲ serves as well as 2/π does: x times the
    difference is a multiple of four right angles. The first part has 29 bits, so that its product with x is
    exact in float64.
    """
    high, low = np.empty(106), np.empty(106)
    for j in range(106):
        fraction = TWO_OVER_PI << j & ((1 << 258) - 1)  # in units of 2⁻²⁵⁶
        upper = fraction >> 229
        high[j] = math.ldexp(upper, -27 - j)
        low[j] = math.ldexp(fraction - (upper << 229), -256 - j)
    return high, low


TWO_OVER_PI = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561  # times 2⁻²⁵⁶
TURNS_HIGH, TURNS_LOW = _turns()
ROUND_DOUBLE = 1.5 * 2**52
RIGHT_ANGLE = math.pi / 2


@Function
def _sin_quarters(x, quarters):
    """sin(x + quarters π/2)."""
    exponent = ((np.float32(x).view(np.int32) >> 23) & 255) - 150
    j = 0 if exponent < 0 else exponent
    wide = np.float64(x)
    low = wide * TURNS_LOW[j]
    high = wide * TURNS_HIGH[j]
    n = (high + low + ROUND_DOUBLE) - ROUND_DOUBLE
    r = F(((high - n) + low) * RIGHT_ANGLE)
    q = np.int32(n) + quarters
    z = r * r
    s = r + r * z * ((A2 * z + A1) * z + A0)
    c = F(1) - F(0.5) * z + z * z * ((B2 * z + B1) * z + B0)
    y = c if q & 1 else s
    return -y if q & 2 else y


@function(lambda x: np.sin(x))
def sin(x):
    y = _sin_quarters(x, 0)
    return x if x == 0 else y


@function(lambda x: np.cos(x))
def cos(x):
    return _sin_quarters(x, 1)
