"""Gradients divided by the root of their accumulated squares: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from ..kernels import update
from ..tensor import Tensor
from .optimizer import Change, Group, Optimizer, Parameters, direction


class Adagrad(Optimizer):
    """Steps scaled by all past gradients, ``p ← p − lr / (1 + (t − 1) lr_decay) · d / (√s + eps)``.

    With ``d = ±p.grad + weight_decay · p`` (− to maximize), ``s ← s + d²`` from
    ``initial_accumulator_value``.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic
    optimization (JMLR 12, 2011), Figure 1, diagonal matrices.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        t = self._count(p)
        self._buffer(p, "sum", group["initial_accumulator_value"])
        lr = group["lr"] / (1 + (t - 1) * group["lr_decay"])
        numbers = direction(group), group["weight_decay"], lr, group["eps"]
        return update.adagrad, ("sum",), numbers


class RMSprop(Optimizer):
    """Steps scaled by recent gradients, ``p ← p − lr d / (√v + eps)``.

    With ``d = ±p.grad + weight_decay · p`` (− to maximize), ``v ← alpha · v + (1 − alpha) d²``.
    ``centered`` puts the variance v − m², ``m ← alpha · m + (1 − alpha) d``, in the place of v.
    With ``momentum`` the scaled gradients are summed first: ``b ← momentum · b + d / (√v + eps)``,
    ``p ← p − lr b``.

    Sources: Tieleman and Hinton, Neural networks for machine learning (2012), lecture 6e; the
    centered form from Graves, Generating sequences with recurrent neural networks (2013), eq. 38 to
    41, with eps outside of the root as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        self._count(p)
        alpha, momentum = group["alpha"], group["momentum"]
        kernel, buffers = _RMSPROP[bool(group["centered"]), momentum > 0]
        numbers = (
            direction(group),
            group["weight_decay"],
            group["lr"],
            alpha,
            1 - alpha,
            group["eps"],
        )
        return kernel, buffers, (*numbers, *([momentum] if momentum > 0 else []))


#: Kernel and state by (centered, with momentum).
_RMSPROP = {
    (False, False): (update.rmsprop, ("square_avg",)),
    (False, True): (update.rmsprop_momentum, ("square_avg", "momentum_buffer")),
    (True, False): (update.rmsprop_centered, ("square_avg", "grad_avg")),
    (True, True): (
        update.rmsprop_centered_momentum,
        ("square_avg", "grad_avg", "momentum_buffer"),
    ),
}


class Adadelta(Optimizer):
    """Steps as long as recent ones, ``p ← p − lr δ`` with ``δ = √(u + eps) / √(v + eps) · d``.

    With ``d = ±p.grad + weight_decay · p`` (− to maximize),
    ``v ← rho · v + (1 − rho) d²`` before and ``u ← rho · u + (1 − rho) δ²`` after δ is taken.

    Source: Zeiler, ADADELTA: an adaptive learning rate method (2012), Algorithm 1 (lr = 1 there).
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        self._count(p)
        rho = group["rho"]
        numbers = direction(group), group["weight_decay"], group["lr"], rho, 1 - rho, group["eps"]
        return update.adadelta, ("square_avg", "acc_delta"), numbers
