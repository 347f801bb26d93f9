"""The largest of 2 × 2 elements side by side, by whole vectors: what most networks pool with."""

from __future__ import annotations

from .simd import Vectors, intrinsic, size_of, vector_bytes


def _beats(v: Vectors, x, best):
    """Whether x comes instead of ``best``: it is larger, or NaN."""
    b = v.builder
    return b.or_(b.fcmp_ordered(">", x, best), b.fcmp_unordered("uno", x, x))


def _window(v: Vectors, rows: list) -> list:
    """The four elements of each window, in the order of memory, from two vectors of either row."""
    elements = []
    for row in rows:
        low, high = v.load(row), v.load(v.element(row, v.lanes))
        for first in 0, 1:
            elements.append(v.shuffle(low, high, [first + 2 * i for i in range(v.lanes)]))
    return elements


@intrinsic
def largest_of_four(typing, target, top, bottom):
    """target[j] = the largest of top[2j], top[2j + 1], bottom[2j], bottom[2j + 1], for one vector of j."""
    from numba import types

    lanes = vector_bytes() // size_of(top)

    def generate(context, builder, signature, arguments):
        v = Vectors(builder, context.get_value_type(top.dtype), lanes)
        best, *others = _window(v, arguments[1:])
        for x in others:
            best = builder.select(_beats(v, x, best), x, best)
        v.store(best, arguments[0])
        return context.get_dummy_value()

    return types.void(top, top, top), generate


@intrinsic
def largest_of_four_vjp(typing, to_top, to_bottom, g, top, bottom):
    """g[j] at the largest element of window j, the first of equals; 0 at the three others."""
    from numba import types

    lanes = vector_bytes() // size_of(top)

    def generate(context, builder, signature, arguments):
        v = Vectors(builder, context.get_value_type(top.dtype), lanes)
        best, *others = _window(v, arguments[3:])
        wins = []
        for x in others:
            wins.append(_beats(v, x, best))
            best = builder.select(wins[-1], x, best)
        left = v.load(arguments[2])
        shares: list = []
        for won in reversed(wins):
            shares.insert(0, builder.select(won, left, v.zero))
            left = builder.select(won, v.zero, left)
        shares.insert(0, left)
        for target, (even, odd) in zip(arguments[:2], (shares[:2], shares[2:]), strict=True):
            mixed = [i // 2 + lanes * (i % 2) for i in range(2 * lanes)]
            v.store(v.shuffle(even, odd, mixed[:lanes]), target)
            v.store(v.shuffle(even, odd, mixed[lanes:]), v.element(target, lanes))
        return context.get_dummy_value()

    return types.void(top, top, top, top, top), generate
