"""The text of a tensor, laid out as PyTorch does: four decimals, long tensors abbreviated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import dtypes

_DIGITS = 4
_LINE = 80  # characters
_WHOLE = 1000  # elements that are all shown
_EDGE = 3  # elements shown at either end of a longer tensor's dimensions
_INDENT = len("tensor(")


def text(array: np.ndarray, *notes: str) -> str:
    """``tensor([1.0000, 2.5000], …)`` with its type where that is not obvious, and ``notes``."""
    default = dtypes.get_default_dtype()
    plain = {default} if array.size == 0 else {default, dtypes.int64, dtypes.bool_}
    size = [f"size={array.shape}"] if array.size == 0 and array.ndim != 1 else []
    kind = [] if array.dtype in plain else [f"dtype=tg.{array.dtype.name}"]
    result = "tensor(" + _body(array)
    room = _LINE - len(result.rpartition("\n")[2])
    for note in (*size, *kind, *notes):
        room -= len(note) + 2
        if room < 0:
            result += ",\n" + " " * _INDENT + note
            room = _LINE - _INDENT - len(note)
        else:
            result += ", " + note
    return result + ")"


def _body(array: np.ndarray) -> str:
    if array.size == 0:
        return "[]"
    long = array.size > _WHOLE
    shown = array
    for axis, n in enumerate(array.shape):
        if long and n > 2 * _EDGE:
            shown = np.take(shown, [*range(_EDGE), *range(n - _EDGE, n)], axis)
    show, width = _formatter(shown.reshape(-1))
    return _brackets(array, show, width, long, _INDENT)


def _formatter(values: np.ndarray) -> tuple[Callable[..., str], int]:
    """How to write one value, and the width of the widest."""
    if values.dtype.kind != "f":
        return str, max(len(str(v)) for v in values.tolist())
    values = values.astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    show: Callable[..., str] = _integral
    if values.size:
        low, high = np.abs(values).min(), np.abs(values).max()
        if high > 1e8 or low < 1e-4 or high > 1000 * low:
            show = f"{{:.{_DIGITS}e}}".format
        elif (values != np.round(values)).any():
            show = f"{{:.{_DIGITS}f}}".format
    return show, max([len(show(v)) for v in values.tolist()], default=1)


def _integral(value: float) -> str:
    return f"{value:.0f}." if np.isfinite(value) else str(value)


def _brackets(array: np.ndarray, show: Callable, width: int, long: bool, indent: int) -> str:
    if array.ndim == 0:
        return show(array.item()).rjust(width)
    cut = long and len(array) > 2 * _EDGE
    ends = [array[:_EDGE], array[-_EDGE:]] if cut else [array]
    margin = "\n" + " " * (indent + 1)
    if array.ndim == 1:
        words = [[show(v).rjust(width) for v in end.tolist()] for end in ends]
        line = words[0] + [" ..."] + words[1] if cut else words[0]
        count = max(1, (_LINE - indent) // (width + 2))
        rows = [", ".join(line[i : i + count]) for i in range(0, len(line), count)]
        return "[" + ("," + margin).join(rows) + "]"
    blocks = [[_brackets(a, show, width, long, indent + 1) for a in end] for end in ends]
    parts = blocks[0] + ["..."] + blocks[1] if cut else blocks[0]
    return "[" + ("," + "\n" * (array.ndim - 2) + margin).join(parts) + "]"
