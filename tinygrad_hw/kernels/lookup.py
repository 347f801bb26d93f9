"""Rows of a table by their numbers, and what goes back to the table."""

from __future__ import annotations

from .jit import kernel


@kernel(status=True)
def look_up(out, table, index):
    """out[i] = table[index[i]].  Returns 0, or 1 + the first i whose index is no row."""
    n, width = table.shape
    for i in range(index.size):
        if index[i] < 0 or index[i] >= n:
            return i + 1
    for i in range(index.size):
        for j in range(width):
            out[i, j] = table[index[i], j]
    return 0


@kernel
def look_up_vjp(out, g, index, skipped, by_count):
    """out[index[i]] += g[i] but for the row ``skipped``; divided by how often the row occurs if ``by_count``."""
    n, width = out.shape
    for i in range(n):
        for j in range(width):
            out[i, j] = 0
    for i in range(index.size):
        row = index[i]
        if row != skipped:
            for j in range(width):
                out[row, j] += g[i, j]
    if by_count:
        for i in range(n):
            count = 0
            for k in range(index.size):
                count += index[k] == i
            if count > 1:
                for j in range(width):
                    out[i, j] /= out.dtype.type(count)
