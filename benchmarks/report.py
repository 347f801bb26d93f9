"""Results as text: tables on the screen, ``docs/benchmarks.md``, and the table in the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import epoch, growth, matmul, operators, plots, startup, steps
from .harness import Cell, table

Table = tuple[str, list[str], list[list[Cell]]]

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"

#: The tables of each section.
TABLES: dict[str, Any] = {
    "steps": steps.tables,
    "epochs": epoch.tables,
    "goal": epoch.goal_tables,
    "growth": growth.tables,
    "startup": startup.tables,
    "products": matmul.tables,
    "operators": operators.tables,
}


def tables(found: dict[str, Any]) -> list[Table]:
    """All tables of the sections that were measured."""
    made: list[Table] = []
    for section, make in TABLES.items():
        if found.get(section):
            made += [t for t in make(found[section]) if t[2]]
    return made


def origin(found: dict[str, Any]) -> str:
    """Machine, versions, threads and rounds in two sentences."""
    machine, settings = found["machine"], found["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    if "versions of the peers" in machine:
        peers = ", ".join(f"{n} {v}" for n, v in machine["versions of the peers"].items())
        versions += f"; peers with {peers}"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['date']}; "
        f"{settings['threads'] or 'each library its own number of'} threads, medians of "
        f"{settings['rounds']} rounds in turn. {versions}."
    )


def text(found: dict[str, Any]) -> str:
    """For a terminal."""
    parts = [f"{caption}\n{table(titles, rows)}" for caption, titles, rows in tables(found)]
    return "\n\n".join([origin(found), *parts])


def page(found: dict[str, Any]) -> str:
    """``docs/benchmarks.md``."""
    parts = [
        f"## {caption}\n\n{table(titles, rows, markdown=True)}"
        for caption, titles, rows in tables(found)
    ]
    head = (
        "# Benchmarks\n\n"
        f"Made by `python -m benchmarks --report`. {origin(found)}\n\n"
        "Each contender lives in a process of its own, and one at a time is asked for a round. All start from "
        "the same weights and data; whoever has another loss after a few steps is left out. Two numbers with a dash are "
        "the quartiles of the rounds.\n\n"
        "Matrix products are made by all libraries in one process. *ours* is our kernel called from Python, *replayed* "
        "the same as a compiled step replays it, called by native code and shared by the threads. With several threads each "
        "library makes all products in its turn, and pauses between the turns let the other's threads go to sleep.\n\n"
        "![Training steps, products, growth](benchmarks.png)"
    )
    return "\n\n".join([head, *parts]) + "\n"


def short(found: dict[str, Any]) -> str:
    """The README's table: times of a step, and how many times faster."""
    times, against = steps.tables(found["steps"])[:2]
    rows: list[list[Cell]] = [
        [*line, other[1], other[3], other[4]]
        for line, other in zip(times[2], against[2], strict=True)
    ]
    titles = [
        *times[1],
        "compiled: times faster than the best peer",
        "than PyTorch",
        "plain: than PyTorch",
    ]
    return (
        f"{times[0]} ([more](docs/benchmarks.md)). {origin(found)}\n\n"
        f"{table(titles, rows, markdown=True)}\n\n![Training steps](docs/benchmarks.png)"
    )


def between_markers(document: str, inserted: str) -> str:
    """``document`` with ``inserted`` in place of what stood between the markers.

    Raises: ValueError where the markers are missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md: expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{inserted}\n\n{END}{after}"


def write(found: dict[str, Any], root: Path = ROOT) -> list[Path]:
    """The page, its figure, and the README's table."""
    readme = root / "README.md"
    document = between_markers(readme.read_text(encoding="utf-8"), short(found))
    (root / "docs").mkdir(exist_ok=True)
    path = root / "docs" / "benchmarks.md"
    path.write_text(page(found), encoding="utf-8")
    readme.write_text(document, encoding="utf-8")
    return [path, readme, *plots.draw(found, root / "docs" / "benchmarks.png")]
