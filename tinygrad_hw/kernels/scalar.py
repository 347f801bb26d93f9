"""The scalar functions that an elementwise rule may name, as they run inside a native loop.

A rule such as ``g * (1 - out * out)`` is written once over the public operators. Where it becomes a loop,
the operators' names stand for the functions below; on Tensors they stand for the operators themselves.
"""

from __future__ import annotations

import math

import numpy as np

from . import special, vector_math


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
    "_gelu": vector_math.gelu,
    "_gelu_slope": vector_math.gelu_slope,
    "_polygamma": special.polygamma,
    "abs": absolute,
    "cos": vector_math.cos,
    "digamma": special.digamma,
    "erf": vector_math.erf,
    "erfc": math.erfc,
    "erfinv": special.erfinv,
    "exp": vector_math.exp,
    "expm1": vector_math.expm1,
    "lgamma": math.lgamma,
    "log": vector_math.log,
    "log1p": vector_math.log1p,
    "maximum": maximum,
    "minimum": minimum,
    "pow": np.power,
    "sigmoid": vector_math.sigmoid,
    "sign": sign,
    "silu": vector_math.silu,
    "sin": vector_math.sin,
    "sqrt": np.sqrt,
    "square": square,
    "tanh": vector_math.tanh,
    "where": where,
}
