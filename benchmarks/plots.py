"""Figures out of the results."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from .contenders import CONTENDERS

OURS = ("#b2182b", "#ef8a62")
PEERS = ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#4d9221", "#8073ac", "#bf812d", "#999999")
MARKS = {"nn": "o", "nt": "s", "tn": "^"}


def _color(name: str) -> str:
    ours = ("compiled", "eager")
    if name in ours:
        return OURS[ours.index(name)]
    if name == "products":
        return "black"
    return PEERS[[n for n in CONTENDERS if n not in (*ours, "products")].index(name)]


def bars(ax: Any, found: list[dict[str, Any]]) -> None:
    """A step's time by network; a line across a network's bars: its matrix products alone."""
    names = [n for n in CONTENDERS if n != "products" and any(n in row["times"] for row in found)]
    width = 0.86 / max(len(names), 1)
    for i, name in enumerate(names):
        places, times = [], []
        errors: tuple[list[float], list[float]] = ([], [])
        for j, row in enumerate(found):
            if name in row["times"]:
                spread = row["times"][name]
                places.append(j + (i - (len(names) - 1) / 2) * width)
                times.append(spread["median"] * 1e6)
                errors[0].append((spread["median"] - spread["q1"]) * 1e6)
                errors[1].append((spread["q3"] - spread["median"]) * 1e6)
        style = {"color": _color(name), "label": CONTENDERS[name].title}
        ax.bar(places, times, width, yerr=errors, error_kw={"lw": 0.7}, **style)
    for j, row in enumerate(found):
        if "products" in row["times"]:
            label = "its matrix products alone (OpenBLAS)" if j == 0 else None
            limit = row["times"]["products"]["median"] * 1e6
            ax.hlines(limit, j - 0.46, j + 0.46, "black", lw=1.3, label=label)
    ax.set_yscale("log")
    labels = [f"{row['network']}\n{textwrap.fill(row['describe'], 26)}" for row in found]
    ax.set_xticks(range(len(found)), labels, fontsize=7)
    ax.set_ylabel("µs a training step")
    ax.legend(fontsize=7, ncols=2, frameon=False)


def roofline(ax: Any, found: dict[str, Any]) -> None:
    """Our product's rate over the operations for each byte of its operands, under what the core and memory allow."""
    import numpy as np

    limits = found["ceilings"]
    rows = [r for r in found["products"] if r["threads"] == 1 and r["dtype"] == "float32"]
    xs, used = [], set()
    for row in rows:
        m, n, k = row["m"], row["n"], row["k"]
        intensity = 2 * m * n * k / (4 * (m * k + k * n + m * n))
        xs.append(intensity)
        for way, color in (("replayed", OURS[0]), ("blas", PEERS[0])):
            rate = 2 * m * n * k / row["times"][way]["median"] / 1e9
            title = "ours" if way == "replayed" else "OpenBLAS"
            label = f"{title}, {row['layout']}"
            ax.plot(
                intensity,
                rate,
                MARKS[row["layout"]],
                color=color,
                ms=4,
                mfc=color if way == "replayed" else "none",
                label=None if label in used else label,
            )
            used.add(label)
    if rows:
        x = np.geomspace(min(xs) / 1.5, max(xs) * 1.5)
        roof = np.minimum(limits["bytes"] * x, limits["float32"]) / 1e9
        ax.plot(x, roof, "k-", lw=1.2, label="main memory and core")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("operations for each byte of A, B and C")
    ax.set_ylabel("GFLOP/s, one thread, float32")
    ax.legend(fontsize=7, frameon=False)


def growth(ax: Any, found: list[dict[str, Any]], by: str) -> None:
    """A step's time over the width or the batch."""
    rows = [row for row in found if row["by"] == by]
    for name in CONTENDERS:
        points = [(r["size"], r["times"][name]["median"] * 1e6) for r in rows if name in r["times"]]
        if points:
            line = "--" if name == "products" else "o-"
            style = {"color": _color(name), "label": CONTENDERS[name].title}
            ax.plot(*zip(*points, strict=True), line, ms=3, **style)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xlabel("width w of 784-w-w-10, batch 100" if by == "width" else "batch of mnist")
    ax.set_ylabel("µs a training step")
    ax.legend(fontsize=7, frameon=False)


def draw(found: dict[str, Any], path: Path) -> list[Path]:
    """All figures into one PNG where ``path`` ends in .png, else each into one of its own in that folder."""
    from matplotlib.figure import Figure

    panels: dict[str, Any] = {}
    if found.get("steps"):
        panels["steps"] = lambda ax: bars(ax, found["steps"])
    if found.get("products"):
        panels["roofline"] = lambda ax: roofline(ax, found)
    if found.get("growth"):
        panels["width"] = lambda ax: growth(ax, found["growth"], "width")
        panels["batch"] = lambda ax: growth(ax, found["growth"], "batch")
    if not panels:
        return []
    machine = found["machine"]
    granted = found["settings"]["threads"] or "all"
    origin = f"{machine['cpu']}, {machine['cores']} cores, {granted} threads"
    if path.suffix.lower() != ".png":
        path.mkdir(parents=True, exist_ok=True)
        written = []
        for name, panel in panels.items():
            figure = Figure(
                figsize=(11 if name == "steps" else 6.4, 4.4), dpi=110, layout="constrained"
            )
            panel(figure.add_subplot())
            figure.suptitle(origin, fontsize=9)
            written.append(path / f"{name}.png")
            figure.savefig(written[-1])
        return written
    path.parent.mkdir(parents=True, exist_ok=True)
    below = [name for name in panels if name != "steps"]
    layout: Any = [["steps"] * max(len(below), 1)] * ("steps" in panels) + (
        [below] if below else []
    )
    figure = Figure(figsize=(12.5, 4.4 * len(layout)), dpi=110, layout="constrained")
    for name, ax in figure.subplot_mosaic(layout).items():
        panels[name](ax)
    figure.suptitle(origin, fontsize=9)
    figure.savefig(path)
    return [path]
