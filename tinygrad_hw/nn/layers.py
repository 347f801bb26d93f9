"""Layers with the plainest forward rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, ops
from ..ops import dropout, flatten, linear
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter


def _empty(shape: tuple[int, ...], dtype: np.dtype | None, where: str) -> Parameter:
    """An uninitialized parameter of floats."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.check(dtype, where)
    return Parameter(Tensor._wrap(np.empty(shape, dtype)))


class Identity(Module):
    """x ↦ x. Takes, and needs, none of the arguments of the layer in whose place it stands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x Aᵀ + b.

    Shapes: x (…, in_features), y (…, out_features), weight A (out_features, in_features), bias b
    (out_features,). Both start uniform in ±1/√in_features, which is what ``kaiming_uniform_(weight, a=√5)`` gives.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: np.dtype | None = None
    ) -> None:
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ValueError(
                f"Linear: expected numbers of features ≥ 0, got {in_features} and {out_features}"
            )
        self.in_features = in_features
        self.out_features = out_features
        self.weight = _empty((out_features, in_features), dtype, "Linear")
        self.bias: Parameter | None
        if bias:
            self.bias = _empty((out_features,), dtype, "Linear")
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Flatten(Module):
    """Dimensions ``start_dim`` to ``end_dim`` as one; the batch dimension stays by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """x · m / (1 − p), m ~ Bernoulli(1 − p) for each element, in training; x in evaluation.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: expected a probability p in [0, 1], got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _DropChannels(Dropout):
    _function: Callable[..., Any]

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.p, self.training)


class Dropout1d(_DropChannels):
    """Dropout of whole channels of (n, channels, length)."""

    _function = ops.dropout1d


class Dropout2d(_DropChannels):
    """Dropout of whole channels of (n, channels, height, width)."""

    _function = ops.dropout2d


class Dropout3d(_DropChannels):
    """Dropout of whole channels of (n, channels, depth, height, width)."""

    _function = ops.dropout3d
