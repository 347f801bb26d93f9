"""Normalization as modules; the formulas stand with the operators of the same name."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..creation import ones, zeros
from ..errors import ShapeError
from ..ops.normalization import _normalize_batch
from ..tensor import Tensor
from . import init
from .layers import _empty
from .module import Module


class _BatchNorm(Module):
    """Weight 1 and bias 0 where ``affine``; running mean and variance where ``track_running_stats``."""

    _ndims: tuple[int, ...]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        name, shape = type(self).__name__, (num_features,)
        for parameter in "weight", "bias":
            if affine:
                setattr(self, parameter, _empty(shape, dtype, name))
            else:
                self.register_parameter(parameter, None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(shape, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(shape, dtype=dtype) if tracked else None)
        count = zeros((), dtype=dtypes.int64) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen so far."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            self.num_batches_tracked = zeros((), dtype=dtypes.int64)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no batches seen."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self._ndims:
            wanted = " or ".join(map(str, self._ndims))
            raise ShapeError(
                f"{type(self).__name__}: expected {wanted} dimensions, got shape {tuple(input.shape)}"
            )
        tracks = self.training and self.track_running_stats
        return _normalize_batch(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or self.running_mean is None, self.momentum, self.eps,
            self.num_batches_tracked, tracks,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """(x − μ)/√(v + eps) · weight + bias for each channel of (n, channels) or (n, channels, length).

    μ and v are the batch's mean and variance in training, which the running ones follow by ``momentum`` (None: they
    are the mean over all batches), and the running ones in evaluation. Source: Ioffe & Szegedy 2015.
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """As BatchNorm1d, for (n, channels, height, width)."""

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """As BatchNorm1d, for (n, channels, depth, height, width)."""

    _ndims = (5,)
