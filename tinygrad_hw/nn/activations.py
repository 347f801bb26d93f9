"""Activation functions as modules; the formulas stand with the operators of the same name."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..inplace import change
from ..tensor import Tensor
from .init import constant_
from .layers import _empty
from .module import Module


class _Activation(Module):
    """A function of each element; with ``inplace`` its values replace the input's."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def function(self, input: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        if self.inplace:
            return change(input, f"{type(self).__name__}(inplace=True)", self.function)
        return self.function(input)

    def settings(self) -> str:
        """What ``repr`` shows besides ``inplace``."""
        return ""

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [self.settings(), "inplace=True" if self.inplace else ""]))


class ReLU(_Activation):
    """max(0, x)."""

    def function(self, input: Tensor) -> Tensor:
        return ops.relu(input)


class ReLU6(_Activation):
    """min(max(0, x), 6)."""

    def function(self, input: Tensor) -> Tensor:
        return ops.relu6(input)


class LeakyReLU(_Activation):
    """x where x > 0, else ``negative_slope`` · x."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def function(self, input: Tensor) -> Tensor:
        return ops.leaky_relu(input, self.negative_slope)

    def settings(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, else w · x, w a parameter: one, or one for each index of dim 1."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, dtype: np.dtype | None = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = _empty((num_parameters,), dtype, "PReLU")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set w to ``init``."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return ops.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(_Activation):
    """x where x > 0, else a · x, a drawn from [lower, upper] in training, else their mean."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def function(self, input: Tensor) -> Tensor:
        return ops.rrelu(input, self.lower, self.upper, self.training)

    def settings(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class _Alpha(_Activation):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def settings(self) -> str:
        return f"alpha={self.alpha}"


class ELU(_Alpha):
    """x where x > 0, else ``alpha`` · (eˣ − 1)."""

    def function(self, input: Tensor) -> Tensor:
        return ops.elu(input, self.alpha)


class CELU(_Alpha):
    """x where x > 0, else ``alpha`` · (e^(x/alpha) − 1)."""

    def function(self, input: Tensor) -> Tensor:
        return ops.celu(input, self.alpha)


class SELU(_Activation):
    """λ · x where x > 0, else λα · (eˣ − 1), with the λ and α that keep mean 0 and variance 1."""

    def function(self, input: Tensor) -> Tensor:
        return ops.selu(input)


class GELU(Module):
    """x · Φ(x), Φ the normal distribution function, or its ``approximate='tanh'``."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return ops.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_Activation):
    """x · σ(x)."""

    def function(self, input: Tensor) -> Tensor:
        return ops.silu(input)


class Mish(_Activation):
    """x · tanh(log(1 + eˣ))."""

    def function(self, input: Tensor) -> Tensor:
        return ops.mish(input)


class Hardtanh(_Activation):
    """x cut to [min_val, max_val]."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if min_val > max_val:
            raise ValueError(f"Hardtanh: expected min_val ≤ max_val, got {min_val} and {max_val}")
        self.min_val = min_val
        self.max_val = max_val

    def function(self, input: Tensor) -> Tensor:
        return ops.hardtanh(input, self.min_val, self.max_val)

    def settings(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6."""

    def function(self, input: Tensor) -> Tensor:
        return ops.hardsigmoid(input)


class Hardswish(_Activation):
    """x · min(max(x + 3, 0), 6) / 6."""

    def function(self, input: Tensor) -> Tensor:
        return ops.hardswish(input)


class _Shrink(Module):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x where abs(x) > ``lambd``, else 0."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x less ``lambd`` towards 0, and 0 where abs(x) ≤ ``lambd``."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.softshrink(input, self.lambd)


class Threshold(_Activation):
    """x where x > ``threshold``, else ``value``."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def function(self, input: Tensor) -> Tensor:
        return ops.threshold(input, self.threshold, self.value)

    def settings(self) -> str:
        return f"threshold={self.threshold}, value={self.value}"


class Softsign(Module):
    """x / (1 + abs(x))."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.softsign(input)


class Tanhshrink(Module):
    """x − tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.tanhshrink(input)


class GLU(Module):
    """a · σ(b) of the two halves along ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return ops.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class AlphaDropout(_Activation):
    """Dropout that keeps mean 0 and variance 1 of what a SELU gives, in training."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not 0 <= p <= 1:
            raise ValueError(f"AlphaDropout: expected a probability p in [0, 1], got {p}")
        self.p = p

    def function(self, input: Tensor) -> Tensor:
        return ops.alpha_dropout(input, self.p, self.training)

    def settings(self) -> str:
        return f"p={self.p}"


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ)."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.sigmoid(input)


class LogSigmoid(Module):
    """log σ(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.logsigmoid(input)


class Softplus(Module):
    """log(1 + e^(βx)) / β, and x where βx > ``threshold``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return ops.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.tanh(input)


class _AlongDim(Module):
    """A function of the rows along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """e^xᵢ / Σⱼ e^xⱼ along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """xᵢ − log Σⱼ e^xⱼ along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """Softmax of −x along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.softmin(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of images (n, channels, h, w), or (channels, h, w)."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.softmax(input, -3)
