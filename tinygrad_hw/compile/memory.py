"""Temporaries in one block: arrays that are never alive at the same time share memory."""

from __future__ import annotations


def arrange(sizes: list[int], spans: list[list[int]]) -> tuple[list[int], int]:
    """An offset for each array of ``sizes`` bytes, alive from ``spans[i][0]`` to ``spans[i][1]``, and the total.

    Largest first, each into the lowest gap that is free over its whole span: within a few percent of the least
    possible for networks, where sizes repeat.
    """
    offsets = [0] * len(sizes)
    placed: list[int] = []
    total = 0
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], spans[i])):
        first, last = spans[i]
        at = 0
        for j in placed:  # by offset
            if spans[j][1] < first or last < spans[j][0]:
                continue
            if offsets[j] - at >= sizes[i]:
                break
            at = max(at, offsets[j] + sizes[j])
        offsets[i] = at
        total = max(total, at + sizes[i])
        placed.append(i)
        placed.sort(key=offsets.__getitem__)
    return offsets, total
