"""The loops that call down a table of launches: a recorded step is data.

Two columns hold the addresses of kernels' entries (``kernels.launch``) and of their words. Walking them compiles nothing
and costs about ten nanoseconds a launch.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.launch import intrinsics, made, share

#: The words of a control block, by position: how a program stands in memory.
CONTROL = "entries", "rows", "firsts", "words", "ids", "moves", "moved", "looks", "inputs"

# Where NumPy's array objects keep what they are (struct PyArrayObject_fields), after what all Python objects have.
_DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = (object.__basicsize__ + 8 * i for i in (0, 1, 2, 5, 6))
_CARRAY = 0x1 | 0x100 | 0x400  # contiguous, aligned, writeable
# Where its type objects keep kind, character, byte order and number (struct PyArray_Descr); the fourth byte is free.
_KIND = object.__basicsize__ + 8
_KIND_BYTES = ~(0xFF << 24)

#: What replays return beside the number of a launch that stopped them.
DONE, UNLIKE = -1, -2

_FITS = f"""
def fits(control):
{{names}}
    look = looks
    for i in range(inputs):
        array = at(ids + 8 * i)
        kind, ndim = at(look), at(look + 8)
        if at(at(array + {_DTYPE}) + {_KIND}) & {_KIND_BYTES} != kind:
            return False
        if at(array + {_FLAGS}) & {_CARRAY} != {_CARRAY}:
            return False
        if at(array + {_NDIM}) & 0xFFFFFFFF != ndim:
            return False
        shape = at(array + {_SHAPE})
        for d in range(ndim):
            if at(shape + 8 * d) != at(look + 16 + 8 * d):
                return False
        look += 16 + 8 * ndim
    return True
"""

_REPLAY = """
def replay(control, pool, first, last):
{names}
    if first == 0:
        for k in range(moved):
            move = moves + 24 * k
            array = at(ids + 8 * at(move + 8))
            put(words + 8 * at(move), at(array + {data}) + at(move + 16))
    for i in range(first, last):
        row, end = at(firsts + 8 * i), at(firsts + 8 * i + 8)
        if pool != 0 and end - row > 1:
            share(pool, entries + 8 * row, rows + 8 * row, end - row)
        else:
            for j in range(row, end):
                if call(at(entries + 8 * j), at(rows + 8 * j)) != 0:
                    return i
    return -1
"""


@functools.cache
def replay() -> Callable[[int, int, int, int], int]:
    """``replay(control, pool, first, last)``: do the launches first … last − 1; a launch is one or more rows of the table.

    ``control`` is the address of a block of addresses (``CONTROL``), ``pool`` that of the workers' or 0. Where ``first``
    is 0, words that are addresses in the step's arguments are set before: for each (w, i, offset) of ``moves``,
    words[w] = the address of the elements of the array with the id ids[i], plus offset. Returns DONE, or the number of the
    launch that found something wrong with its operands, which ends the replay.
    """
    native = intrinsics()
    names_used = {
        "at": native["word_at"], "put": native["put"], "call": native["call"],
        "share": share(),
    }  # fmt: skip
    return made("replay", _REPLAY.format(names=_control(), data=_DATA), names_used)


def _control() -> str:
    """Source lines that read a control block."""
    return "\n".join(f"    {name} = at(control + {8 * i})" for i, name in enumerate(CONTROL))


_STEP = """
def step(control, pool, last):
    return replay(control, pool, 0, last) if fits(control) else {unlike}
"""


@functools.cache
def step() -> Callable[[int, int, int], int]:
    """``step(control, pool, last)``: all launches, if the arrays fit; UNLIKE, and nothing done, if they do not."""
    return made("step", _STEP.format(unlike=UNLIKE), {"fits": fits(), "replay": replay()})


@functools.cache
def fits() -> Callable[[int], bool]:
    """``fits(control)``: whether the arrays with the ids ``ids`` are contiguous, of the recorded dtypes and shapes.

    Looked at in memory, since asking an array for its shape, dtype and flags takes Python half a microsecond. ``looks``
    holds for each input what ``kind_word`` says, its number of dimensions and their sizes.
    """
    return made("fits", _FITS.format(names=_control()), {"at": intrinsics()["word_at"]})


def kind_word(dtype: np.dtype) -> int:
    """What ``fits`` finds in a type: two objects may stand for one type."""
    return ctypes.c_int64.from_address(id(dtype) + _KIND).value & _KIND_BYTES


_SWEEP = """
def sweep(control, pool, launches, batch, steps, order, sources, inputs, numbers, places, count):
    for s in range(steps):
        for i in range(inputs):
            source, size = at(sources + 24 * i), at(sources + 24 * i + 8)
            target = at(sources + 24 * i + 16)
            for b in range(batch):
                copy(target + b * size, source + at(order + 8 * (s * batch + b)) * size, size)
        for k in range(count):
            put(at(places + 8 * k), at(numbers + 8 * (s * count + k)))
        if replay(control, pool, 0, launches) >= 0:
            return s
    return steps
"""


@functools.cache
def sweep() -> Callable[..., int]:
    """``sweep(control, pool, launches, batch, steps, order, sources, inputs, numbers, places, count)``: many steps at once.

    Each takes the next ``batch`` row numbers of ``order``, copies those rows of every source (a row of ``sources`` holds
    the address of its elements, the bytes of a row of it, and the address of the step's input), and puts the next ``count``
    words of ``numbers`` to the addresses ``places``. Returns how many steps were done; fewer than ``steps`` where one
    stopped.
    """
    native = intrinsics()
    names = {
        "at": native["word_at"],
        "put": native["put"],
        "copy": native["copy"],
        "replay": replay(),
    }
    return made("sweep", _SWEEP, names)


def native_call(dispatcher: Any, count: int) -> Callable[..., Any]:
    """The compiled function of ``count`` integers itself: to look at their types first takes longer than a call."""
    from numba import types

    signature = (types.int64,) * count
    dispatcher.compile(signature)
    return dispatcher.overloads[signature].entry_point
