"""The base of every layer, loss and network: a tree of named parameters, buffers and modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from .. import dtypes
from ..errors import DTypeError
from ..hooks import Handle
from ..kernels import recording
from ..names import nearest
from ..tensor import Tensor
from .module_hooks import ModuleHook, call_with_hooks
from .parameter import Parameter
from .state import IncompatibleKeys, match_state


class Module:
    """A function with named parameters, buffers and submodules; subclasses define ``forward``.

    A Parameter or Module assigned to an attribute is registered under the attribute's name. A subclass that has
    an ``__init__`` calls ``super().__init__()`` first.
    """

    training: bool
    # The registries list names, in order of registration; the values are ordinary instance attributes. So each has
    # one home, and `self.weight` costs 15 ns where a lookup in __getattr__ would cost 300.
    _parameter_names: dict[str, None]
    _buffer_names: dict[str, bool]  # True: part of the state_dict
    _module_names: dict[str, None]
    _hooks: tuple = ()  # of ModuleHook; replaced when one comes or goes, as recorded steps look at it

    def __init__(self) -> None:
        self.__dict__.update(
            training=True, _parameter_names={}, _buffer_names={}, _module_names={}, _hooks=()
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` of the arguments."""
        if (recording.current and recording.here()) is not None:
            recording.current.guard(self, self._taken_for_granted)
        if self._hooks:
            return call_with_hooks(self, args, kwargs)
        # A plain call of one argument costs 90 ns less than unpacking and packing again.
        if len(args) == 1 and not kwargs:
            return self.forward(args[0])
        return self.forward(*args, **kwargs)

    def _taken_for_granted(self) -> list[tuple[str, Any]]:
        """What a recorded step assumes to stay: tensors and modules by identity, settings by value."""
        plain = int, float, str, bool, tuple, type(None)
        return [(k, v if isinstance(v, plain) else id(v)) for k, v in self.__dict__.items()]

    def _forward_missing(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # Declared as Callable[..., Any] so that subclasses may take any arguments.
    forward: Callable[..., Any] = _forward_missing

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call ``hook(module, args)`` before ``forward``; what it returns (None: nothing) are the arguments then.

        ``with_kwargs``: it is called with (module, args, kwargs) and returns (args, kwargs).
        """
        return self._register("before", hook, prepend, with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> Handle:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns (None: nothing) is the output then.

        ``with_kwargs``: it is called with (module, args, kwargs, output). ``always_call``: also after an error, with
        None as the output.
        """
        return self._register("after", hook, prepend, with_kwargs, always_call)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known.

        Both are tuples, with None where there is no gradient; what the hook returns (None: nothing) takes the place
        of grad_input.
        """
        return self._register("backward", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_output)`` before the backward pass through this module.

        What it returns (None: nothing) takes the place of grad_output.
        """
        return self._register("before backward", hook, prepend)

    def _register(self, kind: str, hook: Callable, prepend: bool, *options: bool) -> Handle:
        entry = ModuleHook(kind, hook, *options)
        recording.changed()
        self.__dict__["_hooks"] = (entry, *self._hooks) if prepend else (*self._hooks, entry)

        def remove() -> None:
            recording.changed()
            self.__dict__["_hooks"] = tuple(h for h in self._hooks if h is not entry)

        return Handle(remove)

    # -- attributes ---------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        recording.changed()
        if isinstance(value, Parameter):
            registry, kind = "_parameter_names", "parameters"
        elif isinstance(value, Module):
            registry, kind = "_module_names", "modules"
        else:
            if "_parameter_names" in attributes and value is not None:
                self._refuse_plain(name, value)
            object.__setattr__(self, name, value)
            return
        if registry not in attributes:
            raise AttributeError(
                f"cannot assign {kind} before Module.__init__() call\n"
                f"Call super().__init__() first in {type(self).__name__}.__init__."
            )
        if name not in attributes[registry]:
            if hasattr(type(self), name):
                raise KeyError(f"attribute {name!r} already exists")
            self._unregister(name)
            attributes[registry][name] = None
        attributes[name] = value

    def _refuse_plain(self, name: str, value: Any) -> None:
        """Raise TypeError where ``name`` is registered for something that ``value`` is not."""
        if name in self._parameter_names:
            expected = "parameter", "nn.Parameter"
        elif name in self._module_names:
            expected = "child module", "nn.Module"
        elif name in self._buffer_names and not isinstance(value, Tensor):
            expected = "buffer", "Tensor"
        else:
            return
        raise TypeError(
            f"cannot assign {type(value).__name__!r} as {expected[0]} {name!r} ({expected[1]} or None expected)"
        )

    def __getattr__(self, name: str) -> Any:
        # Python comes here only after the ordinary lookup has failed.
        kind = type(self)
        if hasattr(kind, name):  # a property whose own code failed: show that error
            return object.__getattribute__(self, name)
        if "_parameter_names" not in self.__dict__:
            hint = f"\nCall super().__init__() first in {kind.__name__}.__init__."
        else:
            hint = "" if name.startswith("__") else nearest(name, dir(self))
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}{hint}", name=name)

    def __delattr__(self, name: str) -> None:
        recording.changed()
        object.__delattr__(self, name)
        self._unregister(name)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name.isidentifier()]

    def _unregister(self, name: str) -> None:
        for registry in ("_parameter_names", "_buffer_names", "_module_names"):
            self.__dict__.get(registry, {}).pop(name, None)

    def _check_name(self, name: str, kind: str, registry: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(
                f"{kind} name {name!r} contains a dot, which separates the names of a path"
            )
        if not name:
            raise KeyError(f"{kind} name is empty")
        if name not in registry and (name in self.__dict__ or hasattr(type(self), name)):
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make ``param`` the parameter ``name``; None says that there is none."""
        self._check_name(name, "parameter", self._parameter_names)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} as parameter {name!r} (nn.Parameter or None expected)"
            )
        self._parameter_names[name] = None
        self.__dict__[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make ``tensor`` the buffer ``name``: state that is not learned, in ``state_dict`` if persistent."""
        self._check_name(name, "buffer", self._buffer_names)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} as buffer {name!r} (Tensor or None expected)"
            )
        self._buffer_names[name] = persistent
        self.__dict__[name] = tensor

    def add_module(self, name: str, module: Module | None) -> None:
        """Make ``module`` the child ``name``."""
        if module is not None and not isinstance(module, Module):
            got = type(module).__name__
            if isinstance(module, type) and issubclass(module, Module):
                got = f"the class {module.__name__}; an instance is {module.__name__}(...)"
            raise TypeError(f"add_module: expected a Module, got {got}")
        self._check_name(name, "module", self._module_names)
        self._module_names[name] = None
        self.__dict__[name] = module

    register_module = add_module

    # -- the tree -----------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) for this module and all below it, depth first, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name in self._module_names:
            module = self.__dict__[name]
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) for each direct child, each once."""
        memo = set()
        for name in self._module_names:
            module = self.__dict__[name]
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        return (module for _, module in self.named_children())

    def _named_tensors(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in below if recurse else [(prefix, self)]:
            attributes = module.__dict__
            for name in getattr(module, registry):
                tensor = attributes[name]
                if tensor is None or id(tensor) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) for all parameters, of this module alone where ``recurse`` is False."""
        return self._named_tensors("_parameter_names", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer) for all buffers, of this module alone where ``recurse`` is False."""
        return self._named_tensors("_buffer_names", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path ``target``; the empty path is this module.

        Raises: AttributeError when there is none.
        """
        module = self
        for name in target.split(".") if target else []:
            child = module.__dict__.get(name) if name in module._module_names else None
            if child is None:
                raise AttributeError(
                    f"{type(module).__name__!r} object has no submodule {name!r}"
                    + nearest(name, module._module_names)
                )
            module = child
        return module

    def _get_tensor(self, target: str, registry: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        names = getattr(module, registry)
        if name not in names:
            raise AttributeError(
                f"{type(module).__name__!r} object has no {kind} {name!r}{nearest(name, names)}"
            )
        return module.__dict__[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path ``target``. Raises: AttributeError when there is none."""
        return self._get_tensor(target, "_parameter_names", "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the dotted path ``target``. Raises: AttributeError when there is none."""
        return self._get_tensor(target, "_buffer_names", "buffer")

    # -- modes and conversions ----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and below (Dropout and the like look at it), and return self."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected mode to be True or False, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether the parameters are learned, and return self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient, or fill it with zeros."""
        for parameter in self.parameters():
            grad = parameter.grad
            if set_to_none:
                parameter.grad = None
            elif grad is not None:
                if grad.requires_grad:
                    parameter.grad = grad = grad.detach()
                grad._array.fill(0)
                grad._bump("zero_grad")

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every module, children first, and return self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, dtype: np.dtype) -> Self:
        """Convert floating point parameters, their gradients and buffers to ``dtype``, and return self.

        The Tensors stay the same objects, so that an optimizer goes on with them.
        """
        dtype = dtypes.check(dtype, "Module.to")
        if dtype.kind != "f":
            raise DTypeError(f"Module.to: expected a floating point dtype, got {dtype}")
        recording.changed()
        for tensor in (*self.parameters(), *self.buffers()):
            for part in (tensor, tensor.grad):
                if part is not None and part.dtype.kind == "f" and part.dtype != dtype:
                    part._array = part._array.astype(dtype)
                    part._bump("to")
        return self

    def float(self) -> Self:
        """``to(float32)``."""
        return self.to(dtypes.float32)

    def double(self) -> Self:
        """``to(float64)``."""
        return self.to(dtypes.float64)

    # -- state --------------------------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: dict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Tensor]:
        """Path to Tensor for all parameters and persistent buffers; they share memory with the module.

        Entries are detached unless ``keep_vars``, and added to ``destination`` where that is given.
        """
        state = {} if destination is None else destination
        attributes = self.__dict__
        persistent = [name for name, keep in self._buffer_names.items() if keep]
        for name in (*self._parameter_names, *persistent):
            tensor = attributes[name]
            if tensor is not None:
                state[prefix + name] = tensor if keep_vars else tensor.detach()
        for name in self._module_names:
            module = attributes[name]
            if module is not None:
                module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor | np.ndarray], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy Tensors or arrays into the parameters and persistent buffers of the same path.

        Raises: RuntimeError that lists every misfit: with ``strict`` missing and unexpected keys, always shapes.
        Nothing is changed then.
        """
        targets = self.state_dict(keep_vars=True)
        sources, skipped = match_state(targets, state_dict, strict, type(self).__name__)
        for name, source in sources.items():
            targets[name]._array[...] = source
            targets[name]._bump("load_state_dict")
        return skipped

    # -- text ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings that ``repr`` shows, such as ``p=0.5``."""
        return ""

    def _children_repr(self) -> list[str]:
        return [f"({name}): {self.__dict__[name]!r}" for name in self._module_names]

    def __repr__(self) -> str:
        settings = self.extra_repr()
        children = self._children_repr()
        if children or "\n" in settings:
            lines = [settings, *children] if settings else children
            settings = "\n".join(["", *lines]).replace("\n", "\n  ") + "\n"
        return f"{type(self).__name__}({settings})"
