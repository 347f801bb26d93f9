"""Register tiles: the innermost part of a matrix product, as LLVM vector code.

A tile holds rows × vectors of C in registers while it walks along k; for each step it loads a row of B and
multiplies it by one element of each row of A. A function is made for each height and width that the
machine's registers allow, and ``tile`` jumps to the one that is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from .simd import Vectors, constant, function_of, intrinsic, size_of, vector_bytes


class Tiles(NamedTuple):
    """The shapes of register tiles: up to ``heights[v - 1]`` rows by v vectors.

    ``panel`` is the number of rows that are packed together: the usual heights divide it.
    """

    heights: tuple[int, ...]
    panel: int


@functools.cache
def host_tiles() -> Tiles:
    """The tiles for this machine: as many sums as leave registers for a row of B and an element of A."""
    import platform

    if vector_bytes() == 64:  # 32 registers
        return Tiles((14, 14, 9, 6), 18)
    if vector_bytes() == 32:  # 16 registers
        return Tiles((12, 6, 4), 12)
    if platform.machine().lower() in ("aarch64", "arm64"):  # 32 registers
        return Tiles((8, 8, 8), 8)
    return Tiles(
        (8, 5, 3), 15
    )  # perhaps 16 registers, one of which holds a product before it is added


#: The number of rows that are packed together.
panel = constant("panel", lambda itemsize: host_tiles().panel)
#: The number of vectors of the widest tile.
widest = constant("widest", lambda itemsize: len(host_tiles().heights))


@intrinsic
def height(typing, pointer, vectors):
    """The most rows of a tile of so many vectors."""
    from numba import types

    tiles = host_tiles()

    def generate(context, builder, signature, arguments):
        result = context.get_constant(types.intp, tiles.heights[0])
        for width, rows in enumerate(tiles.heights[1:], 2):
            is_width = builder.icmp_signed(
                "==", arguments[1], context.get_constant(types.intp, width)
            )
            result = builder.select(is_width, context.get_constant(types.intp, rows), result)
        return result

    return types.intp(pointer, types.intp), generate


#: What a tile does with its sums, added together; in this order.
ACCUMULATE = 1  # C + sums, else sums
BIAS = 2  # + a row vector
RELU = 4  # max(0, ·), NaN kept


def tile_body(rows: int, vectors: int, lanes: int) -> Callable:
    """The code of ``count`` tiles, one below the other: C[i, j] = Σ_p A[i, p] B[p, j] with all sums in registers.

    Every sum is one chain of multiply-adds in the order of p. So an element of C does not depend on the tile
    that made it, nor on how C was cut into tiles, blocks or shares of threads.
    """

    def body(function, builder):
        a, row_stride, step, b, b_stride, c, c_stride, k, last, flags, bias, count = function.args[
            :12
        ]
        v = Vectors(builder, a.type.pointee, lanes)
        # The last vector ends where the columns end: it overlaps the one before it instead of being masked.
        columns = [j * lanes for j in range(vectors - 1)] + [last if vectors > 1 else 0]
        entry = builder.block
        start, loop, done, leave = map(
            function.append_basic_block, ("start", "loop", "done", "leave")
        )
        builder.branch(start)

        # From tile to tile, downwards
        builder.position_at_end(start)
        carried_on = []
        for first in (a, c, count):
            phi = builder.phi(first.type)
            phi.add_incoming(first, entry)
            carried_on.append(phi)
        a, c, tiles = carried_on

        # C may be far away: fetch it while the sums are made. In the first cache it costs nothing measurable.
        row = c
        for _ in range(rows):
            for column in columns:
                v.prefetch_to_write(v.element(row, column))
            row = v.element(row, c_stride)

        # One pointer serves three rows, with the row stride once and twice as an index. LLVM would rather walk
        # one pointer from row to row, a chain of additions that is longer than the arithmetic takes.
        bases = [a]
        for _ in range(3, rows, 3):
            bases.append(v.opaque(v.element(bases[-1], row_stride, row_stride, row_stride)))
        builder.cbranch(builder.icmp_signed(">", k, v.number(0)), loop, done)

        builder.position_at_end(loop)

        def carried(first):
            phi = builder.phi(first.type)
            phi.add_incoming(first, start)
            return phi

        left, b_row = carried(k), carried(b)
        a_rows = [carried(base) for base in bases]
        sums = [carried(v.zero) for _ in range(rows * vectors)]
        b_vectors = [v.load(v.element(b_row, column)) for column in columns]
        new_sums = []
        for i in range(rows):
            element = v.element(a_rows[i // 3], *[row_stride] * (i % 3))
            x = v.broadcast(builder.load(element))
            for j in range(vectors):
                new_sums.append(v.fma(x, b_vectors[j], sums[i * vectors + j]))
        new_left = builder.sub(left, v.number(1))
        left.add_incoming(new_left, loop)
        b_row.add_incoming(v.element(b_row, b_stride), loop)
        for old in a_rows:
            old.add_incoming(v.element(old, step), loop)
        for old, new in zip(sums, new_sums, strict=True):
            old.add_incoming(new, loop)
        again = builder.cbranch(builder.icmp_signed(">", new_left, v.number(0)), loop, done)
        again.set_metadata("llvm.loop", v.not_unrolled())

        builder.position_at_end(done)
        results = []
        for new in new_sums:
            phi = builder.phi(v.kind)
            phi.add_incoming(v.zero, start)
            phi.add_incoming(new, loop)
            results.append(phi)
        targets = []
        row = c
        for _ in range(rows):
            targets += [v.element(row, column) for column in columns]
            row = v.element(row, c_stride)

        def where(flag, change):
            """Replace the results by ``change(index, result)`` where the flag is set."""
            nonlocal results
            before = builder.block
            wanted = builder.icmp_signed("!=", builder.and_(flags, v.number(flag)), v.number(0))
            with builder.if_then(wanted):
                changed = [change(i, result) for i, result in enumerate(results)]
                inside = builder.block
            merged = []
            for old, new in zip(results, changed, strict=True):
                phi = builder.phi(v.kind)
                phi.add_incoming(old, before)
                phi.add_incoming(new, inside)
                merged.append(phi)
            results = merged

        def rectified(i, x):
            return builder.select(builder.fcmp_ordered("<", x, v.zero), v.zero, x)

        def biased(i, x):
            return builder.fadd(x, v.load(v.element(bias, columns[i % vectors])))

        # All of C is read before any of it is written, because the last two vectors overlap.
        where(ACCUMULATE, lambda i, x: builder.fadd(v.load(targets[i]), x))
        where(BIAS, biased)
        where(RELU, rectified)
        for target, result in zip(targets, results, strict=True):
            v.store(result, target)
        tiles_left = builder.sub(tiles, v.number(1))
        a.add_incoming(v.element(a, builder.mul(row_stride, v.number(rows))), builder.block)
        c.add_incoming(v.element(c, builder.mul(c_stride, v.number(rows))), builder.block)
        tiles.add_incoming(tiles_left, builder.block)
        builder.cbranch(builder.icmp_signed(">", tiles_left, v.number(0)), start, leave)
        builder.position_at_end(leave)
        builder.ret_void()

    return body


@intrinsic
def tile(
    typing, a, row_stride, step, b, b_stride, c, c_stride, k, last, flags, bias, count, rows, vectors
):  # fmt: skip
    """``count`` tiles of C, one below the other, each rows × ``vectors`` vectors, the last vector at column ``last``.

    A[i, p] is ``a[i * row_stride + p * step]``, B and C have contiguous rows.
    """
    from numba import types

    heights, lanes = host_tiles().heights, vector_bytes() // size_of(a)
    word = types.intp

    def body(function, builder):
        *_, rows, vectors = function.args
        i64 = vectors.type
        impossible = function.append_basic_block("impossible")
        shape = builder.add(builder.shl(rows, i64(3)), vectors)
        switch = builder.switch(shape, impossible)
        builder.position_at_end(impossible)
        builder.unreachable()
        for width, highest in enumerate(heights, 1):
            for count in range(1, highest + 1):
                block = function.append_basic_block()
                switch.add_case(i64(count * 8 + width), block)
                builder.position_at_end(block)
                name = f"tile_{a.dtype}_{lanes}_{count}_{width}"
                code = tile_body(count, width, lanes)
                kinds = [argument.type for argument in function.args]
                target = function_of(builder.module, name, kinds, code)
                # The same parameters, all of them: the call becomes a jump.
                builder.call(target, function.args, tail=True)
                builder.ret_void()

    def generate(context, builder, signature, arguments):
        kinds = [argument.type for argument in arguments]
        name = f"tile_{a.dtype}_{lanes}"
        builder.call(function_of(builder.module, name, kinds, body), arguments)
        return context.get_dummy_value()

    signature = types.void(a, word, word, a, word, a, word, word, word, word, a, word, word, word)
    return signature, generate
