"""How a launch is cut into parts that threads do at the same time.

A ``split`` takes a kernel's arguments and a number of parts, and returns the arguments of each part, or None where the
launch is not worth it. Together the parts do exactly what the whole does, bit for bit.
"""

from __future__ import annotations

import itertools

import numpy as np

#: Elements read and written, from which two threads gain: 1 to 2 µs, some ten times what handing over costs.
ELEMENTS = 16_384
#: Parts begin at multiples of this many elements, so that no two write to the same cache line.
GRAIN = 64


def edges(n: int, parts: int, grain: int = GRAIN) -> list[int]:
    """0, …, n in nearly equal steps, multiples of ``grain`` except for the last."""
    step = -(-n // (parts * grain)) * grain
    return [*range(0, n, step), n] if n else [0]


def flat(args: tuple, parts: int) -> list[tuple] | None:
    """Arrays of one length, 1-d, each element by itself."""
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    n = arrays[0].size
    if n * len(arrays) < ELEMENTS or any(a.ndim != 1 or a.size != n for a in arrays):
        return None
    cuts = edges(n, parts)
    return [
        tuple([a[low:high] if isinstance(a, np.ndarray) else a for a in args])
        for low, high in itertools.pairwise(cuts)
    ]


def rows(args: tuple, parts: int) -> list[tuple] | None:
    """Arrays with one number of rows, each row by itself."""
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    n = len(arrays[0])
    if sum(a.size for a in arrays) * 4 < ELEMENTS or n < 2 or any(len(a) != n for a in arrays):
        return None
    cuts = edges(n, parts, 1)
    return [
        tuple([a[low:high] if isinstance(a, np.ndarray) else a for a in args])
        for low, high in itertools.pairwise(cuts)
    ]


def ranges(args: tuple, parts: int) -> list[tuple] | None:
    """The last two arguments are the range of rows, channels, samples … that a call does, each by itself."""
    start, stop = args[-2:]
    size = sum(a.size for a in args if isinstance(a, np.ndarray))
    if size < ELEMENTS or stop - start < 2:
        return None
    cuts = [start + n for n in edges(stop - start, parts, 1)]
    return [(*args[:-2], low, high) for low, high in itertools.pairwise(cuts)]
