"""Pages found and read: boxes drawn, lines, text, and the share of wrong characters where the truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .. import data, reader
from ..data.rendered import TEST_FONTS
from ..errors import DataError
from ..reader.rendering import render
from .lab import COLORS, Lab

TITLE = "Reading pages"

TEXT = ["THE QUICK BROWN FOX", "JUMPS OVER 13 LAZY DOGS", "CALL 555 0172 OR 98463"]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "joined": {"joined": ["QUICK", "LAZY", "CALL", "0172"]},
    "broken": {"broken": 0.3},
    "turned 15 degrees": {"turn": 15},
    "slanting lines": {"slope": 3},
}
FONT = "DejaVuSans"


def photographs(lab: Lab) -> dict[Path, list[str]]:
    """The photographs of the data folder with their true lines; none in a quick run without a folder."""
    if lab.quick and lab.root is None:
        return {}
    try:
        folder = data.data_root(lab.root) / "ocr"
        truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    except (DataError, OSError, ValueError):
        return {}
    return {folder / name: entry["lines_nospace"] for name, entry in truth.items()}


def judged(page: reader.Page, truth: list[str]) -> dict[str, Any]:
    """Characters found and true; wrong ones, alone and with their neighbors' help; the text."""
    lines = [("".join(c.alone for c in line), "".join(c.text for c in line)) for line in page.lines]
    alone, settled = ("\n".join(part) for part in zip(*lines, strict=True)) if lines else ("", "")
    true = "\n".join(truth)
    return {
        "found": sum(len(line) for line in page.lines),
        "true": sum(map(len, truth)),
        "wrong alone": reader.edit_distance(alone, true),
        "wrong in context": reader.edit_distance(settled, true),
        "turned (degrees)": page.turn,
        "text": page.text,
    }


def draw(ax: Any, image: Any, page: reader.Page) -> None:
    """The image with each box and how it was read."""
    ax.grid(False)
    ax.imshow(reader.load_image(image), cmap="gray", vmin=0, vmax=1)
    for line in page.lines:
        for c in line:
            x, y = np.array([*c.corners, c.corners[0]]).T
            ax.plot(x, y, color=COLORS[0], lw=0.8)
            ax.text(x.min(), y.min(), c.text, color=COLORS[1], fontsize=9, va="bottom")
    ax.set_axis_off()


def run(lab: Lab) -> None:
    """Read rendered pages and photographs, draw boxes, count errors."""
    model = reader.Classifier.load()
    lab.sources.append("rendered pages")
    axes = lab.axes(len(CASES), 1, 7.5, 2.4)
    truth = [line.replace(" ", "") for line in TEXT]
    for ax, (case, options) in zip(axes[:, 0], CASES.items(), strict=True):
        image = render(TEXT, FONT, 60, seed=lab.seed, **options)
        page = reader.read(image, model)
        result = judged(page, truth)
        draw(ax, image, page)
        ax.set_title(f"{case}: {result['wrong in context']} wrong of {result['true']}", fontsize=10)
        lab.number(case, result)
    lab.figure(axes, "rendered", f"Rendered pages ({FONT}), found and read")
    if not lab.quick:
        for case, options in CASES.items():
            shares = {}
            for name in TEST_FONTS:  # none that the model learned from
                page = reader.read(render(TEXT, name, 60, seed=lab.seed, **options), model)
                result = judged(page, truth)
                shares[name] = result["wrong in context"] / result["true"]
            mean = np.mean(list(shares.values()))
            lab.number(f"{case}: share of wrong characters, mean and by font", [mean, shares])
    for path, lines in photographs(lab).items():
        lab.sources = [path.name]
        page = reader.read(path, model)
        result = judged(page, lines)
        lab.number(path.name, result)
        axes = lab.axes(1, 1, 10, 7)
        draw(axes[0, 0], path, page)
        caption = (
            f"{result['found']} boxes of {result['true']}, {result['wrong alone']} wrong alone, "
            f"{result['wrong in context']} in context"
        )
        lab.figure(axes, path.stem, caption, "packaged model")
