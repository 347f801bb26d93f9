"""Convolutions as modules; the formulas stand with the operators of the same name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..ops.convolution import per_dim
from ..tensor import Tensor
from . import init
from .layers import _empty
from .module import Module
from .parameter import Parameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip

Size = int | tuple[int, ...]
_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """Weight (out, in / groups, …) and bias (out), both uniform in ±1/√(in / groups · window)."""

    _dims: int
    _function: Callable[..., Any]
    _transposed = False
    bias: Parameter | None

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size | str = 0, dilation: Size = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name, dims = type(self).__name__, self._dims
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: expected groups that divide in_channels and out_channels, "
                f"got {groups} for {in_channels} and {out_channels}"
            )
        if padding_mode not in _MODES:
            raise ValueError(
                f"{name}: expected padding_mode of {', '.join(_MODES)}, got {padding_mode!r}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_dim(name, "kernel_size", kernel_size, dims, 1)
        self.stride = per_dim(name, "stride", stride, dims, 1)
        self.dilation = per_dim(name, "dilation", dilation, dims, 1)
        if isinstance(padding, str):
            if padding not in ("valid", "same"):
                raise ValueError(
                    f"{name}: expected padding 'valid', 'same' or ints, got {padding!r}"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"{name}: expected stride 1 with padding='same', got {self.stride}"
                )
            self.padding: Any = padding
        else:
            self.padding = per_dim(name, "padding", padding, dims)
        self.padding_mode = padding_mode
        ends = (
            (in_channels, out_channels // groups)
            if self._transposed
            else (out_channels, in_channels // groups)
        )
        self.weight = _empty((*ends, *self.kernel_size), dtype, name)
        if bias:
            self.bias = _empty((out_channels,), dtype, name)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        inside = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(inside) if inside else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def _around(self) -> tuple[int, ...]:
        """The widths that ``pad`` takes, last dimension first."""
        window = zip(self.kernel_size, self.dilation, strict=True)
        if self.padding == "same":
            totals = [d * (k - 1) for k, d in window]
            pairs = [(t // 2, t - t // 2) for t in totals]
        elif self.padding == "valid":
            pairs = [(0, 0)] * self._dims
        else:
            pairs = [(p, p) for p in self.padding]
        return tuple(width for pair in reversed(pairs) for width in pair)

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = ops.pad(input, self._around(), self.padding_mode), 0
        return type(self)._function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * self._dims:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._dims:
            parts.append(f"dilation={self.dilation}")
        more = getattr(self, "output_padding", ())
        if any(more):
            parts.append(f"output_padding={more}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """The convolution of (n, channels, length) with a weight (out, in / groups, window), plus a bias."""

    _dims = 1
    _function = ops.conv1d


class Conv2d(_Conv):
    """The convolution of (n, channels, height, width) with a weight (out, in / groups, …), plus a bias."""

    _dims = 2
    _function = ops.conv2d


class Conv3d(_Conv):
    """The convolution of (n, channels, depth, height, width) with a weight (out, in / groups, …), plus a bias."""

    _dims = 3
    _function = ops.conv3d


class _ConvTranspose(_Conv):
    """Weight (in, out / groups, …)."""

    _transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1,
        padding: Size = 0, output_padding: Size = 0, groups: int = 1, bias: bool = True,
        dilation: Size = 1, padding_mode: str = "zeros", dtype: np.dtype | None = None,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{name}: expected padding_mode 'zeros', got {padding_mode!r}")
        if isinstance(padding, str):
            raise ValueError(f"{name}: expected ints as padding, got {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            dtype=dtype,
        )
        self.output_padding = per_dim(name, "output_padding", output_padding, self._dims)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        more = self.output_padding if output_size is None else self._more(input, output_size)
        return type(self)._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            more,
            self.groups,
            self.dilation,
        )

    def _more(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives ``output_size``."""
        dims = self._dims
        wanted = tuple(output_size)[-dims:]
        geometry = zip(
            input.shape[-dims:],
            self.stride,
            self.padding,
            self.dilation,
            self.kernel_size,
            strict=True,
        )
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in geometry]
        more = tuple(a - b for a, b in zip(wanted, least, strict=True))
        if any(not 0 <= m < s for m, s in zip(more, self.stride, strict=True)):
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            raise ValueError(
                f"{type(self).__name__}: expected output_size from {least} to {most}, got {wanted}"
            )
        return more


class ConvTranspose1d(_ConvTranspose):
    """The transpose of Conv1d: (n, in, length) to (n, out, (length − 1)·stride − 2·padding + window …)."""

    _dims = 1
    _function = ops.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d."""

    _dims = 2
    _function = ops.conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """The transpose of Conv3d."""

    _dims = 3
    _function = ops.conv_transpose3d
