"""Special functions under PyTorch's names; the formulas stand in ``ops/special.py``."""

from __future__ import annotations

from .ops.activation import sigmoid as expit
from .ops.pointwise import erf, expm1, log1p
from .ops.reduce import log_softmax, logsumexp, softmax
from .ops.rounding import round
from .ops.special import (
    digamma,
    entr,
    erfc,
    erfinv,
    exp2,
    lgamma,
    logit,
    mvlgamma,
    ndtr,
    polygamma,
    xlog1py,
    xlogy,
)  # fmt: skip
from .ops.trigonometric import sinc

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_softmax", "logit",
    "logsumexp", "multigammaln", "ndtr", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

gammaln, multigammaln, psi = lgamma, mvlgamma, digamma
