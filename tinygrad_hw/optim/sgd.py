"""Steepest descent: SGD with momentum, and Rprop, which looks at signs only."""

from __future__ import annotations

from ..kernels import update
from ..tensor import Tensor
from .optimizer import Change, Group, Optimizer, Parameters, direction


class SGD(Optimizer):
    """Gradient descent, ``p ← p − lr u`` with ``u`` the gradient or its running sum (momentum).

    With ``d = ±p.grad + weight_decay · p`` (− to maximize) the buffer is ``b₁ = d₁`` and then
    ``b ← momentum · b + (1 − dampening) d``; ``u`` is ``d`` without momentum, ``b`` with it, and
    ``d + momentum · b`` for ``nesterov``.

    Sources: Polyak, Some methods of speeding up the convergence of iteration methods (1964);
    Sutskever et al., On the importance of initialization and momentum in deep learning (ICML 2013),
    eq. 1 to 4, with lr moved out of the buffer as PyTorch does.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise ValueError(
                "SGD: expected momentum > 0 and dampening = 0 with nesterov, "
                f"got momentum {group['momentum']!r} and dampening {group['dampening']!r}"
            )

    def _change(self, p: Tensor, group: Group) -> Change:
        momentum = group["momentum"]
        common = direction(group), group["weight_decay"], group["lr"]
        if momentum == 0:
            return update.sgd, (), common
        fresh = 1 - group["dampening"] if "momentum_buffer" in self.state[p] else 1
        direct, lagged = (1, momentum) if group["nesterov"] else (0, 1)
        return (
            update.sgd_momentum,
            ("momentum_buffer",),
            (*common, momentum, fresh, direct, lagged),
        )


class Rprop(Optimizer):
    """Resilient backpropagation, ``p ← p − sgn(d) s`` with a step size ``s`` for each element.

    With ``d = ±p.grad`` (− to maximize) and ``c = d · d_previous``, ``s`` starts at ``lr`` and is
    multiplied by ``etas[1]`` where c > 0, by ``etas[0]`` where c < 0, and kept within
    ``step_sizes``. Where c < 0 the element stays for one step and its ``d`` counts as 0 for the
    next.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning (ICNN
    1993), eq. 4 and 5, in the form without backtracking, called iRprop− by Igel and Hüsken (2000),
    Algorithm 4.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults)

    def _change(self, p: Tensor, group: Group) -> Change:
        self._count(p)
        self._buffer(p, "step_size", group["lr"])
        numbers = direction(group), *group["etas"], *group["step_sizes"]
        return update.rprop, ("prev", "step_size"), numbers
