"""The order of reading: how far a page is turned, which characters make a line, which a word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .boxes import Mark

#: Pages turned further than this, in degrees, are not straightened.
STEEPEST = 20.0


def turn(found: list[Mark], size: float) -> float:
    """By how many degrees lines fall to the right: the turn, counterclockwise, that makes them level.

    At the right angle the characters' ink, added up along lines, lies in bands with empty paper between: the sum of
    squares of that profile is largest. A turn has to show clearly more of that than none does.
    """
    if len(found) < 3:
        return 0.0
    x, y = np.concatenate([_core(mark) for mark in found], axis=1)

    def level(degrees: float) -> float:
        angle = np.radians(degrees)
        place = (y * np.cos(angle) - x * np.sin(angle)) / (size / 8)
        profile = np.bincount((place - place.min()).astype(int)).astype(float)
        return float((profile**2).sum())

    coarse = np.arange(-STEEPEST, STEEPEST + 0.5, 1.0)
    best = coarse[np.argmax([level(d) for d in coarse])]
    fine = best + np.arange(-1, 1.01, 0.1)
    best = float(fine[np.argmax([level(d) for d in fine])])
    return best if level(best) > 1.1 * level(0) and abs(best) > 0.5 else 0.0


def _core(mark: Mark) -> np.ndarray:
    """Points (2, n) of a mark's box in its upper and lower edge and between, the same number for each mark."""
    x = np.linspace(mark.left + 0.25 * mark.width, mark.left + 0.75 * mark.width, 3)
    y = np.linspace(mark.top, mark.bottom, 9)
    return np.stack([np.tile(x, 9), np.repeat(y, 3)])


def lines(found: list[Mark], size: float) -> list[list[Mark]]:
    """Characters chained from left to right where they overlap in height; lines from top to bottom.

    A line may rise, fall or bend, as long as each character stands beside the one before it.
    """
    chains: list[list[Mark]] = []
    for mark in sorted(found, key=lambda mark: mark.middle[0]):
        fits = [(_fit(chain, mark, size), i) for i, chain in enumerate(chains)]
        best, i = max(fits, default=(0.0, 0))
        if best > 0:
            chains[i].append(mark)
        else:
            chains.append([mark])
    return sorted(chains, key=lambda chain: np.mean([mark.middle[1] for mark in chain]))


def _fit(chain: list[Mark], mark: Mark, size: float) -> float:
    """How well a mark continues a line, 0 for not at all: the overlap with its last characters, less the gap."""
    last = chain[-2:]
    gap = mark.left - last[-1].right
    if gap > 8 * size:
        return 0.0
    top = float(np.mean([m.top for m in last]))
    bottom = float(np.mean([m.bottom for m in last]))
    overlap = min(bottom, mark.bottom) - max(top, mark.top)
    share = overlap / min(bottom - top, mark.height)
    return max(0.0, share - 0.25) * float(np.exp(-max(gap, 0) / (8 * size)))


def spaces(line: list[Mark], size: float) -> list[bool]:
    """Whether a space stands before each character of a line; none does before the first.

    Gaps fall into two kinds at the cut that separates them best (Otsu), if these differ clearly; else there is none.
    """
    gaps = np.array([b.left - a.right for a, b in pairwise(line)], float)
    if not len(gaps):
        return [False] * len(line)
    order = np.sort(gaps)
    cuts = range(1, len(order))
    between = [k * (len(order) - k) * (order[k:].mean() - order[:k].mean()) ** 2 for k in cuts]
    if not between:
        return [False, bool(gaps[0] > 1.0 * size)]
    k = int(np.argmax(between)) + 1
    narrow, wide = order[:k].mean(), order[k:].mean()
    if wide < 0.3 * size or wide - narrow < 0.2 * size or wide < 1.6 * max(narrow, 0):
        return [False] * len(line)
    return [False, *(gaps >= (order[k - 1] + order[k]) / 2).tolist()]
