"""Characters that touch are cut apart, and pieces of one are joined, where the network reads the result better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .boxes import Mark

Costs = Callable[[list[Mark]], np.ndarray]
"""For marks, −ln of the probability of the best class; high for what is no character."""

#: What a join has to gain, as −ln of a probability; and a cut, with so much more for its length in characters' heights.
JOIN, CUT, CUT_LENGTH = 1.0, 0.6, 6.0
#: The slants of strokes that are tried, in columns a row.
SLANTS = (0.0, -0.1, 0.1, 0.2, 0.3)
#: The cost of a character, in its own heights, wider than characters are.
TOO_WIDE = 6.0
#: Pieces in a row that may make one character.
MOST_PIECES = 14


@dataclass
class _Run:
    """Neighbors that may have to be cut or joined: the smallest pieces, and the cost of a cut after each but the last.

    It is 0 where a gap is; joining over that costs ``JOIN``.
    """

    pieces: list[Mark]
    cut: list[float]

    def spans(self, size: float) -> list[tuple[int, int]]:
        """Pieces [i, j) that may be one character: single, or not too wide."""
        n = len(self.pieces)
        return [
            (i, j)
            for i in range(n)
            for j in range(i + 1, min(i + MOST_PIECES, n) + 1)
            if j == i + 1 or self.pieces[j - 1].right - self.pieces[i].left <= 1.7 * size
        ]


def segmented(lines: list[list[Mark]], costs: Costs) -> list[list[Mark]]:
    """The lines with touching characters cut and broken ones joined, at the least total cost.

    A mark is looked at more closely when it is wide, or read badly, and neighbors when almost nothing is between
    them. All that could be made of them is read in one batch; a shortest path picks the best of each run.
    """
    sizes = [line_size(line) for line in lines]
    single = np.split(
        costs([m for line in lines for m in line]), np.cumsum([len(m) for m in lines])
    )
    runs = [_runs(line, cost, size) for line, cost, size in zip(lines, single, sizes, strict=False)]
    wanted, places = [], []
    for of_line, size in zip(runs, sizes, strict=True):
        for run in of_line:
            if len(run.pieces) > 1:
                for i, j in run.spans(size):
                    wanted.append(_all(run.pieces[i:j]))
                    places.append((run, i, j, size))
    price: dict[tuple[int, int, int], float] = {}
    for (run, i, j, size), mark, cost in zip(places, wanted, costs(wanted), strict=True):
        joins = sum(not cut for cut in run.cut[i : j - 1])
        # A cut is shared by the characters on its two sides.
        parted = sum(run.cut[max(i - 1, 0) : i] + run.cut[j - 1 : j]) / 2
        wide = max(0.0, mark.width / size - 1.35)
        slight = max(0.0, 0.6 - mark.height / size)
        price[id(run), i, j] = cost + JOIN * joins + parted + TOO_WIDE * (wide + slight)
    return [[mark for run in of_line for mark in _cheapest(run, price)] for of_line in runs]


def line_size(line: list[Mark]) -> float:
    """The height of a line's characters: the median, of those that are no fragments."""
    heights = np.array([mark.height for mark in line], float)
    return float(np.median(heights[heights >= 0.5 * heights.max()]))


def _all(pieces: list[Mark]) -> Mark:
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return whole


def _runs(line: list[Mark], cost: np.ndarray, size: float) -> list[_Run]:
    runs: list[_Run] = []
    for mark, badness in zip(line, cost, strict=True):
        wide = mark.width > 1.0 * size or (badness > 0.7 and mark.width > 0.5 * size)
        run = _Run(*cuts(mark, size)) if wide else _Run([mark], [])
        if runs and mark.left - runs[-1].pieces[-1].right <= 0.12 * size:
            runs[-1].pieces += run.pieces
            runs[-1].cut += [0.0, *run.cut]
        else:
            runs.append(run)
    return runs


def cuts(mark: Mark, size: float) -> tuple[list[Mark], list[float]]:
    """A mark cut where the least of its ink holds together, along the slant of its strokes; and what each cut costs."""
    slant = max(
        SLANTS, key=lambda k: (float((_leaned(mark.ink, k).sum(axis=0) ** 2).sum()), -abs(k))
    )
    upright = _leaned(mark.ink, slant)
    held = np.zeros(upright.shape[1], int)
    held[1:] = (upright[:, 1:] & upright[:, :-1]).sum(
        axis=0
    )  # what a cut to the left of a column parts
    inside = np.flatnonzero(upright.any(axis=0))
    apart = max(3, round(0.15 * size))
    places: list[int] = []
    for x in np.argsort(held, kind="stable").tolist():
        if held[x] > 0.4 * size:
            break
        within = inside[0] + apart <= x <= inside[-1] + 1 - apart
        if within and all(abs(x - other) >= apart for other in places):
            places.append(x)
    places.sort()
    pieces = []
    for left, right in pairwise([0, *places, upright.shape[1]]):
        part = np.zeros_like(upright)
        part[:, left:right] = upright[:, left:right]
        piece = mark.part(_leaned(part, -slant, mark.width))
        if piece is None:
            return [mark], []
        pieces.append(piece)
    return pieces, [CUT + CUT_LENGTH * held[x] / size for x in places]


def _leaned(ink: np.ndarray, slant: float, width: int | None = None) -> np.ndarray:
    """Ink with each row moved by ``slant`` columns a row, wider by what that needs; to ``width``, back again."""
    if not slant:
        return ink
    shift = np.rint(slant * np.arange(len(ink))).astype(int)
    shift -= shift.min()
    if width is None:
        out = np.zeros((len(ink), ink.shape[1] + int(shift.max())), bool)
        for row, source, k in zip(out, ink, shift, strict=True):
            row[k : k + len(source)] = source
        return out
    back = shift.max() - shift
    return np.stack([source[k : k + width] for source, k in zip(ink, back, strict=True)])


def _cheapest(run: _Run, price: dict[tuple[int, int, int], float]) -> list[Mark]:
    """The shortest path through the pieces of a run, by dynamic programming from the left."""
    n = len(run.pieces)
    if n == 1:
        return run.pieces
    total = [0.0] + [np.inf] * n
    start = [0] * (n + 1)
    for j in range(1, n + 1):
        for i in range(max(0, j - MOST_PIECES), j):
            way = total[i] + price.get((id(run), i, j), np.inf)
            if way < total[j]:
                total[j], start[j] = way, i
    found: list[Mark] = []
    j = n
    while j:
        found.append(_all(run.pieces[start[j] : j]))
        j = start[j]
    return found[::-1]
