"""Where the numbers come from: processor, system, versions, threads; and how much memory a process took."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "llvmlite", "torch", "jax", "jaxlib", "pytensor", "mygrad")


def versions() -> dict[str, str]:
    """The installed packages that take part, by name, for the Python that asks."""
    from tinygrad_hw import __version__

    found = {"python": platform.python_version(), "tinygrad_hw": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe(python: str = sys.executable) -> dict[str, Any]:
    """The machine and the versions; those of ``python``, where the peers are, too if it is another one."""
    # Imported here: workers of other libraries ask this module for their memory, which ours must not be part of.
    from tinygrad_hw import cli

    found: dict[str, Any] = {
        "cpu": cli._cpu(),
        "cores": cli._cores(),
        "system": platform.platform(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "commit": _commit(),
        "versions": versions(),
    }
    if python != sys.executable:
        code = "import json; from benchmarks.machine import versions; print(json.dumps(versions()))"
        command = [python, "-c", code]
        out = subprocess.run(
            command, env=environment(None), capture_output=True, text=True, check=True
        )
        found["versions of the peers"] = json.loads(out.stdout)
    return found


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def environment(threads: int | None) -> dict[str, str]:
    """The environment of a process that is to find ``benchmarks`` and use ``threads`` threads (None: its choice)."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    found = {**os.environ, "PYTHONPATH": path}
    if threads is None:
        return found
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "BENCHMARKS")
    found |= {f"{name}_NUM_THREADS": str(threads) for name in names}
    if threads == 1:
        eigen = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {eigen}".strip()
    return found


def threads() -> int | None:
    """How many threads ``environment`` granted this process; None if it may choose."""
    granted = os.environ.get("BENCHMARKS_NUM_THREADS")
    return int(granted) if granted else None


def peak_memory() -> int | None:
    """The most bytes that this process had in memory; None where the system does not say."""
    try:
        # Not getrusage: there a process inherits the peak of the one that started it.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
