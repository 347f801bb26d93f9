"""Tensors that a module learns."""

from __future__ import annotations

from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf Tensor that a :class:`~tinygrad_hw.nn.Module` registers when it is assigned to an attribute.

    It shares the memory of ``data``.

    Raises: TypeError when ``data`` is not a Tensor, DTypeError when it is to be learned and not of floats.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter: expected data to be a Tensor, got {type(data).__name__}\n"
                "Make one with tinygrad_hw.tensor(data)."
            )
        self._init(data._array)
        self._version = data._version
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
