"""The float32 functions that LLVM vectorizes, against SciPy in float64."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import FunctionType

import numpy as np
import pytest
from scipy import special

from tinygrad_hw.kernels import vector_math
from tinygrad_hw.kernels.jit import FASTMATH, Kernel

INF, NAN = np.inf, np.nan


def gelu_slope(x):
    return special.ndtr(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


# Name: reference, and (argument, value) at the ends and at the singular points.
CASES = {
    "exp": (np.exp, [(INF, INF), (-INF, 0), (0, 1), (89, INF), (-104, 0)]),
    "expm1": (np.expm1, [(INF, INF), (-INF, -1), (-0.0, -0.0), (89, INF)]),
    "log": (np.log, [(INF, INF), (-INF, NAN), (0, -INF), (-0.0, -INF), (-1, NAN), (1, 0)]),
    "log1p": (np.log1p, [(INF, INF), (-INF, NAN), (-1, -INF), (-2, NAN), (-0.0, -0.0)]),
    "tanh": (np.tanh, [(INF, 1), (-INF, -1), (-0.0, -0.0)]),
    "sigmoid": (special.expit, [(INF, 1), (-INF, 0), (0, 0.5), (-110, 0)]),
    "erf": (special.erf, [(INF, 1), (-INF, -1), (-0.0, -0.0)]),
    "silu": (lambda x: x * special.expit(x), [(INF, INF), (-INF, -0.0), (-1e30, -0.0)]),
    "gelu": (lambda x: x * special.ndtr(x), [(INF, INF), (-INF, -0.0), (-1e30, -0.0)]),
    "gelu_slope": (gelu_slope, [(INF, 1), (-INF, -0.0), (0, 0.5)]),
    "sin": (np.sin, [(INF, NAN), (-INF, NAN), (-0.0, -0.0)]),
    "cos": (np.cos, [(INF, NAN), (-INF, NAN), (0, 1)]),
}  # fmt: skip
LARGEST = np.finfo(np.float32).max


def loop(out, x):
    for i in range(out.size):
        out[i] = f(x[i])  # noqa: F821


def kernel_of(name: str) -> Kernel:
    names = {"f": getattr(vector_math, name), "__name__": __name__}
    return Kernel(FunctionType(loop.__code__, names, "loop"), f"test.{name}")


def values(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    kernel_of(name)(out, x)
    return out


def units(name: str, x: np.ndarray, got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got − want| in units in the last place of the float32 nearest to ``want``."""
    nearest = np.minimum(np.abs(want), LARGEST).astype(np.float32)
    if name == "gelu_slope":  # it crosses 0 at −0.75, a difference of two terms of size ⅓
        nearest = np.where(np.abs(x + 0.75) < 0.5, np.float32(1 / 3), nearest)
    return np.abs(got - want) / np.spacing(nearest)


@pytest.mark.parametrize("name", CASES)
def test_the_error_is_at_most_four_units_over_all_floats(name):
    every = np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32).view(np.float32)
    dense = [np.linspace(a, b, 200_001, dtype=np.float32) for a, b in [(-110, 90), (-3, 3)]]
    x = np.concatenate([every[np.isfinite(every)], *dense])
    with np.errstate(all="ignore"):
        want = CASES[name][0](x.astype(float))
        rounded = want.astype(np.float32)
    got = values(name, x)
    finite = np.isfinite(rounded)
    assert np.all(units(name, x[finite], got[finite], want[finite]) <= 4)
    # The greatest floats aside, where a unit too much is infinity, the same results are not finite.
    np.testing.assert_array_equal(got[~finite], rounded[~finite])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_and_nan(name, dtype):
    points, want = zip(*CASES[name][1], (NAN, NAN), strict=True)
    if dtype == np.float64:
        kept = [abs(p) not in (89, 104, 110) for p in points]  # limits of float32 alone
        points = [p for p, k in zip(points, kept, strict=True) if k]
        want = [w for w, k in zip(want, kept, strict=True) if k]
    got = values(name, np.array(points, dtype))
    want = np.array(want, dtype)
    np.testing.assert_array_equal(got, want)
    # The sign of zero is kept where a function is its argument near 0.
    if dtype == np.float32:
        real = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]))


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "erf"])
def test_monotone(name):
    x = np.linspace(-20 if name not in ("log", "log1p") else 0, 20, 300_001, dtype=np.float32)
    got = values(name, x)
    assert np.all(got[1:] >= got[:-1])


@pytest.mark.parametrize("name", CASES)
def test_float64_is_the_library_s(name):
    x = np.linspace(0.01, 9, 1001)
    x = x if name == "log" else np.concatenate([-x / 10, x])
    np.testing.assert_allclose(values(name, x), CASES[name][0](x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["exp", "gelu", "tanh", "log1p", "sin"])
def test_llvm_vectorizes_the_loop(name):
    import numba

    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    function = FunctionType(loop.__code__, {"f": getattr(vector_math, name).compiled}, "loop")
    compiled = numba.njit(fastmath=FASTMATH, error_model="numpy")(function)
    x = np.zeros(3, np.float32)
    compiled(x.copy(), x)
    (text,) = compiled.inspect_llvm().values()
    assert re.search(r"fmul [a-z ]*<\d+ x (float|double)>", text)


def test_two_over_pi_has_the_digits_of_machin_s_formula():
    def arctan_of_inverse(n: int, one: int) -> int:
        term, total, k = one // n, 0, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= n * n
            k += 2
        return total

    one = 1 << 320
    pi = 4 * (4 * arctan_of_inverse(5, one) - arctan_of_inverse(239, one))
    assert (one * one * 2 // pi) >> 64 == vector_math.TWO_OVER_PI


def test_the_functions_run_as_plain_python_too():
    code = """
import numpy as np
from tests.test_vector_math import CASES, units, values
x = np.float32([-100, -3.5, -0.7, -1e-3, 1e-3, 0.9, 2.5, 30, 1e30])
for name, (reference, _) in CASES.items():
    with np.errstate(all="ignore"):
        want = reference(x.astype(float))
    finite = np.isfinite(want.astype(np.float32))
    got = values(name, x)[finite]
    assert np.all(units(name, x[finite], got, want[finite]) <= 4), name
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, check=True)
