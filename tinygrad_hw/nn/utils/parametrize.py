"""Parameters that are computed: an attribute of a module as a function of one or several original Parameters."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from ..containers import ModuleDict
from ..module import Module
from ..parameter import Parameter

__all__ = ["is_parametrized", "register_parametrization", "remove_parametrizations"]


class ParametrizationList(Module):
    """The originals of one attribute, and the modules that map them to it one after the other.

    The first module's ``right_inverse``, where it has one, says which originals give the value that was there.
    """

    def __init__(self, first: Module, value: Parameter) -> None:
        super().__init__()
        inverse = getattr(first, "right_inverse", None)
        originals = value.detach() if inverse is None else inverse(value.detach())
        self.is_tensor = isinstance(originals, Tensor)
        for i, original in enumerate([originals] if self.is_tensor else originals):
            name = "original" if self.is_tensor else f"original{i}"
            setattr(self, name, Parameter(original.detach().clone(), value.requires_grad))
        self.count = 1 if self.is_tensor else len(originals)
        self._size = 0
        self.append(first)

    def append(self, module: Module) -> None:
        """Apply ``module`` to what the ones before it give."""
        self.add_module(str(self._size), module)
        self._size += 1

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Any:
        return self.__dict__[str(range(self._size)[index])]

    def forward(self) -> Tensor:
        parts = self.__dict__
        if self.is_tensor:
            value = self[0](parts["original"])
        else:
            value = self[0](*[parts[f"original{i}"] for i in range(self.count)])
        for i in range(1, self._size):
            value = self[i](value)
        return value


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether an attribute of ``module``, or the one named, is computed."""
    found = module.__dict__.get("parametrizations")
    return found is not None and (tensor_name is None or tensor_name in found)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make the parameter ``tensor_name`` of ``module`` the value of ``parametrization``, and return the module.

    The originals stand in ``module.parametrizations[tensor_name]``. ``unsafe`` allows another shape or type.
    """
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    value = module._parameter_names.get(tensor_name, module)
    if value is module:
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter {tensor_name!r}"
        )
    old = module.__dict__[tensor_name]
    parts = ParametrizationList(parametrization, old)
    new = parts()
    if not unsafe and (new.shape != old.shape or new.dtype != old.dtype):
        raise ValueError(
            f"register_parametrization: expected a value of shape {tuple(old.shape)} and {old.dtype}, "
            f"got {tuple(new.shape)} and {new.dtype}\nPass unsafe=True to allow it."
        )
    if not is_parametrized(module):
        module.__class__ = type(
            f"Parametrized{type(module).__name__}", (type(module),), {"_plain": type(module)}
        )
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = parts
    setattr(type(module), tensor_name, property(lambda self: self.parametrizations[tensor_name]()))
    return module


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make ``tensor_name`` a plain parameter again: its present value, or the original, and return the module."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: {type(module).__name__} has no parametrized {tensor_name!r}"
        )
    parts = module.parametrizations[tensor_name]
    if not leave_parametrized and not parts.is_tensor:
        raise ValueError(
            "remove_parametrizations: expected one original to go back to, got several"
        )
    value = parts() if leave_parametrized else parts.original
    trained = any(p.requires_grad for p in parts.parameters())
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
        module.__class__ = type(module)._plain  # type: ignore[attr-defined]
    setattr(module, tensor_name, Parameter(value.detach().clone(), trained))
    return module
