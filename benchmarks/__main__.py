"""``python -m benchmarks``: training steps, products, operators, start-up and epochs beside the peers, in five minutes."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import epoch, growth, machine, matmul, operators, plots, report, startup, steps
from .contenders import CONTENDERS
from .networks import NETWORKS
from .steps import Effort

SECTIONS = ("steps", "growth", "products", "operators", "startup", "epochs", "goal")


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.read is not None:
        found = json.loads(arguments.read.read_text(encoding="utf-8"))
        if arguments.report and not found.get("steps"):
            parser.error(f"--report: expected training steps in {arguments.read}, got none")
    else:
        if arguments.report and "steps" not in (arguments.only or ["steps"]):
            parser.error("--report: expected steps among the sections of --only")
        found = measure(arguments)
        print(report.text(found))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    written = []
    if arguments.plot is not None:
        written += plots.draw(found, arguments.plot)
    if arguments.report:
        written += report.write(found)
    for path in written:
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this package beside its peers, whichever are installed.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="seconds, without peers: does it work?")
    size.add_argument("--full", action="store_true", help="everything, more rounds")
    size.add_argument(
        "--from", dest="read", type=Path, metavar="FILE", help="measure nothing, take a --json FILE"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw: one .png, or a folder")
    parser.add_argument(
        "--report", action="store_true", help="write docs/benchmarks.* and the README's table"
    )
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=list(CONTENDERS),
        metavar="NAME",
        help=", ".join(CONTENDERS),
    )
    parser.add_argument("--rounds", type=int, help="turns of each contender")
    parser.add_argument("--threads", type=int, help="for every library (default: its own choice)")
    parser.add_argument(
        "--peers", default=sys.executable, metavar="PYTHON", help="the Python that has the peers"
    )
    return parser


def effort_of(arguments: argparse.Namespace) -> Effort:
    """How much is measured of whom."""
    contenders = arguments.contenders or [
        name for name, entry in CONTENDERS.items() if arguments.full or not entry.slow
    ]
    if arguments.quick:
        contenders = [name for name in contenders if CONTENDERS[name].ours]
    rounds, span = (2, 0.005) if arguments.quick else (21, 0.2) if arguments.full else (5, 0.15)
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - start:4.0f} s] {text}", file=sys.stderr, flush=True)

    return Effort(
        rounds=arguments.rounds or rounds,
        span=span,
        threads=arguments.threads,
        python=arguments.peers,
        contenders=contenders,
        say=say,
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The sections that are asked for, by name, with the machine and the settings."""
    effort = effort_of(arguments)
    quick, full = arguments.quick, arguments.full
    few = Effort(**{**vars(effort), "rounds": min(effort.rounds, 9 if full else 3)})
    networks = [NETWORKS[name] for name in arguments.networks]
    if quick:
        networks = networks[:1]
    python = sys.executable if quick else effort.python
    wide = (16, 64, 256, 1024) if not full else (16, 32, 64, 128, 256, 512, 1024, 2048)
    batches = (1, 8, 64, 512) if not full else (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    starting = (
        few
        if full
        else Effort(
            **{
                **vars(few),
                "contenders": [n for n in few.contenders if n in ("compiled", "eager", "torch")],
            }
        )
    )

    def products() -> list[dict[str, Any]]:
        shapes = matmul.shapes()[:2] if quick else matmul.shapes()
        dtypes = ["float32", "float64"] if full else ["float32"]
        span, counts = 0.0005 if quick else 0.001, matmul.thread_counts(effort.threads)
        return matmul.run(shapes, dtypes, python, effort.rounds, span, counts)

    def epochs() -> list[dict[str, Any]]:
        return epoch.run([n.name for n in networks if n.name in epoch.DATA], few)

    sections: dict[str, Callable[[], Any]] = {
        "steps": lambda: steps.run(networks, effort),
        "growth": lambda: growth.run((16,) if quick else wide, (1,) if quick else batches, few),
        "products": products,
        "operators": lambda: operators.run(python, few.rounds, 0.001, not full, quick, effort.say),
        "startup": lambda: startup.run(networks[0] if quick else NETWORKS["mnist"], starting),
        "epochs": epochs,
        "goal": lambda: epoch.to_goal(effort),
    }
    wanted = arguments.only or [s for s in SECTIONS if full or s != "goal"]
    if quick and not arguments.only:
        wanted = ["steps", "growth", "products", "operators"]
    found: dict[str, Any] = {
        "machine": machine.describe(effort.python),
        "settings": {"threads": effort.threads, "rounds": effort.rounds, "span": effort.span},
    }
    for section in wanted:
        found[section] = sections[section]()
    if "products" in found:
        found["ceilings"] = matmul.ceilings(python, 0.001 if quick else 0.02)
    return found


if __name__ == "__main__":
    sys.exit(main())
