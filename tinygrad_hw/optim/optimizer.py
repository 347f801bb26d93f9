"""What all optimizers share: parameter groups, state, the walk over parameters with a gradient."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..errors import CaptureError, DTypeError, ShapeError
from ..kernels import recording
from ..kernels.jit import Kernel
from ..tensor import Tensor
from .alike import Alike, Ready

Group = dict[str, Any]
#: A kernel, the names of the state that it changes beside the parameter, and its numbers.
Change = tuple[Kernel, tuple[str, ...], tuple[float, ...]]
Parameters = Iterable[Tensor] | Iterable[Group]


def _number(low: float, high: float = math.inf) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, Real) and low <= float(x) <= high


def _pair(holds: Callable[[Any, Any], bool]) -> Callable[[Any], bool]:
    return lambda x: (
        isinstance(x, tuple | list)
        and len(x) == 2
        and all(isinstance(v, Real) for v in x)
        and holds(*x)
    )


def _count(x: Any) -> bool:
    return isinstance(x, int) and x > 0


#: What a hyper-parameter may be, by its name, which means the same in every optimizer.
_DOMAINS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        (
            *("lr", "eps", "momentum", "weight_decay", "alpha", "lr_decay", "momentum_decay"),
            *("initial_accumulator_value", "tolerance_grad", "tolerance_change"),
        ),
        (_number(0), "a number >= 0"),
    ),
    "rho": (_number(0, 1), "a number in [0, 1]"),
    "betas": (_pair(lambda a, b: 0 <= a < 1 and 0 <= b < 1), "two numbers in [0, 1)"),
    "etas": (_pair(lambda a, b: 0 < a < 1 < b), "two numbers, 0 < etas[0] < 1 < etas[1]"),
    "step_sizes": (_pair(lambda a, b: 0 <= a <= b), "two numbers, 0 <= smallest <= largest"),
    **dict.fromkeys(("max_iter", "max_eval", "history_size"), (_count, "an integer > 0")),
    "line_search_fn": (lambda x: x in (None, "strong_wolfe"), "None or 'strong_wolfe'"),
}


class Optimizer:
    """Changes parameters along their gradients: ``p ← p + Δ(p.grad, state, hyper-parameters)``.

    ``params`` is an iterable of leaf Tensors, or of dicts: each a group with its ``"params"`` and
    the hyper-parameters in which it differs from ``defaults``. ``param_groups`` lists the groups;
    their numbers may be changed between steps, and that is how schedules work. ``state[p]`` holds
    what the method remembers of a parameter: Tensors shaped like it, and numbers.

    An optimizer defines ``_change``: the kernel, state and numbers of one parameter's step.

    Raises: TypeError (not a Tensor), DTypeError (not floating point), ValueError (no parameters,
    one given twice, one that is not a leaf, a hyper-parameter out of its range).
    """

    def __init__(self, params: Parameters, defaults: Group) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._ready: Ready | None = None
        self._scalars: dict[tuple, list[np.floating]] = {}
        if isinstance(params, Tensor):
            raise TypeError(
                f"{self._name}: expected an iterable of Tensors or dicts, got a Tensor\n"
                "Put a single parameter in a list."
            )
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{self._name}: expected at least one parameter, got none")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with hyper-parameters of their own, the others from ``defaults``."""
        if not isinstance(param_group, dict):
            raise TypeError(
                f"{self._name}: expected a group to be a dict, got {type(param_group).__name__}"
            )
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                f"{self._name}: expected an ordered collection of parameters, got a set"
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            self._check_parameter(p)
            if id(p) in seen:
                raise ValueError(f"{self._name}: a parameter of shape {p.shape} was given twice")
            seen.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self._check_group(group)
        self.param_groups.append(group)
        recording.changed()

    def _check_parameter(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{self._name}: expected parameters to be Tensors, got {type(p).__name__}"
            )
        if p._array.dtype.kind != "f":
            raise DTypeError(
                f"{self._name}: expected floating point parameters, got {p._array.dtype}"
            )
        if not p.is_leaf:
            raise ValueError(
                f"{self._name}: expected leaf parameters, got the result of an operation\n"
                "Give the Tensor that it was computed from, or .detach() it."
            )

    def _check_group(self, group: Group) -> None:
        """Refuse hyper-parameters out of their range."""
        for name, value in group.items():
            holds, text = _DOMAINS.get(name, (None, ""))
            if holds is not None and not holds(value):
                raise ValueError(f"{self._name}: expected {name} to be {text}, got {value!r}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with 0 in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                    continue
                if p.grad.requires_grad:
                    p.grad = p.grad.detach()
                p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters with gradients; returns ``closure()``, run first with grad enabled.

        Raises: ShapeError, DTypeError when a gradient does not match its parameter; no parameter
        has changed then.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if (recording.current and recording.here()) is not None:
            self._record(recording.current)
            return loss
        ready = self._ready
        if ready is not None and ready.fits():
            for alike in ready.alike:
                alike.launch(alike.next())
            changed = ready.changed
        else:
            changed = self._first_step()
        name = f"{self._name}.step"
        for p in changed:
            version = p._version
            version[0] += 1
            version[1] = name
        return loss

    def _first_step(self) -> list[Tensor]:
        """A step that looks at every parameter, and makes the next ones ready; returns what it changed."""
        self._ready = None
        work = [
            (p, group, self._gradient(p))
            for group in self.param_groups
            for p in group["params"]
            if p._grad is not None
        ]
        found: dict[tuple, tuple[Alike, Change]] = {}
        whole = True
        for p, group, gradient in work:
            counts = self._counts(p)
            change = kernel, names, numbers = self._change(p, group)
            if self._arrays(p, names, gradient) is None:
                self._update_copies(p, kernel, names, gradient, numbers)
                whole = False
                continue
            key = id(group), kernel, p._array.dtype, counts, numbers
            if key not in found:
                found[key] = Alike(self, group), change
            found[key][0].members.append(p)
        for alike, change in found.values():
            alike.launch(change)
            alike.settle()
        changed = [p for p, _, _ in work]
        if whole:
            self._ready = Ready(self, [alike for alike, _ in found.values()], changed)
        return changed

    def _change(self, p: Tensor, group: Group) -> Change:
        """The next step of ``p``: ``kernel(p, *state[p][names], p.grad, *numbers)``, counted in ``state[p]``."""
        raise NotImplementedError(f"{self._name} does not define its update")

    def _gradient(self, p: Tensor) -> np.ndarray:
        """The array of ``p.grad``, found to match ``p``."""
        assert p.grad is not None
        a, g = p._array, p.grad._array
        if g.shape != a.shape:
            raise ShapeError(
                f"{self._name}.step: expected a gradient of its parameter's shape {a.shape}, "
                f"got {g.shape}"
            )
        if g.dtype != a.dtype:
            raise DTypeError(
                f"{self._name}.step: expected a gradient of its parameter's {a.dtype}, "
                f"got {g.dtype}"
            )
        return g

    def _count(self, p: Tensor) -> int:
        """The number of this step of ``p``, from 1."""
        state = self.state[p]
        state["step"] = step = state.get("step", 0) + 1
        return step

    def _buffer(self, p: Tensor, name: str, value: float = 0.0) -> Tensor:
        """``state[p][name]``, at first a Tensor like ``p`` full of ``value``."""
        state = self.state[p]
        if name not in state:
            state[name] = Tensor._wrap(np.full(p._array.shape, value, p._array.dtype))
        return state[name]

    def _arrays(self, p: Tensor, names: tuple[str, ...], gradient: np.ndarray) -> list | None:
        """``p``, its state and its gradient as a kernel takes them; None unless they are contiguous."""
        array = p._array
        arrays = [array]
        for name in names:
            b = self._buffer(p, name)._array
            if b.shape != array.shape:
                raise ShapeError(
                    f"{self._name}.step: expected {name!r} of its parameter's shape {array.shape}, "
                    f"got {b.shape}"
                )
            arrays.append(b)
        arrays.append(gradient)
        for a in arrays:
            if not a.flags.c_contiguous:
                return None
        return arrays

    def _update_copies(
        self,
        p: Tensor,
        kernel: Kernel,
        names: tuple[str, ...],
        gradient: np.ndarray,
        numbers: tuple,
    ) -> None:
        """The step of a parameter whose elements do not lie in order, on copies."""
        targets = [p._array, *[self._buffer(p, name)._array for name in names]]
        copies = [np.array(a, order="C") for a in (*targets, gradient)]
        kernel(*[a.reshape(-1) for a in copies], *self._cast(p._array.dtype, numbers))
        for target, copy in zip(targets, copies, strict=False):
            target[...] = copy

    def _cast(self, dtype: np.dtype, numbers: tuple) -> list[np.floating]:
        """``numbers`` in ``dtype``. A cast takes 0.3 µs, and most steps use the numbers of the last one."""
        found = self._scalars.get((dtype, numbers))
        if found is None:
            if len(self._scalars) > 8:
                self._scalars.clear()
            found = self._scalars[dtype, numbers] = [*map(dtype.type, numbers)]
        return found

    def _record(self, recorder: recording.Recorder) -> None:
        """The step as launches, and what gives them the numbers of the moment at each replay."""
        recorder.guard(
            self, lambda: (id(self.state), [list(map(id, g["params"])) for g in self.param_groups])
        )
        before = {p: dict(values) for p, values in self.state.items()}
        recorder.undo_calls.append(lambda: self._restore(before))
        work = [
            (p, group, self._gradient(p))
            for group in self.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        alike: dict[tuple, list] = {}
        for p, group, gradient in work:
            recorder.adopt(p)
            counts = self._counts(p)
            kernel, names, numbers = self._change(p, group)
            arrays = self._arrays(p, names, gradient)
            if arrays is None:
                raise CaptureError(
                    f"compile: {self._name}.step found a parameter whose elements do not lie in order\n"
                    "Make it contiguous before the step."
                )
            for name in names:
                recorder.adopt(self.state[p][name])
            kernel(*[a.reshape(-1) for a in arrays], *self._cast(p._array.dtype, numbers))
            recorder.changes(p, f"{self._name}.step")
            key = id(group), kernel, p._array.dtype, counts, numbers
            alike.setdefault(key, [group, kernel, []])[2].append((p, recorder.items[-1]))
        for group, kernel, members in alike.values():
            recorder.hosts.append(self._follow(group, kernel, members))

    def _counts(self, p: Tensor) -> tuple:
        """What ``state[p]`` holds beside arrays: parameters for which it is equal stay in step."""
        values = self.state.get(p, {})
        return tuple((k, v) for k, v in values.items() if not isinstance(v, Tensor))

    def _restore(self, before: dict[Tensor, dict]) -> None:
        self.state.clear()
        self.state.update(before)

    def _follow(self, group: Group, kernel: Kernel, members: list) -> recording.Host:
        """What brings the launches of ``members``, which are alike, up to date before a replay."""
        launches = [launch for _, launch in members]
        alike = Alike(self, group)
        alike.members = [p for p, _ in members]
        alike.settle()
        counted = alike.counted
        last: tuple = ()
        seen: list = []

        def refresh(program: Any) -> bool:
            nonlocal last, seen
            if not counted and seen == [*group.values()]:
                return False
            seen = [*group.values()]
            now, _, numbers = alike.next()
            if now is not kernel:
                raise CaptureError(
                    f"{self._name}.step: its hyper-parameters now mean another update than was recorded\n"
                    "Call reset() on the compiled step."
                )
            if numbers == last:
                return False
            last = numbers
            program.set_numbers(launches, numbers)
            return True

        return refresh, alike.undo if counted else None

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: …}, "param_groups": […]}``, parameters numbered over all groups.

        The Tensors in it are the live ones, not copies.
        """
        index = {id(p): i for i, p in enumerate(self._parameters())}
        return {
            "state": {index[id(p)]: state for p, state in self.state.items()},
            "param_groups": [
                {**group, "params": [index[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over copies of a saved state and of the groups' hyper-parameters.

        Steps continue bit for bit. Tensors are cast to the dtype of their parameters.

        Raises: ValueError when the groups, their sizes, the hyper-parameters' names or the shapes
        are not those of this optimizer; nothing has changed then.
        """
        where = f"{self._name}.load_state_dict"
        saved = state_dict["param_groups"]
        expected = [len(group["params"]) for group in self.param_groups]
        got = [len(group["params"]) for group in saved]
        if expected != got:
            raise ValueError(
                f"{where}: expected groups of {expected} parameters, got groups of {got}\n"
                "Build the optimizer over the same model and groups as the one that was saved."
            )
        groups = []
        for own, group in zip(self.param_groups, saved, strict=True):
            missing = sorted(self.defaults.keys() - group.keys())
            if missing:
                raise ValueError(
                    f"{where}: expected every group to hold {missing[0]!r}, which this one lacks\n"
                    "It seems to come from another kind of optimizer."
                )
            groups.append({**deepcopy(group), "params": own["params"]})
            self._check_group(groups[-1])
        indices = list(chain.from_iterable(group["params"] for group in saved))
        parameter = dict(zip(indices, self._parameters(), strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for i, values in state_dict["state"].items():
            if i not in parameter:
                raise ValueError(
                    f"{where}: expected state of the parameters {indices}, got state of {i!r}"
                )
            p = parameter[i]
            state[p] = {name: self._copy(where, name, v, p) for name, v in values.items()}
        self.param_groups = groups
        self.state = state
        recording.changed()

    def _copy(self, where: str, name: str, value: Any, p: Tensor) -> Any:
        """A copy of one saved value, Tensors cast to the dtype of ``p``."""
        if isinstance(value, list):
            return [self._copy(where, name, v, p) for v in value]
        if not isinstance(value, Tensor):
            return deepcopy(value)
        shape = self._state_shape(p)
        if value._array.shape != shape:
            raise ValueError(
                f"{where}: expected {name!r} of shape {shape}, got {value._array.shape}"
            )
        return Tensor._wrap(np.array(value._array, p._array.dtype, order="C"))

    def _state_shape(self, p: Tensor) -> tuple[int, ...]:
        return p._array.shape

    def _parameters(self) -> Iterable[Tensor]:
        return chain.from_iterable(group["params"] for group in self.param_groups)

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])


def direction(group: Group) -> float:
    """−1 to maximize, 1 to minimize: the sign that a gradient gets."""
    return -1.0 if group["maximize"] else 1.0


def decay(group: Group) -> tuple[float, float]:
    """Weight decay as ``(term in the gradient, factor on the parameter)``: coupled or decoupled."""
    weight_decay = group["weight_decay"]
    if group["decoupled_weight_decay"]:
        return 0.0, 1.0 - group["lr"] * weight_decay
    return weight_decay, 1.0
