"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ops import stack
from ..tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    strict: bool = False,
) -> Any:
    """``module(*args)`` with the tensors of the given names (paths as in ``named_parameters``) in place of its own.

    ``args``: a tuple, or the only argument. ``strict``: all parameters and buffers have to be given.
    Raises: KeyError for names that the module does not have.
    """
    dicts = parameter_and_buffer_dicts
    given = (
        dict(dicts) if isinstance(dicts, Mapping) else {k: v for d in dicts for k, v in d.items()}
    )
    own = {path for path, _ in module.named_parameters(remove_duplicate=False)}
    own |= {path for path, _ in module.named_buffers(remove_duplicate=False)}
    unknown, missing = sorted(given.keys() - own), sorted(own - given.keys())
    if unknown or (strict and missing):
        raise KeyError(f"functional_call: unexpected names {unknown}, missing names {missing}")
    places = []
    for path, tensor in given.items():
        parent, _, name = path.rpartition(".")
        attributes = module.get_submodule(parent).__dict__
        places.append((attributes, name, tensor))
        # the same parameter may be known by other names too: tied weights stay tied
        original = attributes[name]
        for other, holder in module.named_modules():
            for key, value in holder.__dict__.items():
                alias = f"{other}.{key}" if other else key
                if value is original and value is not None and alias not in given and alias in own:
                    places.append((holder.__dict__, key, tensor))
    kept = [(attributes, name, attributes[name]) for attributes, name, _ in places]
    try:
        for attributes, name, tensor in places:
            attributes[name] = tensor
        arguments = args if isinstance(args, tuple) else () if args is None else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for attributes, name, tensor in kept:
            attributes[name] = tensor


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one kind, each stacked along a new first dimension, as leaves."""
    if not models:
        raise ValueError("stack_module_state: expected at least 1 module, got none")
    if any(type(m) is not type(models[0]) for m in models):
        raise ValueError("stack_module_state: expected modules of one class")

    def stacked(method: str) -> dict[str, Tensor]:
        states = [dict(getattr(m, method)()) for m in models]
        return {
            name: stack([s[name].detach() for s in states]).requires_grad_(t.requires_grad)
            for name, t in states[0].items()
        }

    return stacked("named_parameters"), stacked("named_buffers")
