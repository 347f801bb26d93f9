"""A recorded step as text for a reader."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.recording import Call, Launch, arrays_in, root_of
from .program import address

if TYPE_CHECKING:
    from .program import Program
    from .step import CompiledStep

_REPEATS = 20


def explain(step: CompiledStep, measure: bool = False) -> str:
    """The program used last: launches in order, what they read and write, their arithmetic and, measured, their time."""
    program = step.program
    stats = step.stats()
    times = _measure(program) if measure else None
    names = _Names(program)
    lines = [
        f"{step.__name__}: {stats['launches']} launches ({program.shared_launches} shared by threads), "
        f"{stats['python_calls']} Python calls, {stats['recordings']} recordings",
        f"temporaries: {_bytes(program.temporary_bytes)} in {_bytes(program.block_bytes)} of memory",
        "",
    ]
    head = ["#", "operator", "kernel", "writes", "reads", "FLOP"] + (["µs"] if times else [])
    rows = [head]
    number = 0
    for part in [*program.first_calls, *program.parts]:
        if isinstance(part, Call):
            result = [part.result] if part.result is not None else []
            row = ["", part.name, "(Python)", names.of(result), names.of(part.args), ""]
            rows.append(row + [""] * bool(times))
            continue
        for launch in program.launches[slice(*part)]:
            written = launch.args[: launch.kernel.outputs]
            read = launch.args[launch.kernel.outputs :]
            row = [str(number), launch.name, launch.kernel.name, names.of(written), names.of(read)]
            row.append(f"{flops(launch):,}")
            if times:
                row.append(f"{times[number]:.2f}")
            rows.append(row)
            number += 1
    widths = [max(len(row[c]) for row in rows) for c in range(len(head))]
    right = {0, 5, 6}
    for row in rows:
        cells = [
            cell.rjust(width) if c in right else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    total = f"estimated {sum(map(flops, program.launches)):,} floating point operations"
    lines += ["", total + (f", {sum(times):.1f} µs one by one" if times else "")]
    return "\n".join(lines)


def flops(launch: Launch) -> int:
    """Additions and multiplications of a launch; of kernels that do not say, one for each element they touch."""
    work = launch.kernel.work
    if work is not None:
        return work(launch.args)
    return max((a.size for a in arrays_in(launch.args)), default=0)


class _Names:
    """Short names for memory: ``x0`` an argument, ``s0`` state that outlives the step, ``t0`` a place for temporaries."""

    def __init__(self, program: Program) -> None:
        self.known = {id(root_of(a)): f"x{i}" for i, a in enumerate(program.inputs)}
        self.program = program
        self.counts = {"s": 0, "t": 0}

    def name(self, array: np.ndarray) -> str:
        temporary = self.program.is_temporary(array)
        key = address(array) if temporary else id(root_of(array))
        if key not in self.known:
            letter = "t" if temporary else "s"
            self.known[key] = f"{letter}{self.counts[letter]}"
            self.counts[letter] += 1
        return self.known[key]

    def of(self, values: Any) -> str:
        texts = [
            f"{self.name(a)}{list(a.shape)}" if a.ndim else self.name(a)
            for a in arrays_in(list(values))
            if a.size
        ]
        return " ".join(texts).replace(", ", "×")


def _bytes(count: int) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:.1f} GB"


def _measure(program: Program) -> list[float]:
    """Microseconds of each launch on one thread, the least of several; what they change is put back."""
    kept = [
        (root_of(a), root_of(a).copy())
        for launch in program.launches
        for a in launch.args[: launch.kernel.outputs]
        if isinstance(a, np.ndarray) and not program.is_temporary(a)
    ]
    kept.reverse()  # the first copy of an array is the one to end with
    times = []
    program.use_inputs()
    try:
        for i in range(len(program.launches)):
            least = float("inf")
            for _ in range(_REPEATS):
                start = time.perf_counter()
                program.replay_one(i)
                least = min(least, time.perf_counter() - start)
            times.append(least * 1e6)
    finally:
        for root, values in kept:
            np.copyto(root, values)
    return times
