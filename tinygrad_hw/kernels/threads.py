"""Threads: workers that take parts of launches, handed out by a counter in shared memory.

The thread that makes a step or a large call publishes each launch that has parts and takes parts itself, so a worker that
the operating system has put aside costs nothing: the others do its parts. Between launches a worker spins, since waking
a thread takes longer than most launches; when nothing has come for a while it sleeps.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from . import recording

# The pool's words, each on a cache line of its own: what is handed out, (sequence number << 16) + next part; how many
# parts are done; and the launch: the number of its parts, the address of their entries, of their rows.
TICKET, DONE, PARTS = 0, 8, 16
ENTRIES, ROWS = PARTS + 1, PARTS + 2
_WORDS = 24
#: Looks at the ticket before a worker sleeps: about a millisecond.
SPINS = 30_000


@functools.cache
def intrinsics() -> dict[str, Any]:
    """Atomic operations on words given by their addresses."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    word = ir.IntType(64)

    def place(builder, address):
        return builder.inttoptr(address, word.as_pointer())

    @intrinsic
    def load(context, address):
        def generate(context, builder, signature, args):
            return builder.load_atomic(place(builder, args[0]), "acquire", 8)

        return types.int64(types.int64), generate

    @intrinsic
    def store(context, address, value):
        def generate(context, builder, signature, args):
            builder.store_atomic(args[1], place(builder, args[0]), "seq_cst", 8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    @intrinsic
    def add(context, address, value):
        def generate(context, builder, signature, args):
            return builder.atomic_rmw("add", place(builder, args[0]), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def exchange(context, address, old, new):
        """Whether the word was ``old``, and is ``new`` now."""

        def generate(context, builder, signature, args):
            pair = builder.cmpxchg(place(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
            return builder.extract_value(pair, 1)

        return types.boolean(types.int64, types.int64, types.int64), generate

    @intrinsic
    def pause(context):
        """Let the core rest for some cycles."""

        def generate(context, builder, signature, args):
            if "x86" in builder.module.triple:
                kind = ir.FunctionType(ir.VoidType(), [])
                name = "llvm.x86.sse2.pause"
                known = builder.module.globals.get(name)
                builder.call(known or ir.Function(builder.module, kind, name), [])
            return context.get_dummy_value()

        return types.void(), generate

    return {"load": load, "store": store, "add": add, "exchange": exchange, "pause": pause}


#: Takes parts of the published launch until there are none left; returns how many.
TAKE = f"""
def take(pool):
    taken = 0
    while True:
        ticket = load(pool + {8 * TICKET})
        part = ticket & 0xFFFF
        if part >= load(pool + {8 * PARTS}):
            return taken
        entries, rows = load(pool + {8 * ENTRIES}), load(pool + {8 * ROWS})
        # Succeeds only while the launch is still the one that was looked at.
        if exchange(pool + {8 * TICKET}, ticket, ticket + 1):
            call(load(entries + 8 * part), load(rows + 8 * part))
            add(pool + {8 * DONE}, 1)
            taken += 1
"""

SERVE = """
def serve(pool, spins):
    idle = 0
    while idle < spins:
        if take(pool):
            idle = 0
        else:
            idle += 1
            pause()
"""

SHARE = f"""
def share(pool, entries, rows, parts):
    ticket = load(pool + {8 * TICKET})
    store(pool + {8 * DONE}, 0)
    store(pool + {8 * PARTS}, parts)
    store(pool + {8 * ENTRIES}, entries)
    store(pool + {8 * ROWS}, rows)
    store(pool + {8 * TICKET}, ((ticket >> 16) + 1) << 16)
    take(pool)
    while load(pool + {8 * DONE}) < parts:
        pause()
"""


class Pool:
    """The workers of this process.

    ``serve`` is the native function that a worker runs; ``busy`` is held by the thread whose launches they share.
    """

    def __init__(self) -> None:
        self.memory = np.zeros(_WORDS + 8, np.int64)
        start = self.memory.__array_interface__["data"][0]
        self.address = start + (-start) % 64
        # No part may be taken before there is a launch.
        self.busy = threading.Lock()
        self.sleeping: list[threading.Lock] = []
        self.workers = 0

    @property
    def awake(self) -> bool:
        """Whether there are workers and all of them look for work."""
        return self.workers > 0 and not self.sleeping

    def lend(self, serve: Callable[[int, int], None]) -> int:
        """The pool's address to a thread that will ``busy.release()`` it, its workers about; 0 if it cannot have it."""
        count = get_num_threads()
        if count == 1 or not self.busy.acquire(False):
            return 0
        if self.sleeping or self.workers < count - 1:
            self.wake(count - 1, serve)
        return self.address

    def wake(self, count: int, serve: Callable[[int, int], None]) -> None:
        """Have ``count`` workers about."""
        while self.workers < count:
            self.workers += 1
            bed = threading.Lock()
            bed.acquire()
            thread = threading.Thread(
                target=self._work,
                args=(bed, serve),
                name=f"tinygrad_hw-{self.workers}",
                daemon=True,
            )
            thread.start()
        while self.sleeping:
            self.sleeping.pop().release()

    def _work(self, bed: threading.Lock, serve: Callable[[int, int], None]) -> None:
        while True:
            serve(self.address, SPINS)
            self.sleeping.append(bed)
            bed.acquire()


pool = Pool()


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global pool
    pool = Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_threads = max(1, min(_cores(), 8))


def get_num_threads() -> int:
    """How many threads large operations use; at first the cores that the process may use, at most 8."""
    return _threads


def set_num_threads(num_threads: int) -> None:
    """Let large operations use that many threads, in compiled steps and outside. Results do not depend on it."""
    global _threads
    if isinstance(num_threads, bool) or not isinstance(num_threads, int) or num_threads < 1:
        raise ValueError(f"set_num_threads: expected an integer >= 1, got {num_threads!r}")
    if num_threads != _threads:
        _threads = num_threads
        recording.changed()
