"""Element types and their promotion.

dtypes are NumPy's own objects. Promotion is PyTorch's: an integer with float32 gives float32, integer
division gives float32, and Python numbers and 0-d operands are weak, so that float64 never creeps in.
"""

from __future__ import annotations

import numpy as np

from .errors import DTypeError

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)

SUPPORTED = (float32, float64, int8, int16, int32, int64, uint8, bool_)
_default = float32


def get_default_dtype() -> np.dtype:
    """The dtype of Python floats and of integer division (float32 unless set otherwise)."""
    return _default


def set_default_dtype(dtype: np.dtype) -> None:
    """Make ``dtype`` (float32 or float64) the dtype of newly created floats."""
    global _default
    dtype = check(dtype, "set_default_dtype")
    if dtype.kind != "f":
        raise DTypeError(f"set_default_dtype: expected float32 or float64, got {dtype}")
    _default = dtype


def check(dtype, where: str) -> np.dtype:
    """``dtype`` as a supported NumPy dtype.

    Raises: DTypeError, naming ``where``, for anything else.
    """
    try:
        result = _default if dtype is float else np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"{where}: expected a dtype, got {dtype!r}") from None
    result = result.newbyteorder("=")
    if result not in SUPPORTED:
        names = ", ".join(d.name for d in SUPPORTED)
        raise DTypeError(f"{where}: expected one of {names}, got {result.name}")
    return result


def _category(kind: str) -> int:
    return 2 if kind == "f" else 0 if kind == "b" else 1


def can_cast(source: np.dtype, target: np.dtype) -> bool:
    """Whether an in-place operation may store ``source`` in ``target``: no floats in integers, no numbers in bools."""
    return _category(source.kind) <= _category(target.kind)


def _merge(a: np.dtype | None, b: np.dtype) -> np.dtype:
    if a is None:
        return b
    if _category(a.kind) != _category(b.kind):
        return a if _category(a.kind) > _category(b.kind) else b
    return np.promote_types(a, b)


def result_type(*operands) -> np.dtype:
    """The dtype in which arrays, NumPy scalars and Python numbers meet.

    The highest of the categories bool < integer < float wins; within it operands with dimensions come
    before 0-d ones, and those before Python numbers.
    """
    groups: list[np.dtype | None] = [None, None, None]
    for x in operands:
        dtype = getattr(x, "dtype", None)
        if dtype is not None:
            rank = 0 if x.ndim else 1
        else:
            rank = 2
            dtype = bool_ if isinstance(x, bool) else int64 if isinstance(x, int) else _default
        groups[rank] = _merge(groups[rank], dtype)
    result: np.dtype | None = None
    for dtype in groups:
        if dtype is not None and (result is None or _category(dtype.kind) > _category(result.kind)):
            result = dtype
    assert result is not None
    return result
