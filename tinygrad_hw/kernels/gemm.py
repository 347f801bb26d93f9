"""C = A B, A Bᵀ or Aᵀ B from register tiles, near the rate at which the machine multiplies and adds.

A tile (``tile``) holds a few rows by one to four vectors of C in registers. Around it:

    blocks of k         a panel of B, as wide as a tile, then stays in the first cache
    blocks of columns   where B is packed: together its panels stay in the second cache
    blocks of rows      where A is packed, likewise
    panels of rows      a multiple of the tiles' heights: C is written along its rows
    panels of columns
    tiles               of nearly equal height

Nothing is masked and nothing beyond the operands is read: the last vector of a panel ends where the columns
end and overlaps the vector before it. Where there are fewer columns than a vector has lanes, B is packed with
zeros beside it and C goes through scratch memory.

An element of C is one chain of multiply-adds over each block of k, whatever the tiles and the packing; where
all of C has very few rows or columns, one dot product. So it is the same, bit for bit, for any share of the rows
and columns and any alignment.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .jit import Kernel, kernel
from .simd import (
    aligned,
    allocate,
    at,
    data,
    lanes,
    move,
    release,
    stack,
    stack_room,
    transpose,
    vector_bytes,
)
from .tile import ACCUMULATE, BIAS, RELU, height, host_tiles, panel, tile, widest

#: Layouts: which of the operands is stored transposed.
NN, NT, TN = 0, 1, 2

# Blocks that measured best with 32 KB and 512 KB of first and second cache (Zen 3): inner length, vectors of
# packed B in a row, bytes of packed A. Blocks of k of 352 or 512 and half or twice the columns gained nothing.
BLOCK_K = 256
BLOCK_VECTORS = 32
BLOCK_A = 128 * 1024
# Rows that are copied before the next panel's: read along the rows of B, not down its columns, where every
# row is another page (0.9 → 1.0 of BLAS on 256 × 1024 × 1024).
STRIP = 8
# Elements that ``aligned`` may skip.
ALIGNMENT = 16


@kernel
def _copy(target, target_stride, source, source_stride, rows, columns):
    """target[p, j] = source[p, j], with zeros up to a whole vector where the target has room."""
    vector = lanes(source)
    if columns < vector:
        for p in range(rows):
            for j in range(columns):
                target[p * target_stride + j] = source[p * source_stride + j]
            for j in range(columns, min(vector, target_stride)):
                target[p * target_stride + j] = 0
        return
    for j0 in range(0, columns, vector):
        j = min(j0, columns - vector)
        for p in range(rows):
            move(at(target, p * target_stride + j), at(source, p * source_stride + j))


@kernel
def _copy_transposed(target, target_stride, source, source_stride, rows, columns):
    """target[p, j] = source[j, p], with zeros up to a whole vector where the target has room."""
    vector = lanes(source)
    if columns < vector or rows < vector:
        for p in range(rows):
            for j in range(columns):
                target[p * target_stride + j] = source[j * source_stride + p]
            for j in range(columns, min(vector, target_stride)):
                target[p * target_stride + j] = 0
        return
    for j0 in range(0, columns, vector):
        j = min(j0, columns - vector)
        for p0 in range(0, rows, vector):
            p = min(p0, rows - vector)
            to, origin = at(target, p * target_stride + j), at(source, j * source_stride + p)
            transpose(to, target_stride, origin, source_stride)


@kernel
def _cycles(pointer, width, rows, k):
    """What a panel of ``width`` vectors takes, about: its arithmetic, or the latency or loads behind it, and C."""
    tallest = height(pointer, width)
    tiles = (rows + tallest - 1) // tallest
    tall = (rows + tiles - 1) // tiles
    return tiles * (max(tall * width, 8, tall + width) * k + 40 + 4 * tall * width)


@kernel
def _column_panels(pointer, vectors, rows, k):
    """Into how many panels to cut the columns; each has at least two vectors if there are two."""
    most = widest(pointer)
    best = (vectors + most - 1) // most
    least = 0
    for count in range(best, max(vectors // 2, best) + 1):
        narrow = vectors // count
        wider = vectors - narrow * count
        cost = (count - wider) * _cycles(pointer, narrow, rows, k)
        if wider:
            cost += wider * _cycles(pointer, narrow + 1, rows, k)
        if least == 0 or cost < least:
            best, least = count, cost
    return best


@kernel
def _finish(place, x, flags, bias):
    """What a tile does with its sums, for one of them."""
    if flags & ACCUMULATE:
        x = place[0] + x
    if flags & BIAS:
        x += bias[0]
    if flags & RELU and x < 0:
        place[0] = 0
    else:
        place[0] = x


@kernel
def _dot(a, b, k):
    """Σ_p a[p] b[p]; its order of addition is LLVM's, the same for each k."""
    total = a[0] * b[0]
    for p in range(1, k):
        total += a[p] * b[p]
    return total


@kernel
def _dots(a, lda, b, ldb, c, ldc, m, n, k, flags, bias):
    """A Bᵀ where one of them has few rows: tiles would spend their time on packing B, or on empty lanes."""
    for i in range(m):
        for j in range(n):
            x = _dot(at(a, i * lda), at(b, j * ldb), k)
            _finish(at(c, i * ldc + j), x, flags, at(bias, j))


@kernel
def _column_edge(q, low, wider, vector):
    """The first column of a panel: the first ``wider`` panels have low + 1 vectors, the others ``low``."""
    return (q * low + min(q, wider)) * vector


@kernel
def _row_edge(t, panels, high, moved, m):
    """The first row of a panel: all are ``high``, but the last but one gives ``moved`` rows to the last."""
    if t == panels:
        return m
    return t * high - (moved if t == panels - 1 else 0)


@kernel
def _pack_b(packed, b, ldb, layout, deep, panel0, panel1, low, wider, n):
    """Panels of ``deep`` rows of B, one after the other, each row as long as the panel's vectors."""
    vector = lanes(b)
    first = _column_edge(panel0, low, wider, vector)
    strip = max(deep, 1) if layout == NT else STRIP
    for p in range(0, deep, strip):
        for q in range(panel0, panel1):
            j = _column_edge(q, low, wider, vector)
            stride = _column_edge(q + 1, low, wider, vector) - j
            to, columns = at(packed, (j - first) * deep + p * stride), min(stride, n - j)
            if layout == NT:
                _copy_transposed(to, stride, at(b, j * ldb), ldb, deep, columns)
            else:
                _copy(to, stride, at(b, p * ldb + j), ldb, min(strip, deep - p), columns)


@kernel
def _pack_a(packed, a, lda, deep, panel0, panel1, panels, high, moved, m):
    """Panels of Aᵀ of ``deep`` rows, one after the other, each row as long as the panel of C is high."""
    first = _row_edge(panel0, panels, high, moved, m)
    for p in range(0, deep, STRIP):
        for t in range(panel0, panel1):
            i = _row_edge(t, panels, high, moved, m)
            rows = _row_edge(t + 1, panels, high, moved, m) - i
            to = at(packed, (i - first) * deep + p * rows)
            _copy(to, rows, at(a, p * lda + i), lda, min(STRIP, deep - p), rows)


def _gemm(out, a, b, bias, layout, flags, row_start, row_stop, column_start, column_stop):
    m, n = row_stop - row_start, column_stop - column_start
    if m <= 0 or n <= 0:
        return
    k = a.shape[0] if layout == TN else a.shape[1]
    lda, ldb, ldc = a.shape[1], b.shape[1], out.shape[1]
    a_row, a_step = (1, lda) if layout == TN else (lda, 1)
    b_column, b_step = (ldb, 1) if layout == NT else (1, ldb)
    a_first = at(data(a), row_start * a_row)
    b_first = at(data(b), column_start * b_column)
    c_first = at(data(out), row_start * ldc + column_start)
    bias_first = at(data(bias), column_start)

    # Decided by all of C, so that a share is computed as the whole is.
    few = (out.shape[0] <= 2 and k >= 16) or (out.shape[1] <= 4 and k >= 16 * out.shape[1])
    if few and (layout == NT or (layout == NN and out.shape[1] == 1)):
        # B of one column is its own transpose.
        step = ldb if layout == NT else 1
        _dots(a_first, lda, b_first, step, c_first, ldc, m, n, k, flags, bias_first)
        return

    blocks = max(1, (k + BLOCK_K - 1) // BLOCK_K)
    depth = (k + blocks - 1) // blocks  # depends on k alone, so that all sums do
    vector = lanes(a_first)
    vectors = (n + vector - 1) // vector
    panels = _column_panels(a_first, vectors, m, depth)
    low = vectors // panels
    wider = vectors - low * panels

    # What pays to be packed: a B that some rows use and that is larger than the first cache, if its rows are far
    # apart or it is much larger or many rows use it; an A that is read down its columns for many panels.
    far = ldb * out.itemsize >= 1024 or k * n * out.itemsize >= 96 * 1024 or m >= 256
    pack_b = layout == NT or n < vector or (far and m > 24 and k * n >= 8192)
    pack_a = layout == TN and m >= 256 and n >= 192
    high = m if panels == 1 and not pack_a else panel(a_first)
    row_panels = (m + high - 1) // high
    rest = m - (row_panels - 1) * high
    moved = (high - rest) // 2 if row_panels > 1 and 3 * rest < high else 0

    panels_together, rows_together = panels, row_panels
    b_size = a_size = 0
    if pack_b:
        panels_together = max(1, min(panels, BLOCK_VECTORS // low))
        b_size = panels_together * (low + 1) * vector * depth
    if pack_a:
        rows_together = min(row_panels, max(1, BLOCK_A // (high * depth * out.itemsize)))
        a_size = rows_together * high * depth
    size = b_size + a_size + height(a_first, 1) * vector + ALIGNMENT
    on_heap = size > stack_room(a_first)
    memory = allocate(a_first, size) if on_heap else stack(a_first)
    packed_b = aligned(memory)
    packed_a = at(packed_b, b_size)
    scratch = at(packed_a, a_size)

    for block in range(blocks):
        k0 = block * depth
        deep = min(depth, k - k0)
        a_block, b_block = at(a_first, k0 * a_step), at(b_first, k0 * b_step)
        now = flags & ACCUMULATE if block == 0 else ACCUMULATE
        if block == blocks - 1:
            now |= flags & (BIAS | RELU)
        for panel0 in range(0, panels, panels_together):
            panel1 = min(panel0 + panels_together, panels)
            if pack_b:
                _pack_b(packed_b, b_block, ldb, layout, deep, panel0, panel1, low, wider, n)
            for t in range(row_panels):
                if pack_a and t % rows_together == 0:
                    until = min(t + rows_together, row_panels)
                    _pack_a(packed_a, a_block, lda, deep, t, until, row_panels, high, moved, m)
                i = _row_edge(t, row_panels, high, moved, m)
                rows = _row_edge(t + 1, row_panels, high, moved, m) - i
                a_panel, row_stride, step = at(a_block, i * a_row), a_row, a_step
                if pack_a:
                    group = _row_edge(t - t % rows_together, row_panels, high, moved, m)
                    a_panel, row_stride, step = at(packed_a, (i - group) * deep), 1, rows
                for q in range(panel0, panel1):
                    width = low + 1 if q < wider else low
                    j = _column_edge(q, low, wider, vector)
                    last = min(width * vector, n - j) - vector
                    b_panel, b_stride = at(b_block, j), ldb
                    if pack_b:
                        j0 = _column_edge(panel0, low, wider, vector)
                        b_panel, b_stride = at(packed_b, (j - j0) * deep), width * vector
                    c_panel = at(c_first, i * ldc + j)
                    bias_panel = at(bias_first, j)

                    # Tiles of nearly equal height: ``taller`` ones of short + 1 rows, then of ``short``.
                    tallest = height(a_first, width)
                    tiles = (rows + tallest - 1) // tallest
                    short = rows // tiles
                    taller = rows - short * tiles
                    done = 0
                    for part in range(2):
                        count = taller if part == 0 else tiles - taller
                        tall = short + 1 if part == 0 else short
                        if count == 0:
                            continue
                        a_tile, c_tile = at(a_panel, done * row_stride), at(c_panel, done * ldc)
                        if last >= 0:
                            tile(
                                a_tile, row_stride, step, b_panel, b_stride, c_tile, ldc, deep, last,
                                now, bias_panel, count, tall, width,
                            )  # fmt: skip
                            done += count * tall
                            continue
                        for _ in range(count):
                            tile(
                                at(a_panel, done * row_stride), row_stride, step, b_panel, b_stride, scratch, vector,
                                deep, 0, 0, bias_panel, 1, tall, width,
                            )  # fmt: skip
                            for row in range(tall):
                                for column in range(n):
                                    place = at(c_panel, (done + row) * ldc + column)
                                    x = scratch[row * vector + column]
                                    _finish(place, x, now, at(bias_panel, column))
                            done += tall
    if on_heap:
        release(memory)


class _Gemm(Kernel):
    """The kernel, for which NumPy stands in where Numba is told not to compile."""

    __slots__ = ()

    @property
    def compiled(self) -> Callable[..., Any]:
        import numba

        if self._compiled is None and numba.config.DISABLE_JIT:
            self._compiled = _plain
        return super().compiled


def _plain(out, a, b, bias, layout, flags, row_start, row_stop, column_start, column_stop):
    rows, columns = slice(row_start, row_stop), slice(column_start, column_stop)
    left = a.T[rows] if layout == TN else a[rows]
    right = b[columns].T if layout == NT else b[:, columns]
    with np.errstate(all="ignore"):
        c = left @ right
        if flags & ACCUMULATE:
            c += out[rows, columns]
        if flags & BIAS:
            c += bias[columns]
    out[rows, columns] = np.where(c < 0, 0, c) if flags & RELU else c


#: Multiplications from which threads share a product: about 2 µs of them.
SHARED_FROM = 80_000


def shares(
    m: int, n: int, dtype: np.dtype, parts: int = 2, layout: int = NN
) -> list[tuple[int, int, int, int]]:
    """The ranges of rows and columns (the last arguments of ``gemm``) for ``parts`` threads; fewer where C is small.

    Columns are shared if there are enough: each thread then packs its own part of B. But the gradient of a weight (TN)
    is shared by rows, as its update is and as NT shares the weight's: the halves stay in the caches of one core each.
    """
    per_vector = vector_bytes() // dtype.itemsize
    vectors = -(-n // per_vector)
    heights = host_tiles().heights
    tallest = heights[min(max(vectors, 1), len(heights)) - 1]
    tiles = -(-m // tallest)
    if vectors >= 2 * parts and not (layout == TN and tiles >= 2 * parts):
        cuts = [vectors * i // parts * per_vector for i in range(parts)] + [n]
        return [(0, m, low, high) for low, high in itertools.pairwise(cuts)]
    cuts = sorted({min(m, tiles * i // parts * tallest) for i in range(parts)} | {m})
    return [(low, high, 0, n) for low, high in itertools.pairwise(cuts)] or [(0, m, 0, n)]


def _inner(args: tuple) -> int:
    return args[1].shape[0 if args[4] == TN else 1]


def _work(args: tuple) -> int:
    row_start, row_stop, column_start, column_stop = args[6:]
    return 2 * (row_stop - row_start) * (column_stop - column_start) * _inner(args)


def _split(args: tuple, parts: int) -> list[tuple] | None:
    out = args[0]
    if out.size * _inner(args) < SHARED_FROM:
        return None
    ranges = shares(out.shape[0], out.shape[1], out.dtype, parts, args[4])
    return [(*args[:6], *r) for r in ranges] if len(ranges) > 1 else None


#: gemm(out, a, b, bias, layout, flags, row_start, row_stop, column_start, column_stop)
#:
#: out[row_start:row_stop, column_start:column_stop] = A B, in the ``layout`` NN, NT or TN, and as ``flags`` say
#: added to what was there (ACCUMULATE), plus the row vector ``bias`` (BIAS; else any 1-d array), with negative
#: numbers made zero (RELU). Arrays are contiguous, of one float type, and ``out`` overlaps no other.
gemm = _Gemm(_gemm, "gemm.gemm", split=_split, work=_work)
