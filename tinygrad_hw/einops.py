"""einops for Tensors: ``import tinygrad_hw.einops`` once, then ``rearrange``, ``reduce``, ``repeat`` and ``einsum`` work.

einops finds the class below among the subclasses of its own.
"""

from __future__ import annotations

from einops._backends import AbstractBackend

from . import ops
from .creation import arange, from_numpy
from .tensor import Tensor


class TinygradHwBackend(AbstractBackend):
    """What einops asks of a library."""

    framework_name = "tinygrad_hw"

    def is_appropriate_type(self, tensor) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x):
        return from_numpy(x)

    def to_numpy(self, x):
        return x.detach().numpy()

    def arange(self, start, stop):
        return arange(start, stop)

    def shape(self, x):
        return tuple(x.shape)

    def reshape(self, x, shape):
        return ops.reshape(x, shape)

    def transpose(self, x, axes):
        return ops.permute(x, axes)

    def reduce(self, x, operation, axes):
        name = {"max": "amax", "min": "amin"}.get(operation, operation)
        if name in ("prod", "any", "all"):  # of one dimension at a time
            for axis in sorted(axes, reverse=True):
                x = getattr(ops, name)(x, axis)
            return x
        return getattr(ops, name)(x, tuple(axes))

    def stack_on_zeroth_dimension(self, tensors):
        return ops.stack(list(tensors))

    def add_axis(self, x, new_position):
        return ops.unsqueeze(x, new_position)

    def add_axes(self, x, n_axes, pos2len):
        sizes = list(x.shape)
        for position, size in sorted(pos2len.items()):
            x = ops.unsqueeze(x, position)
            sizes.insert(position, size)
        return ops.expand(x, sizes)

    def concat(self, tensors, axis):
        return ops.cat(list(tensors), axis)

    def is_float_type(self, x) -> bool:
        return x.is_floating_point()

    def einsum(self, pattern, *x):
        return ops.einsum(pattern, *x)
