"""Normalization as modules; the formulas stand with the operators of the same name."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes, ops
from ..creation import ones, zeros
from ..errors import ShapeError
from ..ops.normalization import _normalize_batch
from ..tensor import Tensor
from . import init
from .layers import _empty
from .module import Module
from .parameter import Parameter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "RMSNorm", "GroupNorm", "LocalResponseNorm",
]  # fmt: skip


def _affine(module: Module, shape: tuple, weight: bool, bias: bool, dtype: Any) -> None:
    """Give ``module`` the parameters weight and bias, or None in their place."""
    for name, wanted in ("weight", weight), ("bias", bias):
        p = _empty(shape, dtype, type(module).__name__) if wanted else None
        module.register_parameter(name, p)


def _start(module: Any) -> None:
    """Weight 1 and bias 0, where there are."""
    if module.weight is not None:
        init.ones_(module.weight)
    if module.bias is not None:
        init.zeros_(module.bias)


class _BatchNorm(Module):
    """Weight 1 and bias 0 where ``affine``; running mean and variance where ``track_running_stats``."""

    _ndims: tuple[int, ...]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, dtype: np.dtype | None = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (num_features,)
        _affine(self, shape, affine, affine and bias, dtype)
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
        _start(self)

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
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
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


class _InstanceNorm(_BatchNorm):
    """Each channel of each sample by itself; without affine parameters and running statistics unless asked for."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, dtype: np.dtype | None = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        dims = self._ndims[0] - 2
        if input.ndim not in (dims + 1, dims + 2):
            raise ShapeError(
                f"{type(self).__name__}: expected {dims + 1} or {dims + 2} dimensions, got shape {tuple(input.shape)}"
            )
        x = input if input.ndim == dims + 2 else ops.unsqueeze(input, 0)
        out = ops.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return out if x is input else ops.squeeze(out, 0)


class InstanceNorm1d(_InstanceNorm):
    """(x − μ)/√(v + eps) for each channel of each sample of (n, channels, length) or (channels, length)."""

    _ndims = (3,)


class InstanceNorm2d(_InstanceNorm):
    """As InstanceNorm1d, for (n, channels, height, width)."""

    _ndims = (4,)


class InstanceNorm3d(_InstanceNorm):
    """As InstanceNorm1d, for (n, channels, depth, height, width)."""

    _ndims = (5,)


class LayerNorm(Module):
    """(x − μ)/√(v + eps) · weight + bias over the last dimensions, which are ``normalized_shape``."""

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _affine(self, shape, elementwise_affine, elementwise_affine and bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        _start(self)

    def forward(self, input: Tensor) -> Tensor:
        return ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x/√(⟨x²⟩ + eps) · weight over the last dimensions, which are ``normalized_shape``."""

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float | None = None,
        elementwise_affine: bool = True, dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight: Parameter | None = _empty(shape, dtype, "RMSNorm")
        else:
            self.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return ops.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """(x − μ)/√(v + eps) · weight + bias over each sample's ``num_groups`` groups of channels."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        dtype: np.dtype | None = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: expected num_channels divisible by num_groups, got {num_channels} and {num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        _affine(self, (num_channels,), affine, affine and bias, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        _start(self)

    def forward(self, input: Tensor) -> Tensor:
        return ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha · mean of x² over ``size`` neighboring channels)^beta."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return ops.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
