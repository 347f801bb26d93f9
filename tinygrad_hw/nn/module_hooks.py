"""A module's call with hooks around it: before and after ``forward``, and on its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Function
from ..tensor import Tensor


class ModuleHook:
    """One hook: ``kind`` says when it is called."""

    def __init__(
        self, kind: str, function: Callable, with_kwargs: bool = False, always_call: bool = False
    ) -> None:
        self.kind = kind
        self.function = function
        self.with_kwargs = with_kwargs
        self.always_call = always_call


class _Watch(Function):
    """The identity; ``see`` is given the gradients, None where there is none, and returns those to go on with."""

    @staticmethod
    def forward(ctx, see, *tensors):
        ctx.see = see
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return None, *ctx.see(grads)


class _Gradients:
    """Of one call: the gradients of its outputs, kept until those of its inputs are known."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.outputs: tuple = ()
        self.inputs: int = 0  # how many there are, where none of them requires a gradient

    def watch(self, see: Callable, values: Any) -> Any:
        several = isinstance(values, tuple | list)
        parts = list(values) if several else [values]
        places = [i for i, x in enumerate(parts) if isinstance(x, Tensor) and x.requires_grad]
        if not places:
            return values

        def widened(grads: tuple) -> tuple:
            full: list = [None] * len(parts)
            for i, g in zip(places, grads, strict=True):
                full[i] = g
            seen = see(tuple(full))
            return tuple(seen[i] for i in places)

        for i, x in zip(places, _Watch.apply(widened, *(parts[i] for i in places)), strict=True):
            parts[i] = x
        if not several:
            return parts[0]
        return type(values)(*parts) if hasattr(values, "_fields") else type(values)(parts)

    def of_outputs(self, grads: tuple) -> tuple:
        for hook in self._hooks("before backward"):
            grads = _replaced("backward pre", hook.function(self.module, grads), grads)
        self.outputs = grads
        if self.inputs:
            self.of_inputs((None,) * self.inputs)
        return grads

    def of_inputs(self, grads: tuple) -> tuple:
        for hook in self._hooks("backward"):
            grads = _replaced("backward", hook.function(self.module, grads, self.outputs), grads)
        return grads

    def _hooks(self, kind: str) -> list[ModuleHook]:
        return [h for h in self.module._hooks if h.kind == kind]


def _replaced(kind: str, new: Any, old: tuple) -> tuple:
    if new is None:
        return old
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(old):
        raise RuntimeError(f"{kind} hook: expected {len(old)} gradients, got {len(new)}")
    return new


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """``module.forward(*args, **kwargs)`` and every hook, each where it belongs."""
    hooks: tuple[ModuleHook, ...] = module._hooks
    for hook in hooks:
        if hook.kind == "before" and hook.with_kwargs:
            changed = hook.function(module, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        elif hook.kind == "before":
            changed = hook.function(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    gradients = None
    if any(h.kind in ("backward", "before backward") for h in hooks):
        gradients = _Gradients(module)
        if not any(isinstance(x, Tensor) and x.requires_grad for x in args):
            gradients.inputs = len(args)
        args = gradients.watch(gradients.of_inputs, args)
    called: set[ModuleHook] = set()

    def after(output: Any, hook: ModuleHook) -> Any:
        called.add(hook)
        given = (module, args, kwargs, output) if hook.with_kwargs else (module, args, output)
        changed = hook.function(*given)
        return output if changed is None else changed

    try:
        output = module.forward(*args, **kwargs)
        for hook in hooks:
            if hook.kind == "after":
                output = after(output, hook)
    except Exception:
        for hook in hooks:
            if hook.always_call and hook not in called:
                after(None, hook)
        raise
    return output if gradients is None else gradients.watch(gradients.of_outputs, output)
