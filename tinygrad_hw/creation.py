"""Tensors from data, from nothing, and from random numbers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import dtypes
from .errors import DTypeError, ShapeError
from .kernels import recording
from .random import Generator, draw
from .tensor import Tensor

__all__ = [
    "tensor", "as_tensor", "from_numpy", "from_dlpack", "zeros", "ones", "empty", "full", "zeros_like", "ones_like",
    "empty_like", "full_like", "arange", "linspace", "eye", "rand", "randn", "rand_like", "randn_like",
    "randint", "randperm",
    "tril_indices", "triu_indices",
]  # fmt: skip


def _shape(name: str, size: tuple) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence.  Raises: ShapeError for negative ones."""
    if len(size) == 1 and isinstance(size[0], tuple | list):
        size = tuple(size[0])
    try:
        shape = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"{name}: expected ints as size, got {size}") from None
    if any(n < 0 for n in shape):
        raise ShapeError(f"{name}: expected sizes >= 0, got {shape}")
    return shape


def _finish(name: str, array: np.ndarray, requires_grad: bool) -> Tensor:
    if (recording.current and recording.here()) is not None and not recording.current.knows(array):
        recording.constant(array)
    out = Tensor._wrap(array)
    if requires_grad:
        if array.dtype.kind != "f":
            raise DTypeError(
                f"{name}: expected a float dtype where requires_grad, got {array.dtype}"
            )
        out._requires_grad = True
    return out


def _dtype(name: str, dtype, default: np.dtype | None = None) -> np.dtype:
    if dtype is None:
        return default or dtypes.get_default_dtype()
    return dtypes.check(dtype, name)


def tensor(data: Any, dtype=None, requires_grad: bool = False) -> Tensor:
    """A new leaf with a copy of ``data``: a number, nested lists, an array or a Tensor.

    Python floats become float32, ints int64; arrays and NumPy's numbers keep their type.
    Raises: DTypeError for other element types, ShapeError for ragged lists.
    """
    try:
        source = np.asarray(data)
    except ValueError:
        raise ShapeError(
            "tensor: expected nested lists of equal lengths, got ragged ones"
        ) from None
    if dtype is None:
        dtype = source.dtype
        first = data
        while isinstance(first, list | tuple) and first:
            first = first[0]
        if dtype.kind == "f" and not hasattr(first, "dtype"):
            dtype = dtypes.get_default_dtype()
    dtype = dtypes.check(dtype, "tensor")
    if hasattr(data, "dtype"):
        recording.refuse(
            "tensor() of an array", "Make it before the step, or pass it as an argument."
        )
    return _finish("tensor", np.array(source, dtype, order="C"), requires_grad)


def as_tensor(data: Any, dtype=None) -> Tensor:
    """``data`` as a Tensor, sharing memory where it is an array or Tensor of the right type."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (
        dtype is None or dtypes.check(dtype, "as_tensor") == data.dtype
    ):
        return from_numpy(data)
    return tensor(data, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory: a change of one is seen in the other.

    Changes made through the array are not noted: a backward pass that needs the old values would take the new ones.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an array, got {type(array).__name__}")
    if (recording.current and recording.here()) is None or not recording.current.knows(array):
        remedy = "Make the tensor before the step, or pass the array as an argument."
        recording.refuse("from_numpy()", remedy)
    if array.dtype not in dtypes.SUPPORTED or not array.dtype.isnative:
        dtypes.check(array.dtype, "from_numpy")
        raise DTypeError(
            f"from_numpy: expected native byte order, got {array.dtype}\nUse tensor() to copy."
        )
    return Tensor._wrap(array)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor that shares the memory of another library's array on the CPU (what has ``__dlpack__``)."""
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__, got {type(ext_tensor).__name__}"
        )
    return from_numpy(np.from_dlpack(ext_tensor))


def zeros(*size, dtype=None, requires_grad: bool = False) -> Tensor:
    """Zeros of shape ``size``."""
    return _finish("zeros", np.zeros(_shape("zeros", size), _dtype("zeros", dtype)), requires_grad)


def ones(*size, dtype=None, requires_grad: bool = False) -> Tensor:
    """Ones of shape ``size``."""
    return _finish("ones", np.ones(_shape("ones", size), _dtype("ones", dtype)), requires_grad)


def empty(*size, dtype=None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape ``size`` whose values are whatever was in the memory."""
    return _finish("empty", np.empty(_shape("empty", size), _dtype("empty", dtype)), requires_grad)


def full(size, fill_value, dtype=None, requires_grad: bool = False) -> Tensor:
    """A tensor of shape ``size`` filled with ``fill_value``, of its type unless ``dtype`` is given."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    dtype = _dtype("full", dtype, dtypes.result_type(value))
    return _finish("full", np.full(_shape("full", (size,)), value, dtype), requires_grad)


def zeros_like(input, dtype=None, requires_grad: bool = False) -> Tensor:
    """Zeros of input's shape and dtype."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input, dtype=None, requires_grad: bool = False) -> Tensor:
    """Ones of input's shape and dtype."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def empty_like(input, dtype=None, requires_grad: bool = False) -> Tensor:
    """Uninitialized memory of input's shape and dtype."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input, fill_value, dtype=None, requires_grad: bool = False) -> Tensor:
    """``fill_value`` in input's shape and dtype."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def arange(start, end=None, step=1, dtype=None, requires_grad: bool = False) -> Tensor:
    """start, start + step, … below ``end``; integers give int64, floats float32."""
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if step == 0:
        raise ValueError("arange: expected a step other than 0")
    if (end - start) / step < 0:
        raise ValueError(f"arange: expected a step towards end, got {start}, {end}, {step}")
    dtype = _dtype("arange", dtype, dtypes.result_type(start, end, step))
    count = max(0, int(np.ceil((end - start) / step)))
    return _finish("arange", (start + step * np.arange(count)).astype(dtype), requires_grad)


def linspace(start, end, steps: int, dtype=None, requires_grad: bool = False) -> Tensor:
    """``steps`` values from start to end, both included, equally spaced."""
    if steps < 0:
        raise ValueError(f"linspace: expected steps >= 0, got {steps}")
    values = np.linspace(start, end, steps).astype(_dtype("linspace", dtype))
    return _finish("linspace", values, requires_grad)


def eye(n: int, m: int | None = None, dtype=None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix of zeros; m is n by default."""
    rows, columns = _shape("eye", (n, n if m is None else m))
    return _finish("eye", np.eye(rows, columns, dtype=_dtype("eye", dtype)), requires_grad)


def _float_dtype(name: str, dtype) -> np.dtype:
    dtype = _dtype(name, dtype)
    if dtype.kind != "f":
        raise DTypeError(f"{name}: expected a float dtype, got {dtype}")
    return dtype


def rand(
    *size, generator: Generator | None = None, dtype=None, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers from [0, 1)."""
    numbers = draw(generator, "random", _shape("rand", size), _float_dtype("rand", dtype))
    return _finish("rand", numbers, requires_grad)


def randn(
    *size, generator: Generator | None = None, dtype=None, requires_grad: bool = False
) -> Tensor:
    """Standard normal numbers."""
    shape, dtype = _shape("randn", size), _float_dtype("randn", dtype)
    return _finish("randn", draw(generator, "standard_normal", shape, dtype), requires_grad)


def rand_like(
    input, dtype=None, requires_grad: bool = False, generator: Generator | None = None
) -> Tensor:
    """Uniform numbers from [0, 1) in input's shape and dtype."""
    dtype = dtype or input.dtype
    return rand(input.shape, generator=generator, dtype=dtype, requires_grad=requires_grad)


def randn_like(
    input, dtype=None, requires_grad: bool = False, generator: Generator | None = None
) -> Tensor:
    """Standard normal numbers in input's shape and dtype."""
    dtype = dtype or input.dtype
    return randn(input.shape, generator=generator, dtype=dtype, requires_grad=requires_grad)


def randint(low, high=None, size=(), generator: Generator | None = None, dtype=None) -> Tensor:
    """Integers from [low, high), or [0, low) as ``randint(high, size)``."""
    if isinstance(high, tuple | list):  # randint(high, size)
        low, high, size = 0, low, high
    if high is None:
        low, high = 0, low
    if high <= low:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    numbers = draw(generator, "integers", low, high, _shape("randint", (size,)), np.int64)
    return Tensor._wrap(np.asarray(numbers)).to(_dtype("randint", dtype, dtypes.int64))


def randperm(n: int, generator: Generator | None = None, dtype=None) -> Tensor:
    """0 … n − 1 in random order."""
    if n < 0:
        raise ValueError(f"randperm: expected n >= 0, got {n}")
    numbers = draw(generator, "permutation", n)
    return Tensor._wrap(numbers).to(_dtype("randperm", dtype, dtypes.int64))


def tril_indices(row: int, col: int, offset: int = 0, dtype=None) -> Tensor:
    """The places of a (row, col) matrix on and below its diagonal ``offset``: a row of row indices, one of columns."""
    return _triangle("tril_indices", np.tril_indices, row, col, offset, dtype)


def triu_indices(row: int, col: int, offset: int = 0, dtype=None) -> Tensor:
    """The places of a (row, col) matrix on and above its diagonal ``offset``: a row of row indices, one of columns."""
    return _triangle("triu_indices", np.triu_indices, row, col, offset, dtype)


def _triangle(name: str, function, row: int, col: int, offset: int, dtype) -> Tensor:
    _shape(name, (row, col))
    places = np.stack(function(row, offset, col))
    return _finish(name, places.astype(_dtype(name, dtype, dtypes.int64)), False)
