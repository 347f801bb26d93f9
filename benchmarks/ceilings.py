"""What no product passes on one core: multiply-adds on registers, and bytes to and from memory."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from tinygrad_hw.kernels.jit import kernel
from tinygrad_hw.kernels.simd import Vectors, data, intrinsic, size_of, vector_bytes

from .harness import contest, repeat

#: Independent chains of multiply-adds: enough to hide one's latency, few enough for 16 registers.
CHAINS = 10


@intrinsic
def _chains(typing, pointer, times):
    """``CHAINS`` vectors, each ``times`` times x ← x · p[0] + p[1], stored behind p[1]."""
    from numba import types

    lanes = vector_bytes() // size_of(pointer)

    def generate(context, builder, signature, arguments):
        place, count = arguments
        v = Vectors(builder, place.type.pointee, lanes)
        factor, term = (v.broadcast(builder.load(v.element(place, i))) for i in (0, 1))
        before = builder.block
        loop, done = map(builder.append_basic_block, ("loop", "done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        left = builder.phi(count.type)
        left.add_incoming(count, before)
        sums = [builder.phi(v.kind) for _ in range(CHAINS)]
        new_left = builder.sub(left, v.number(1))
        left.add_incoming(new_left, loop)
        new_sums = [v.fma(x, factor, term) for x in sums]
        for x, new in zip(sums, new_sums, strict=True):
            x.add_incoming(term, before)
            x.add_incoming(new, loop)
        again = builder.cbranch(builder.icmp_signed(">", new_left, v.number(0)), loop, done)
        again.set_metadata("llvm.loop", v.not_unrolled())
        builder.position_at_end(done)
        for i, new in enumerate(new_sums):
            v.store(new, v.element(place, 2 + i * lanes))
        return context.get_dummy_value()

    return types.void(pointer, types.intp), generate


@kernel
def multiply_adds(out, times):
    _chains(data(out), times)


def ceilings(span: float = 0.02) -> dict[str, float]:
    """Operations a second in float32 and float64, and bytes a second between cores and memory, of one thread."""
    found = {}
    loops = 20_000
    for dtype in (np.dtype("f4"), np.dtype("f8")):
        lanes = vector_bytes() // dtype.itemsize
        numbers = np.zeros(2 + CHAINS * lanes, dtype)
        # Each chain starts at its term and is drawn to 1: no overflow, no subnormal number.
        numbers[:2] = 0.5, 0.5
        multiply_adds(numbers, loops)
        run = repeat(partial(multiply_adds, numbers, loops))
        best = min(contest({"": run}, 9, span, time.thread_time)[""])
        found[dtype.name] = 2 * CHAINS * lanes * loops / best
    source, target = np.ones((2, 1 << 24), np.float32)
    copy = repeat(partial(np.copyto, target, source))
    found["bytes"] = 2 * source.nbytes / min(contest({"": copy}, 5, span, time.thread_time)[""])
    return found
