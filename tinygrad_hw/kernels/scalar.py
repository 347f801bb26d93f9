"""The scalar functions that an elementwise rule may name, as they run inside a native loop.

A rule such as ``g * (1 - out * out)`` is written once over the public operators. Where it becomes a loop,
the operators' names stand for the functions below; on Tensors they stand for the operators themselves.
"""

from __future__ import annotations

import math

import numpy as np


def where(condition, input, other):
    return input if condition else other


def absolute(input):
    return -input if input < 0 else input


def sign(input):
    # NaN fails both comparisons and stays NaN through the last branch.
    return 1 if input > 0 else -1 if input < 0 else input


def maximum(input, other):
    return input if input > other or input != input else other


def minimum(input, other):
    return input if input < other or input != input else other


def square(input):
    return input * input


NAMES = {
    "abs": absolute,
    "cos": np.cos,
    "erf": math.erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "maximum": maximum,
    "minimum": minimum,
    "pow": np.power,
    "sign": sign,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "square": square,
    "tanh": np.tanh,
    "where": where,
}
