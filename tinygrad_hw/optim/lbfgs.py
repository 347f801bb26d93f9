"""Limited-memory BFGS, which looks at all parameters at once and evaluates the loss itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..kernels import recording
from ..tensor import Tensor
from .line_search import Point, strong_wolfe
from .optimizer import Group, Optimizer, Parameters


class LBFGS(Optimizer):
    """Quasi-Newton steps ``x ← x + t d``, ``d = −H ∇f``, H from the last ``history_size`` changes.

    Each ``step(closure)`` makes at most ``max_iter`` of them with at most about ``max_eval`` (by
    default 1.25 ``max_iter``) evaluations. From s = Δx and y = Δ∇f, kept where yᵀs > 1e-10, H
    starts as (yᵀs / yᵀy) I. The step length t is ``lr``, for the first step
    ``lr · min(1, 1 / ‖∇f‖₁)``; ``line_search_fn="strong_wolfe"`` searches on from there. It stops
    where ``max |∇f| <= tolerance_grad`` or the change of x or f is below ``tolerance_change``.

    All parameters share one group and one dtype.

    Sources: Nocedal and Wright, Numerical optimization (2nd ed., 2006), Algorithms 7.4 and 7.5 and
    eq. 7.20; line search: Algorithms 3.5 and 3.6 and eq. 3.59.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        kinds = sorted({p._array.dtype.name for p in group["params"]})
        if len(kinds) > 1:
            raise ValueError(f"LBFGS: expected parameters of one dtype, got {' and '.join(kinds)}")

    def add_param_group(self, param_group: Group) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: expected a single parameter group, got more")
        super().add_param_group(param_group)

    def _state_shape(self, p: Tensor) -> tuple[int, ...]:
        return (sum(q._array.size for q in self._parameters()),)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Minimize ``closure``, which zeroes gradients, computes a loss, runs backward, returns it.

        Returns the first loss. Raises: TypeError without a closure.
        """
        recording.refuse(
            "LBFGS.step", "It decides by the loss how often to evaluate it: leave it outside."
        )
        if closure is None:
            raise TypeError(
                "LBFGS.step: expected a closure, got none\n"
                "It evaluates the loss several times; the closure calls zero_grad and backward."
            )
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        tolerance_change = group["tolerance_change"]

        first, loss, gradient = self._evaluate(closure)
        evaluations = 1
        state["func_evals"] += 1
        if _largest(gradient) <= group["tolerance_grad"]:
            return first

        memory = _Memory(state, group["history_size"])
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            t = float(group["lr"])
            if state["n_iter"] == 1:
                d = -gradient
                t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            else:
                d = memory.direction(gradient)
            previous = loss
            slope = float(gradient @ d)
            memory.d, memory.t, memory.gradient = d, t, gradient
            if slope > -tolerance_change:
                break

            spent = 0
            if group["line_search_fn"] is not None:
                origin = Point(0.0, loss, gradient, slope)
                found, spent = strong_wolfe(
                    self._along(closure, d),
                    origin,
                    t,
                    trials=group["max_eval"] - evaluations,
                    shortest=tolerance_change / (_largest(d) or math.inf),
                )
                memory.t, loss, gradient, _ = found
                self._move(memory.t, d)
            else:
                self._move(t, d)
                if iteration < group["max_iter"]:
                    _, loss, gradient = self._evaluate(closure)
                    spent = 1
            evaluations += spent
            state["func_evals"] += spent
            if (
                evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(memory.t * d) <= tolerance_change
                or abs(loss - previous) < tolerance_change
            ):
                break
        memory.save(state)
        return first

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, np.ndarray]:
        """The closure's result, its value, and all gradients in one vector."""
        with enable_grad():
            result = closure()
        pieces = []
        for p in self._parameters():
            if p.grad is None:
                pieces.append(np.zeros(p._array.size, p._array.dtype))
            else:
                pieces.append(self._gradient(p).ravel())
        return result, float(result), np.concatenate(pieces)

    def _along(self, closure: Callable[[], Any], d: np.ndarray) -> Callable[[float], Point]:
        """The function t → point at x + t d, which leaves x as it was."""
        start = [p._array.copy() for p in self._parameters()]

        def at(t: float) -> Point:
            self._move(t, d)
            _, value, gradient = self._evaluate(closure)
            for p, a in zip(self._parameters(), start, strict=True):
                p._array[...] = a
                p._bump("LBFGS.step")
            return Point(t, value, gradient, float(gradient @ d))

        return at

    def _move(self, t: float, d: np.ndarray) -> None:
        """x ← x + t d"""
        start = 0
        for p in self._parameters():
            a = p._array
            a += t * d[start : start + a.size].reshape(a.shape)
            start += a.size
            p._bump("LBFGS.step")


class _Memory:
    """The last step, and the recent changes y of gradients and s of points that stand for H."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        def arrays(name: str) -> list[np.ndarray]:
            return [x._array for x in state.get(name, [])]

        self.size = size
        self.y, self.s = arrays("old_dirs"), arrays("old_stps")
        self.rho = list(state.get("ro", []))
        self.scale = state.get("H_diag", 1.0)
        self.t = state.get("t", 0.0)
        self.d, self.gradient = (
            state[name]._array if name in state else np.zeros(0) for name in ("d", "prev_flat_grad")
        )

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """−H ∇f after the last step is taken into H (the two-loop recursion)."""
        y = gradient - self.gradient
        s = self.t * self.d
        ys = float(y @ s)
        if ys > 1e-10:
            if len(self.y) == self.size:
                del self.y[0], self.s[0], self.rho[0]
            self.y.append(y)
            self.s.append(s)
            self.rho.append(1.0 / ys)
            self.scale = ys / float(y @ y)
        pairs = list(zip(self.y, self.s, self.rho, strict=True))
        q = -gradient
        alphas = []
        for y, s, rho in reversed(pairs):
            alphas.append(rho * float(s @ q))
            q -= alphas[-1] * y
        q *= self.scale
        for (y, s, rho), alpha in zip(pairs, reversed(alphas), strict=True):
            q += (alpha - rho * float(y @ q)) * s
        return q

    def save(self, state: dict[str, Any]) -> None:
        state.update(
            d=Tensor._wrap(self.d),
            t=self.t,
            old_dirs=[Tensor._wrap(y) for y in self.y],
            old_stps=[Tensor._wrap(s) for s in self.s],
            ro=self.rho,
            H_diag=self.scale,
            prev_flat_grad=Tensor._wrap(self.gradient),
        )


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0.0))
