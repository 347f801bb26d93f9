"""Steps along a running mean of gradients, scaled by a running norm: Adam and its family."""

from __future__ import annotations

import math
from typing import Any

from ..kernels import update
from ..tensor import Tensor
from .optimizer import Change, Group, Optimizer, Parameters, decay, direction

_MOMENTS = ("exp_avg", "exp_avg_sq")


def _weights(group: Group) -> tuple[float, float, float, float]:
    """β₁, 1 − β₁, β₂, 1 − β₂."""
    beta1, beta2 = group["betas"]
    return beta1, 1 - beta1, beta2, 1 - beta2


class Adam(Optimizer):
    """Adaptive moments, ``p ← p − lr m̂ / (√v̂ + eps)``.

    With ``d = ±p.grad + weight_decay · p`` (− to maximize) and β₁, β₂ = ``betas``,

        m ← β₁ m + (1 − β₁) d      m̂ = m / (1 − β₁ᵗ)
        v ← β₂ v + (1 − β₂) d²     v̂ = v / (1 − β₂ᵗ), for ``amsgrad`` its v the largest so far.

    ``decoupled_weight_decay`` leaves the decay out of d and shrinks p by 1 − lr · weight_decay
    first.

    Sources: Kingma and Ba, Adam: a method for stochastic optimization (ICLR 2015), Algorithm 1;
    Reddi et al., On the convergence of Adam and beyond (ICLR 2018), Algorithm 2, with bias
    corrections as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        t = self._count(p)
        beta1, _, beta2, _ = weights = _weights(group)
        lr = group["lr"] / (1 - beta1**t)
        scale = 1 / math.sqrt(1 - beta2**t)
        numbers = direction(group), *decay(group), lr, *weights, scale, group["eps"]
        if group["amsgrad"]:
            return update.adam_amsgrad, (*_MOMENTS, "max_exp_avg_sq"), numbers
        return update.adam, _MOMENTS, numbers


class AdamW(Adam):
    """Adam with decoupled weight decay, ``p ← (1 − lr · weight_decay) p − lr m̂ / (√v̂ + eps)``.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization (ICLR 2019), Algorithm 2,
    line 12, its schedule multiplier taken into lr.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # a state saved by Adam goes on with decoupled decay
            group["decoupled_weight_decay"] = True


class Adamax(Optimizer):
    """Adam in the infinity norm, ``p ← p − lr / (1 − β₁ᵗ) · m / u``.

    With ``d`` and ``m`` as in Adam, ``u ← max(β₂ u, |d| + eps)``.

    Source: Kingma and Ba (ICLR 2015), Algorithm 2; eps, which keeps u from 0, as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        t = self._count(p)
        beta1, fresh1, beta2, _ = _weights(group)
        lr = group["lr"] / (1 - beta1**t)
        numbers = direction(group), group["weight_decay"], lr, beta1, fresh1, beta2, group["eps"]
        return update.adamax, ("exp_avg", "exp_inf"), numbers


class NAdam(Optimizer):
    """Adam with Nesterov momentum.

    With d, m, v and the weight decays as in Adam and the momentum schedule
    ``μₜ = β₁ (1 − 0.5 · 0.96^(t ψ))``, ψ = ``momentum_decay``, ``Πₜ = μ₁ ⋯ μₜ``,

        p ← p − lr [(1 − μₜ) / (1 − Πₜ) · d + μₜ₊₁ / (1 − Πₜ₊₁) · m] / (√v̂ + eps)

    Source: Dozat, Incorporating Nesterov momentum into Adam (ICLR workshop 2016), Algorithm 2, with
    its schedule 0.96^(t / 250).
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        t = self._count(p)
        state = self.state[p]
        beta1, _, beta2, _ = weights = _weights(group)
        mu, mu_next = (
            beta1 * (1 - 0.5 * 0.96 ** (k * group["momentum_decay"])) for k in (t, t + 1)
        )
        state["mu_product"] = product = state.get("mu_product", 1.0) * mu
        now = group["lr"] * (1 - mu) / (1 - product)
        ahead = group["lr"] * mu_next / (1 - product * mu_next)
        scale = 1 / math.sqrt(1 - beta2**t)
        numbers = direction(group), *decay(group), now, ahead, *weights, scale, group["eps"]
        return update.nadam, _MOMENTS, numbers


class RAdam(Optimizer):
    """Adam with the variance of its adaptive step rectified.

    With d, m̂, v and the weight decays as in Adam, ``ρ∞ = 2 / (1 − β₂) − 1`` and
    ``ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)``,

        p ← p − lr r m̂ √(1 − β₂ᵗ) / (√v + eps)    while ρ > 5, else    p ← p − lr m̂,
        r² = (ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ).

    Source: Liu et al., On the variance of the adaptive learning rate and beyond (ICLR 2020),
    Algorithm 2; the bound is 5 where the paper has 4, as in PyTorch.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        t = self._count(p)
        beta1, _, beta2, _ = weights = _weights(group)
        lr = group["lr"] / (1 - beta1**t)
        correction = 1 - beta2**t
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / correction
        # Both are Adam's update: its denominator, scale · √v + eps, becomes 1 where v has no part.
        scale, eps = 0.0, 1.0
        if length > 5:
            lr *= math.sqrt(
                (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            )
            scale = 1 / math.sqrt(correction)
            eps = group["eps"] * scale
        numbers = direction(group), *decay(group), lr, *weights, scale, eps
        return update.adam, _MOMENTS, numbers
