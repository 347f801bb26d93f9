"""Gradient clipping, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...autograd import no_grad
from ...creation import zeros
from ...errors import ShapeError
from ...inplace import change
from ...ops import cat, clamp, norm, stack
from ...tensor import Tensor
from . import parametrizations as parametrizations
from . import parametrize as parametrize
from . import rnn as rnn


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """(Σ abs(x)^norm_type)^(1 / norm_type) over all elements of all tensors; the largest abs(x) for inf.

    Raises: RuntimeError where that is not finite and ``error_if_nonfinite``.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    tensors = [t for t in tensors if t.numel()]
    order = float(norm_type)
    norms = [norm(t, order) for t in tensors]
    total = norm(stack([x.to(norms[0].dtype) for x in norms]), order) if norms else zeros(())
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"get_total_norm: the norm of order {norm_type} is {total.item()}\n"
            "error_if_nonfinite=False returns it nevertheless."
        )
    return total


@np.errstate(all="ignore")
@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients in place by min(1, max_norm / (norm + 1e-6)), and return their norm before that.

    The norm is that of all gradients as one vector (``get_total_norm``).

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: expected max_norm ≥ 0, got {max_norm}")
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    # A NaN is passed on, as PyTorch does, and not hidden.
    factor = clamp(max_norm / (total + 1e-6), max=1.0)
    for gradient in gradients:
        change(gradient, "clip_grad_norm_", lambda g: g * factor.to(g.dtype))
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of all gradients to [−clip_value, clip_value], in place."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: expected clip_value ≥ 0, got {clip_value}")
    for gradient in _gradients(parameters):
        change(gradient, "clip_grad_value_", lambda g: clamp(g, -clip_value, clip_value))


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after the other, as one differentiable vector."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of ``vec`` into the parameters, in the order of ``parameters_to_vector``."""
    parameters = list(parameters)
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    count = sum(p._array.size for p in parameters)
    if tuple(vec.shape) != (count,):
        raise ShapeError(
            f"vector_to_parameters: expected vec ({count},), one element for each of the parameters, "
            f"got {tuple(vec.shape)}"
        )
    start = 0
    for parameter in parameters:
        array = parameter._array
        array[...] = vec._array[start : start + array.size].reshape(array.shape)
        parameter._bump("vector_to_parameters")
        start += array.size
