"""Weights of a given norm: by their length and direction, or by their largest singular value."""

from __future__ import annotations

import numpy as np

from ... import ops
from ...autograd import no_grad
from ...creation import from_numpy
from ...random import default_generator
from ...tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


def _norm_except(v: Tensor, dim: int) -> Tensor:
    """The 2-norm over all dimensions but ``dim``; over all for −1."""
    dims = tuple(d for d in range(v.ndim) if dim == -1 or d != dim % v.ndim)
    return ops.sqrt(ops.sum(ops.mul(v, v), dims, dim != -1)) if dims else ops.abs(v)


class _WeightNorm(Module):
    """w = g v/‖v‖, the norm over all dimensions but ``dim``.  Source: Salimans & Kingma 2016."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return ops.mul(weight_v, ops.div(weight_g, _norm_except(weight_v, self.dim)))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn length and direction of the parameter ``name`` apart: w = g v/‖v‖, and return the module.

    One length for each index of ``dim``, or one in all (None). Originals: ``original0`` g, ``original1`` v.
    """
    return register_parametrization(
        module, name, _WeightNorm(-1 if dim is None else dim), unsafe=True
    )


class _SpectralNorm(Module):
    """w / σ, σ = uᵀ W v the largest singular value of w as a matrix of ``dim`` against the rest.

    u and v are buffers that power iteration, one step a call in training, turns to the singular vectors; they are
    taken as constants, so that ∂σ/∂W = u vᵀ. Source: Miyato et al. 2018.
    """

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError(
                f"spectral_norm: expected n_power_iterations >= 1, got {n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        if weight.ndim > 1:
            matrix = self._matrix(weight)
            draw = default_generator.numpy.normal
            for label, n in ("_u", matrix.shape[0]), ("_v", matrix.shape[1]):
                start = from_numpy(np.asarray(draw(size=n), matrix.dtype))
                self.register_buffer(label, ops.normalize(start, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        order = (self.dim, *[d for d in range(weight.ndim) if d != self.dim])
        return ops.reshape(ops.permute(weight, order), (weight.shape[self.dim], -1))

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self._u.copy_(ops.normalize(ops.mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(ops.normalize(ops.mv(ops.t(matrix), self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return ops.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # a later call changes them
        return ops.div(weight, ops.dot(u, ops.mv(matrix, v)))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Module:  # fmt: skip
    """Divide the parameter ``name`` by its largest singular value, and return the module.

    It is a matrix of the dimension ``dim`` (default: 0, of transposed convolutions 1) against the rest.
    """
    weight = getattr(module, name)
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )
