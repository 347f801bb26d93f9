"""Initial values of parameters: each function fills its tensor in place, outside the graph, and returns it.

Random values are drawn in float64 from ``generator``, or else the package's default generator, so that one seed
gives the same values, rounded, in every dtype.

``fan_in`` is the number of inputs that one output sums over and ``fan_out`` the number of outputs that one input
goes to: for a weight (out, in, *kernel) they are in · ∏kernel and out · ∏kernel.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import DTypeError, ShapeError
from ..random import Generator, default_generator
from ..tensor import Tensor


def _fill(tensor: Tensor, values: np.ndarray | float, name: str) -> Tensor:
    tensor._array[...] = values
    tensor._bump(name)
    return tensor


def _rng(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def _check_floats(tensor: Tensor, name: str) -> None:
    if tensor.dtype.kind != "f":
        raise DTypeError(f"{name}: expected a floating point tensor, got {tensor.dtype}")


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element = ``val``."""
    return _fill(tensor, val, "constant_")


def zeros_(tensor: Tensor) -> Tensor:
    """Every element = 0."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Every element = 1."""
    return constant_(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, with zeros where the tensor is not square. Shapes: (n, m)."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expected 2 dimensions, got shape {tuple(tensor.shape)}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]), "eye_")


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The convolution weight that passes as many channels on as there are outputs, in each of ``groups``.

    Shapes: (out, in, *kernel) with one to three kernel dimensions.
    """
    shape = tuple(tensor.shape)
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: expected 3, 4 or 5 dimensions, got shape {shape}")
    if shape[0] % groups:
        raise ValueError(f"dirac_: expected groups to divide {shape[0]} outputs, got {groups}")
    values = np.zeros(shape)
    outputs = shape[0] // groups
    center = tuple(size // 2 for size in shape[2:])
    for output in range(shape[0]):
        if output % outputs < shape[1]:
            values[(output, output % outputs, *center)] = 1
    return _fill(tensor, values, "dirac_")


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    _check_floats(tensor, "uniform_")
    if not a <= b:
        raise ValueError(f"uniform_: expected a ≤ b, got a={a} and b={b}")
    return _fill(tensor, a + (b - a) * _rng(generator).random(tensor.shape), "uniform_")


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with the given mean and standard deviation."""
    _check_floats(tensor, "normal_")
    if not std >= 0:
        raise ValueError(f"normal_: expected std ≥ 0, got {std}")
    return _fill(tensor, mean + std * _rng(generator).standard_normal(tensor.shape), "normal_")


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, restricted to [a, b] (values, not multiples of ``std``).

    By inversion: x = F⁻¹(u), u uniform in [F(a), F(b)], F the normal distribution function.
    """
    _check_floats(tensor, "trunc_normal_")
    if not std > 0:
        raise ValueError(f"trunc_normal_: expected std > 0, got {std}")
    if not a < b:
        raise ValueError(f"trunc_normal_: expected a < b, got a={a} and b={b}")
    from statistics import NormalDist

    # Left of the mean F keeps its digits; right of it 1 − F would lose them: an interval there is reflected.
    sign = -1.0 if mean < a else 1.0
    low, high = sorted((sign * (a - mean) / std, sign * (b - mean) / std))
    start, end = (math.erfc(-limit / math.sqrt(2)) / 2 for limit in (low, high))
    u = start + (end - start) * _rng(generator).random(tensor.shape)
    tiny = np.finfo(np.float64).tiny
    quantiles = map(NormalDist().inv_cdf, np.clip(u, tiny, 1 - 2.0**-53).ravel().tolist())
    x = np.fromiter(quantiles, np.float64, u.size).reshape(u.shape)
    return _fill(tensor, np.clip(mean + sign * std * x, a, b), "trunc_normal_")


def _fans(tensor: Tensor, name: str) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ShapeError(f"{name}: expected 2 or more dimensions (out, in, …), got shape {shape}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on a weight's standard deviation that keeps the variance through ``nonlinearity``.

    1 for linear, sigmoid and the convolutions, 5/3 for tanh, √2 for relu, √(2 / (1 + param²)) for leaky_relu of
    negative slope ``param`` (0.01 unless given), 3/4 for selu.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: expected a number as negative slope, got {slope!r}")
        return math.sqrt(2 / (1 + slope**2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4, "linear": 1.0, "sigmoid": 1.0}
    if nonlinearity.startswith("conv") and nonlinearity in (
        f"{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)
    ):
        return 1.0
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: expected one of {', '.join(gains)}, leaky_relu, conv1d … conv_transpose3d, "
            f"got {nonlinearity!r}"
        )
    return gains[nonlinearity]


def _xavier_std(tensor: Tensor, gain: float, name: str) -> float:
    fan_in, fan_out = _fans(tensor, name)
    return gain * math.sqrt(2 / max(1, fan_in + fan_out))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in ±gain · √(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    eq. 16, the normalized initialization.
    """
    bound = math.sqrt(3) * _xavier_std(tensor, gain, "xavier_uniform_")
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with mean 0 and standard deviation gain · √(2 / (fan_in + fan_out)).

    This is the Glorot normal W ~ N(0, 1) · √(2 / (fan_in + fan_out)) of the write-ups: the variance that Glorot &
    Bengio 2010 (eq. 12, the compromise between eq. 10 and 11) ask for, from a normal distribution.
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain, "xavier_normal_"), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = _fans(tensor, name)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ±gain · √(3 / fan): the variance of ``kaiming_normal_``."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with mean 0 and standard deviation gain / √fan, gain = calculate_gain(nonlinearity, a).

    ``mode='fan_in'`` keeps the variance of the signals of the forward pass, ``'fan_out'`` of the gradients; ``a`` is
    the slope of leaky_relu left of zero.

    Source: He et al. 2015, "Delving deep into rectifiers", eq. 10 (fan_in) and 14 (fan_out), with the slope eq. 15.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """gain · Q, Q uniform among the matrices of orthonormal rows or columns, whichever are fewer.

    Q comes from the QR decomposition of a normal matrix, with the signs that make R's diagonal positive.
    Dimensions after the first are taken as one.

    Source: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".
    """
    _check_floats(tensor, "orthogonal_")
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ShapeError(f"orthogonal_: expected 2 or more dimensions, got shape {shape}")
    rows, columns = shape[0], math.prod(shape[1:])
    draw = _rng(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draw)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(shape), "orthogonal_")
