"""Padding as modules: ``padding`` is one width for all sides or (left, right, top, bottom, …); negative widths cut."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from .module import Module

__all__ = [
    "ConstantPad1d", "ConstantPad2d", "ConstantPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "CircularPad1d", "CircularPad2d", "CircularPad3d",
]  # fmt: skip

Widths = int | tuple[int, ...]


class _Pad(Module):
    _dims: int
    _mode: str

    def __init__(self, padding: Widths) -> None:
        super().__init__()
        widths = (padding,) * (2 * self._dims) if isinstance(padding, int) else tuple(padding)
        if len(widths) != 2 * self._dims:
            raise ValueError(
                f"{type(self).__name__}: expected an int or {2 * self._dims} of them as padding, got {padding!r}"
            )
        self.padding = widths

    def forward(self, input: Tensor) -> Tensor:
        return ops.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return ops.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A constant around length."""

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """A constant around height and width."""

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """A constant around depth, height and width."""

    _dims = 3


class ZeroPad1d(_Pad):
    """Zeros around length."""

    _dims = 1
    _mode = "constant"


class ZeroPad2d(_Pad):
    """Zeros around height and width."""

    _dims = 2
    _mode = "constant"


class ZeroPad3d(_Pad):
    """Zeros around depth, height and width."""

    _dims = 3
    _mode = "constant"


class ReflectionPad1d(_Pad):
    """The elements mirrored at the first and last of length."""

    _dims = 1
    _mode = "reflect"


class ReflectionPad2d(_Pad):
    """The elements mirrored at the first and last of height and width."""

    _dims = 2
    _mode = "reflect"


class ReflectionPad3d(_Pad):
    """The elements mirrored at the first and last of depth, height and width."""

    _dims = 3
    _mode = "reflect"


class ReplicationPad1d(_Pad):
    """The first and last element repeated around length."""

    _dims = 1
    _mode = "replicate"


class ReplicationPad2d(_Pad):
    """The first and last element repeated around height and width."""

    _dims = 2
    _mode = "replicate"


class ReplicationPad3d(_Pad):
    """The first and last element repeated around depth, height and width."""

    _dims = 3
    _mode = "replicate"


class CircularPad1d(_Pad):
    """The elements from the other end around length."""

    _dims = 1
    _mode = "circular"


class CircularPad2d(_Pad):
    """The elements from the other end around height and width."""

    _dims = 2
    _mode = "circular"


class CircularPad3d(_Pad):
    """The elements from the other end around depth, height and width."""

    _dims = 3
    _mode = "circular"
