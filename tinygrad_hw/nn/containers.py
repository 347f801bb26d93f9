"""Modules that hold an ordered row of modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, Self

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _Row(Module):
    """Children in order, named by their position unless they were given names."""

    def __len__(self) -> int:
        return len(self._module_names)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._row())

    def _row(self) -> list[Any]:
        attributes = self.__dict__
        return [attributes[name] for name in self._module_names]

    def _replace(self, modules: list[Module]) -> None:
        """Hold exactly ``modules``, numbered from 0."""
        for name in list(self._module_names):
            delattr(self, name)
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def _name(self, index: int) -> str:
        names = list(self._module_names)
        position = operator.index(index)
        if not -len(names) <= position < len(names):
            raise IndexError(f"index {index} is out of range for {len(names)} modules")
        return names[position]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        row = self._row()
        if not isinstance(index, slice):
            self._name(index)
        del row[index]
        self._replace(row)

    def append(self, module: Module) -> Self:
        """Add ``module`` at the end and return self."""
        number = len(self)
        while str(number) in self._module_names:  # a slice of a Sequential keeps its names
            number += 1
        self.add_module(str(number), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add ``modules`` at the end and return self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put ``module`` before position ``index`` and return self."""
        row = self.append(module)._row()
        row.insert(index, row.pop())
        self._replace(row)
        return self

    def pop(self, index: int = -1) -> Module:
        """Remove the module at ``index`` and return it."""
        module = self.__dict__[self._name(index)]
        del self[index]
        return module

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


class Sequential(_Row):
    """The composition of its modules: each is applied to what the one before it returned.

    Takes modules, or one dict of names to modules. ``net[i]`` is a module, ``net[i:j]`` a Sequential that shares
    the modules.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            names = list(self._module_names)[index]
            return type(self)({name: self.__dict__[name] for name in names})
        return self.__dict__[self._name(index)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        attributes = self.__dict__
        for name in self._module_names:
            input = attributes[name](input)
        return input


class ModuleList(_Row):
    """A list of modules whose parameters count as its own; it has no ``forward``."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(self._row()[index])
        return self.__dict__[self._name(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _children_repr(self) -> list[str]:
        """Equal neighbors as one line, ``(0-2): 3 x ReLU()``."""
        runs: list[list] = []
        for position, text in enumerate(repr(module) for module in self):
            if runs and runs[-1][2] == text:
                runs[-1][1] = position
            else:
                runs.append([position, position, text])
        return [
            f"({first}): {text}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]


class _Named(Module):
    """What a dict of modules or parameters does; ``_held`` are its keys, in order of insertion."""

    _held: dict[str, None]

    def __getitem__(self, key: str) -> Any:
        if key not in self._held:
            raise KeyError(key)
        return self.__dict__[key]

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._held))

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def clear(self) -> None:
        """Remove all of them."""
        for key in self:
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove what ``key`` stands for, and return it."""
        value = self[key]
        del self[key]
        return value

    def keys(self) -> list[str]:
        """The keys, in order of insertion."""
        return list(self)

    def values(self) -> list[Any]:
        """What the keys stand for, in order of insertion."""
        return [self[key] for key in self]

    def items(self) -> list[tuple[str, Any]]:
        """(key, value), in order of insertion."""
        return [(key, self[key]) for key in self]


class ModuleDict(_Named):
    """A dict of modules whose parameters count as its own; it has no ``forward``."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    @property
    def _held(self) -> dict[str, None]:  # type: ignore[override]
        return self._module_names

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def update(self, modules: Any) -> None:
        """Add or replace modules, from a dict or pairs."""
        for key, module in dict(modules).items():
            self[key] = module


class ParameterList(Module):
    """A list of Parameters (Tensors given to it become such); it has no ``forward``."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _at(self, index: int) -> str:
        position = operator.index(index)
        if not -self._size <= position < self._size:
            raise IndexError(f"index {index} is out of range for {self._size} parameters")
        return str(position % self._size)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(self._size)[index]])
        return self.__dict__[self._at(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._at(index), _parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(self._size)])

    def append(self, value: Any) -> Self:
        """Add ``value`` at the end and return self."""
        setattr(self, str(self._size), _parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add ``values`` at the end and return self."""
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)


class ParameterDict(_Named):
    """A dict of Parameters (Tensors given to it become such); it has no ``forward``."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._held = {}
        if parameters is not None:
            self.update(parameters)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, _parameter(value))
        self._held[key] = None

    def __delitem__(self, key: str) -> None:
        del self._held[key]
        super().__delitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter ``key``, or ``default``."""
        return self.__dict__[key] if key in self._held else default

    def update(self, parameters: Any) -> None:
        """Add or replace parameters, from a dict or pairs."""
        for key, value in dict(parameters).items():
            self[key] = value


def _parameter(value: Any) -> Any:
    """Tensors as Parameters, all else as it is."""
    return (
        Parameter(value)
        if isinstance(value, Tensor) and not isinstance(value, Parameter)
        else value
    )
