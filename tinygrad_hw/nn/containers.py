"""Modules that hold an ordered row of modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, Self

from .module import Module


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
