"""Register tiles of which one operand is gathered from an image through tables of offsets.

    tap_tile    C = A B, A[i, p] = a[row[i] + step[p]]: vectors run along channels
    line_tile   C = A B, B[p, j] = b[step[p] + j]: vectors run along a line of the image

A convolution multiplies such matrices: rows of the first are places of the image and its columns taps of the weight,
or the other way round for the gradient of the weight; rows of the second are taps. So no copy of the image is made for
each tap.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from .simd import Vectors, constant, function_of, intrinsic, size_of, transposed, vector_bytes
from .tile import host_tiles


@functools.cache
def tap_heights() -> tuple[int, ...]:
    """The most rows of a tile of 1, 2 … vectors: as many sums, and row addresses, as there are registers for."""
    import platform

    wide = vector_bytes() == 64 or platform.machine().lower() in ("aarch64", "arm64")
    return (8, 8, 8) if wide else (8, 6)


#: The number of vectors of the widest tile.
tap_widest = constant("tap_widest", lambda itemsize: len(tap_heights()))


@intrinsic
def tap_height(typing, pointer, vectors):
    """The most rows of a tile of so many vectors."""
    from numba import types

    def generate(context, builder, signature, arguments):
        result = context.get_constant(types.intp, tap_heights()[0])
        for width, rows in enumerate(tap_heights()[1:], 2):
            is_width = builder.icmp_signed(
                "==", arguments[1], context.get_constant(types.intp, width)
            )
            result = builder.select(is_width, context.get_constant(types.intp, rows), result)
        return result

    return types.intp(pointer, types.intp), generate


def tap_tile_body(rows: int, vectors: int, lanes: int) -> Callable:
    """The code of one tile: C[i, :] (+)= Σ_p a[row[i] + step[p]] B[p, :]; B and C are packed, ``vectors`` wide.

    As in ``tile_body`` every sum is one chain of multiply-adds in the order of p.
    """

    def body(function, builder):
        a, row, step, b, c, k, accumulate = function.args[:7]
        v = Vectors(builder, a.type.pointee, lanes)
        columns = [j * lanes for j in range(vectors)]
        entry = builder.block
        loop, done, add, leave = map(function.append_basic_block, ("loop", "done", "add", "leave"))
        # Opaque, or LLVM adds the row's offset to the step's for every element.
        bases = [v.opaque(v.element(a, builder.load(v.element(row, i)))) for i in range(rows)]
        builder.cbranch(builder.icmp_signed(">", k, v.number(0)), loop, done)

        builder.position_at_end(loop)

        def carried(first):
            phi = builder.phi(first.type)
            phi.add_incoming(first, entry)
            return phi

        left, b_row, place = carried(k), carried(b), carried(step)
        sums = [carried(v.zero) for _ in range(rows * vectors)]
        offset = builder.load(place)
        b_vectors = [v.load(v.element(b_row, column)) for column in columns]
        new_sums = []
        for i in range(rows):
            x = v.broadcast(builder.load(v.element(bases[i], offset)))
            for j in range(vectors):
                new_sums.append(v.fma(x, b_vectors[j], sums[i * vectors + j]))
        new_left = builder.sub(left, v.number(1))
        left.add_incoming(new_left, loop)
        b_row.add_incoming(v.element(b_row, vectors * lanes), loop)
        place.add_incoming(v.element(place, 1), loop)
        for old, new in zip(sums, new_sums, strict=True):
            old.add_incoming(new, loop)
        again = builder.cbranch(builder.icmp_signed(">", new_left, v.number(0)), loop, done)
        again.set_metadata("llvm.loop", v.not_unrolled())

        builder.position_at_end(done)
        results = []
        for new in new_sums:
            phi = builder.phi(v.kind)
            phi.add_incoming(v.zero, entry)
            phi.add_incoming(new, loop)
            results.append(phi)
        targets = [v.element(c, i * lanes) for i in range(rows * vectors)]
        builder.cbranch(builder.icmp_signed("!=", accumulate, v.number(0)), add, leave)
        builder.position_at_end(add)
        totals = [builder.fadd(v.load(t), x) for t, x in zip(targets, results, strict=True)]
        builder.branch(leave)
        builder.position_at_end(leave)
        merged = []
        for result, total in zip(results, totals, strict=True):
            phi = builder.phi(v.kind)
            phi.add_incoming(result, done)
            phi.add_incoming(total, add)
            merged.append(phi)
        for target, x in zip(targets, merged, strict=True):
            v.store(x, target)
        builder.ret_void()

    return body


def _dispatch(function, builder, name: str, heights: tuple, lanes: int, tile: Callable) -> None:
    """Jump to the tile of the height and width that the last two arguments say."""
    *_, rows, vectors = function.args
    i64 = vectors.type
    impossible = function.append_basic_block("impossible")
    switch = builder.switch(builder.add(builder.shl(rows, i64(3)), vectors), impossible)
    builder.position_at_end(impossible)
    builder.unreachable()
    kinds = [argument.type for argument in function.args]
    for width, highest in enumerate(heights, 1):
        for count in range(1, highest + 1):
            block = function.append_basic_block()
            switch.add_case(i64(count * 8 + width), block)
            builder.position_at_end(block)
            code = tile(count, width, lanes)
            target = function_of(builder.module, f"{name}_{lanes}_{count}_{width}", kinds, code)
            # The same parameters, all of them: the call becomes a jump.
            builder.call(target, function.args, tail=True)
            builder.ret_void()


@intrinsic
def tap_tile(typing, a, row, step, b, c, k, accumulate, rows, vectors):
    """One tile of C, rows × ``vectors`` vectors: C (+)= Σ_p a[row[i] + step[p]] B[p, :]."""
    from numba import types

    lanes = vector_bytes() // size_of(a)
    word = types.intp

    def body(function, builder):
        _dispatch(function, builder, f"tap_tile_{a.dtype}", tap_heights(), lanes, tap_tile_body)

    def generate(context, builder, signature, arguments):
        kinds = [argument.type for argument in arguments]
        builder.call(
            function_of(builder.module, f"tap_tile_{a.dtype}_{lanes}", kinds, body), arguments
        )
        return context.get_dummy_value()

    table = types.CPointer(word)
    return types.void(a, table, table, a, a, word, word, word, word), generate


def line_tile_body(rows: int, vectors: int, lanes: int) -> Callable:
    """The code of one tile: C[i, j] = bias[i] + Σ_p A[p, i] b[step[p] + j]; A is packed, ``rows`` wide."""

    def body(function, builder):
        a, b, step, c, c_stride, k, last, bias = function.args[:8]
        v = Vectors(builder, a.type.pointee, lanes)
        # The last vector ends where the columns end: it overlaps the one before it.
        columns = [j * lanes for j in range(vectors - 1)] + [last if vectors > 1 else 0]
        entry = builder.block
        loop, done = map(function.append_basic_block, ("loop", "done"))
        first = [v.broadcast(builder.load(v.element(bias, i))) for i in range(rows)]
        builder.cbranch(builder.icmp_signed(">", k, v.number(0)), loop, done)

        builder.position_at_end(loop)

        def carried(start):
            phi = builder.phi(start.type)
            phi.add_incoming(start, entry)
            return phi

        left, a_row, place = carried(k), carried(a), carried(step)
        sums = [carried(x) for x in first for _ in range(vectors)]
        b_row = v.element(b, builder.load(place))
        b_vectors = [v.load(v.element(b_row, column)) for column in columns]
        new_sums = []
        for i in range(rows):
            x = v.broadcast(builder.load(v.element(a_row, i)))
            for j in range(vectors):
                new_sums.append(v.fma(x, b_vectors[j], sums[i * vectors + j]))
        new_left = builder.sub(left, v.number(1))
        left.add_incoming(new_left, loop)
        a_row.add_incoming(v.element(a_row, rows), loop)
        place.add_incoming(v.element(place, 1), loop)
        for old, new in zip(sums, new_sums, strict=True):
            old.add_incoming(new, loop)
        again = builder.cbranch(builder.icmp_signed(">", new_left, v.number(0)), loop, done)
        again.set_metadata("llvm.loop", v.not_unrolled())

        builder.position_at_end(done)
        results = []
        for i, new in enumerate(new_sums):
            phi = builder.phi(v.kind)
            phi.add_incoming(first[i // vectors], entry)
            phi.add_incoming(new, loop)
            results.append(phi)
        row = c
        for i in range(rows):
            for j in range(vectors):
                v.store(results[i * vectors + j], v.element(row, columns[j]))
            row = v.element(row, c_stride)
        builder.ret_void()

    return body


@intrinsic
def line_tile(typing, a, b, step, c, c_stride, k, last, bias, rows, vectors):
    """One tile, rows × ``vectors`` vectors, the last at column ``last``: C[i, j] = bias[i] + Σ_p A[p, i] b[step[p] + j]."""
    from numba import types

    lanes = vector_bytes() // size_of(a)
    word = types.intp

    def body(function, builder):
        _dispatch(
            function, builder, f"line_tile_{a.dtype}", host_tiles().heights, lanes, line_tile_body
        )

    def generate(context, builder, signature, arguments):
        kinds = [argument.type for argument in arguments]
        builder.call(
            function_of(builder.module, f"line_tile_{a.dtype}_{lanes}", kinds, body), arguments
        )
        return context.get_dummy_value()

    return types.void(a, a, types.CPointer(word), a, word, word, word, a, word, word), generate


@intrinsic
def transpose_add(typing, target, target_stride, source, source_stride, bias):
    """target[q, p] = source[p, q] + bias[q] for a square block as wide as a vector."""
    from numba import types

    lanes = vector_bytes() // size_of(source)

    def body(function, builder):
        to, to_stride, origin, stride, bias = function.args
        v = Vectors(builder, origin.type.pointee, lanes)
        for q, row in enumerate(transposed(v, origin, stride)):
            v.store(builder.fadd(row, v.broadcast(builder.load(v.element(bias, q)))), to)
            to = v.element(to, to_stride)
        builder.ret_void()

    def generate(context, builder, signature, arguments):
        name = f"transpose_add_{source.dtype}_{lanes}"
        kinds = [argument.type for argument in arguments]
        builder.call(function_of(builder.module, name, kinds, body), arguments)
        return context.get_dummy_value()

    return types.void(source, types.intp, source, types.intp, source), generate
