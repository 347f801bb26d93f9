"""From nothing to the first step: importing, a first run with empty caches, and a second one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import machine
from .contenders import CONTENDERS
from .harness import Cell, spread
from .networks import Network
from .steps import Effort
from .worker import Missing, WorkerError

#: What each contender's users import.
MODULES = {
    "tinygrad_hw": "compiled",
    "torch": "torch",
    "jax": "jax",
    "pytensor": "pytensor",
    "mygrad": "mygrad",
    "numpy": "numpy",
}


def caches(folder: Path) -> dict[str, str]:
    """Variables that move every library's cache of compiled code into ``folder``."""
    names = ("TINYGRAD_HW_CACHE", "TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR")
    return {
        **{name: str(folder / name) for name in names},
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
    }


def imports(effort: Effort) -> list[dict[str, Any]]:
    """Seconds of ``import`` in new processes, whose files the system has read before."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    found = []
    for module, contender in MODULES.items():
        if contender not in effort.contenders:
            continue
        python = sys.executable if CONTENDERS[contender].ours else effort.python
        command = [python, "-c", code.format(module)]
        taken = []
        for _ in range(1 + effort.rounds):
            done = subprocess.run(
                command, env=machine.environment(None), capture_output=True, text=True
            )
            if done.returncode:
                break
            taken.append(float(done.stdout))
        else:
            found.append({"module": module, "seconds": spread(taken[1:])})
    return found


def first_steps(network: Network, effort: Effort) -> list[dict[str, Any]]:
    """Of each contender, in seconds: a new process until its first step is done, caches empty, then full."""
    found = []
    for name in effort.contenders:
        row: dict[str, Any] = {"contender": name, "network": network.name}
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                for state in ("cold", "warm"):
                    row[state] = _first_step(name, network, effort, Path(folder))
        except (Missing, WorkerError) as error:
            effort.say(f"without {CONTENDERS[name].title}: {error}")
            continue
        if row["cold"] is not None:
            found.append(row)
            effort.say(f"first step of {CONTENDERS[name].title}: measured")
    return found


def _first_step(name: str, network: Network, effort: Effort, folder: Path) -> dict[str, Any] | None:
    start = time.perf_counter()
    with effort.start(name, caches(folder)) as worker:
        worker.answer()
        built = worker.call("build", asdict(network))
        if built is None:
            return None
        return {"seconds": time.perf_counter() - start, **built, "facts": worker.call("facts")}


def run(network: Network, effort: Effort) -> dict[str, Any]:
    """Imports and first steps."""
    return {"imports": imports(effort), "first steps": first_steps(network, effort)}


def tables(found: dict[str, Any]) -> list[tuple[str, list[str], list[list[Cell]]]]:
    """(caption, titles, rows)."""
    imported: list[list[Cell]] = [
        [row["module"], row["seconds"]["median"] * 1e3] for row in found["imports"]
    ]
    first: list[list[Cell]] = [
        [
            CONTENDERS[row["contender"]].title,
            row["cold"]["seconds"],
            row["warm"]["seconds"],
            row["warm"]["first step"] * 1e3,
            _millions(row["cold"]["memory"]),
            _millions(row["warm"]["memory"]),
        ]
        for row in found["first steps"]
    ]
    network: Sequence[str] = [row["network"] for row in found["first steps"][:1]]
    return [
        ("Import, milliseconds", ["module", "import"], imported),
        (
            f"From the start of Python to the first step of {''.join(network)}",
            [
                "",
                "s, caches empty",
                "s, caches full",
                "of that the step, ms",
                "peak MB, empty",
                "peak MB, full",
            ],
            first,
        ),
    ]


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
