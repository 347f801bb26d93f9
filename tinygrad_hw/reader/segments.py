"""Characters that touch are cut apart, and pieces of one are joined, where the network reads the result better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .boxes import Mark

Costs = Callable[[list[Mark]], np.ndarray]
"""For marks, −ln of the probability of the best class; high for what is no character."""

#: What a cut or a join has to gain, as −ln of a probability.
CHANGE = 1.0
#: The cost of a character, in its own heights, wider than characters are.
TOO_WIDE = 6.0
#: Pieces in a row that may make one character.
MOST_PIECES = 5


@dataclass
class _Run:
    """Neighbors that may have to be cut or joined: the smallest pieces, and the gap after each but the last."""

    pieces: list[Mark]
    cut: list[bool]

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
        changes = float(sum(not cut for cut in run.cut[i : j - 1]))
        changes += (i > 0 and run.cut[i - 1]) * 0.5 + (j < len(run.pieces) and run.cut[j - 1]) * 0.5
        wide = max(0.0, mark.width / size - 1.35)
        slight = max(0.0, 0.6 - mark.height / size)
        price[id(run), i, j] = cost + CHANGE * changes + TOO_WIDE * (wide + slight)
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
        pieces = cuts(mark, size) if wide else [mark]
        run = _Run(pieces, [True] * (len(pieces) - 1))
        if runs and mark.left - runs[-1].pieces[-1].right <= 0.12 * size:
            runs[-1].pieces += run.pieces
            runs[-1].cut += [False, *run.cut]
        else:
            runs.append(run)
    return runs


def cuts(mark: Mark, size: float) -> list[Mark]:
    """A mark cut into vertical pieces at the columns with the least ink, where little of it is in the way."""
    profile = mark.ink.sum(axis=0).astype(float)
    # Where several columns are as empty, the middle one.
    smooth = np.convolve(np.pad(profile, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    apart = max(3, round(0.18 * size))
    places: list[int] = []
    for x in np.argsort(smooth, kind="stable"):
        if smooth[x] > 0.45 * size:
            break
        if apart <= x < mark.width - apart and all(abs(x - p) >= apart for p in places):
            places.append(int(x))
    pieces = []
    for left, right in zip([0, *sorted(places)], [*sorted(places), mark.width], strict=True):
        ink = np.zeros_like(mark.ink)
        ink[:, left:right] = mark.ink[:, left:right]
        piece = mark.part(ink)
        if piece is not None:
            pieces.append(piece)
    return pieces


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
