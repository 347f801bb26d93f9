"""Bits, shifts, and comparisons of whole tensors."""

from __future__ import annotations

import numpy as np

from ..errors import DTypeError
from .core import composite, primitive
from .pointwise import ufunc

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "equal", "isclose", "isin", "isneginf", "isposinf", "isreal", "signbit",
]  # fmt: skip


def _bits(name: str, input, bools: bool = True) -> None:
    if input.dtype.kind == "f" or (input.dtype.kind == "b" and not bools):
        raise DTypeError(f"{name}: expected {'bool or ' * bools}integers, got {input.dtype}")


@ufunc(2)
def bitwise_and(input, other):
    """The bits set in both."""
    _bits("bitwise_and", input)
    return np.bitwise_and(input, other)


@ufunc(2)
def bitwise_or(input, other):
    """The bits set in either."""
    _bits("bitwise_or", input)
    return np.bitwise_or(input, other)


@ufunc(2)
def bitwise_xor(input, other):
    """The bits set in exactly one."""
    _bits("bitwise_xor", input)
    return np.bitwise_xor(input, other)


@ufunc()
def bitwise_not(input):
    """Each bit turned; of bools, logical_not."""
    _bits("bitwise_not", input)
    return np.bitwise_not(input)


@ufunc(2)
def bitwise_left_shift(input, other):
    """input · 2^other of integers."""
    _bits("bitwise_left_shift", input, False)
    return np.left_shift(input, other)


@ufunc(2)
def bitwise_right_shift(input, other):
    """⌊input / 2^other⌋ of integers."""
    _bits("bitwise_right_shift", input, False)
    return np.right_shift(input, other)


@ufunc(2, kind="bool")
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |x − y| ≤ atol + rtol |y|, or x = y."""
    return np.isclose(input, other, rtol, atol, equal_nan)


@ufunc(kind="bool")
def isposinf(input):
    """Whether input is +∞."""
    return np.isposinf(input)


@ufunc(kind="bool")
def isneginf(input):
    """Whether input is −∞."""
    return np.isneginf(input)


@ufunc(kind="bool")
def isreal(input):
    """Whether input is real: all numbers here are."""
    return np.isreal(input)


@ufunc(kind="bool")
def signbit(input):
    """Whether input is negative, or −0."""
    return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@primitive
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is (or with ``invert``, is not) among ``test_elements``."""
    return np.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)


isin.differentiable = False


for _op in (bitwise_and, bitwise_or, bitwise_xor, bitwise_not, bitwise_left_shift, bitwise_right_shift):  # fmt: skip
    _op.differentiable = False


@composite
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether isclose holds for all elements, as Python's bool."""
    return bool(np.all(np.asarray(isclose(input, other, rtol, atol, equal_nan))))


@composite
def equal(input, other):
    """Whether two tensors have the same shape and elements, as Python's bool."""
    return np.array_equal(np.asarray(input), np.asarray(other))
