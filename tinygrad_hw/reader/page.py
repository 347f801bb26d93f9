"""``read``: from a photograph of a page to its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import boxes, context, segments
from .boxes import Mark
from .crops import crop
from .image import fitted, load_image, turned
from .ink import darkness, strokes
from .lines import lines, spaces, turn
from .model import CLASSES, Classifier

Point = tuple[float, float]

#: Characters that are lower than this, in pixels, cannot be read: they are the grain of the paper.
SMALLEST = 10


@dataclass(frozen=True)
class Character:
    """One character of a page.

    ``confidence`` is its probability, given the image and its neighbors; ``alone`` is how it reads without these.
    ``corners`` are the box's in pixels of the image, clockwise from the upper left; on a straight page it is level.
    """

    text: str
    confidence: float
    alone: str
    corners: tuple[Point, Point, Point, Point]
    space_before: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The level box (left, top, right, bottom) around the corners."""
        x, y = zip(*self.corners, strict=True)
        return min(x), min(y), max(x), max(y)


@dataclass(frozen=True)
class Page:
    """What stands on a page: its lines from top to bottom, and by how many degrees they fell to the right."""

    lines: list[list[Character]] = field(default_factory=list)
    turn: float = 0.0

    @property
    def text(self) -> str:
        """The lines, with spaces between words."""
        return "\n".join(_text(line) for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """The page in numbers and text, for JSON."""
        return {
            "text": self.text,
            "turn": round(self.turn, 2),
            "lines": [
                {"text": _text(line), "characters": [_entry(c) for c in line]}
                for line in self.lines
            ],
        }


def _text(line: list[Character]) -> str:
    return "".join(" " * c.space_before + c.text for c in line)


def _entry(c: Character) -> dict[str, Any]:
    return {
        "character": c.text,
        "confidence": round(c.confidence, 4),
        "alone": c.alone,
        "box": [round(v, 1) for v in c.box],
        "corners": [[round(v, 1) for v in point] for point in c.corners],
        "space_before": c.space_before,
    }


def read(image: Any, model: Classifier | None = None) -> Page:
    """The characters A-Z and 0-9 on a page: a path, or an array as ``load_image`` takes.

    The light is evened out, ink found, the page straightened, pieces joined to characters, these to lines; touching
    and broken characters are cut and joined as the network reads them best; letters and digits settled by neighbors.

    Raises: DataError for what is no image.
    """
    original = load_image(image)
    model = model or Classifier.load()
    dark = darkness(fitted(original))
    found, dots, degrees, shape = _found(dark)
    if not found:
        return Page()
    size = boxes.typical_size(found)
    if size < SMALLEST:
        return Page(turn=degrees)
    rows = segments.segmented(lines(found, size), lambda marks: _costs(model, marks))
    # Pieces that were cut off and read as nothing.
    rows = [[m for m in row if m.height > 0.3 * size] for row in rows]
    rows = [row for row in rows if row]
    scores = model(np.stack([crop(mark) for row in rows for mark in row]))
    back = _Back(original.shape, dark.shape, shape, degrees)
    page = []
    for row, alone in zip(rows, np.split(scores, np.cumsum([len(r) for r in rows])), strict=False):
        space = spaces(row, segments.line_size(row))
        best = context.settled(alone, space, _numbered(row, space, dots))
        page.append(
            [
                Character(
                    CLASSES[int(b.argmax())],
                    float(np.exp(b.max())),
                    CLASSES[int(a.argmax())],
                    back.corners(mark),
                    s,
                )
                for mark, a, b, s in zip(row, alone, best, space, strict=True)
            ]
        )
    return Page(page, degrees)


def _found(dark: np.ndarray) -> tuple[list[Mark], list[Mark], float, tuple[int, int]]:
    """The characters of a page straightened, its dots, by how much it was turned, and its size then."""
    degrees = 0.0
    # A second look where the page was turned: the boxes of the first are too large.
    for _ in range(3):
        straight = turned(dark, degrees)
        found = boxes.marks(strokes(straight))
        size = boxes.typical_size(found)
        joined = boxes.characters(found, size, (straight.shape[0], straight.shape[1]))
        large, dots = boxes.without_specks(joined, size)
        more = turn(large, size)
        if not more or abs(degrees + more) > 30:
            break
        degrees += more
    return large, dots, degrees, (straight.shape[0], straight.shape[1])


def _costs(model: Classifier, found: list[Mark]) -> np.ndarray:
    if not found:
        return np.zeros(0)
    return -model(np.stack([crop(mark) for mark in found])).max(axis=1)


def _numbered(row: list[Mark], space: list[bool], dots: list[Mark]) -> bool:
    """Whether a full stop stands behind a line's first word, as in "1. Milk"."""
    end = space.index(True) if True in space else len(row)
    last = row[end - 1]
    limit = row[end].left if end < len(row) else last.right + last.height
    return end <= 3 and any(
        last.right - 0.1 * last.height < dot.middle[0] < limit
        and last.top + 0.6 * last.height < dot.middle[1] < last.bottom + 0.4 * last.height
        for dot in dots
    )


class _Back:
    """From the straightened page to the image that was given."""

    def __init__(
        self,
        original: tuple[int, ...],
        fit: tuple[int, ...],
        straight: tuple[int, int],
        degrees: float,
    ) -> None:
        self.scale = max(original) / max(fit)
        self.center = fit[1] / 2, fit[0] / 2
        self.straight = straight[1] / 2, straight[0] / 2
        self.cos, self.sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def point(self, x: float, y: float) -> Point:
        x, y = x - self.straight[0], y - self.straight[1]
        x, y = x * self.cos - y * self.sin, x * self.sin + y * self.cos
        return float((x + self.center[0]) * self.scale), float((y + self.center[1]) * self.scale)

    def corners(self, mark: Mark) -> tuple[Point, Point, Point, Point]:
        left, top, right, bottom = mark.left, mark.top, mark.right, mark.bottom
        return (
            self.point(left, top),
            self.point(right, top),
            self.point(right, bottom),
            self.point(left, bottom),
        )


def draw_boxes(image: Any, page: Page) -> Any:
    """The image (Pillow, RGB) with each character's box, and how it was read above that."""
    from PIL import Image, ImageDraw

    from ..data.rendered import font

    grey = load_image(image)
    picture = Image.fromarray(np.rint(255 * grey).astype(np.uint8)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    thick = max(1, max(grey.shape) // 800)
    for line in page.lines:
        for c in line:
            left, top, _, bottom = c.box
            height = max(10, round(0.4 * (bottom - top)))
            pen.line([*c.corners, c.corners[0]], fill="#0072B2", width=thick)
            pen.text(
                (left, top - height - thick), c.text, "#D55E00", font("DejaVuSans-Bold", height)
            )
    return picture


def edit_distance(a: str, b: str) -> int:
    """The least number of characters to insert, delete or replace that turns ``a`` into ``b`` (Levenshtein)."""
    row = np.arange(len(b) + 1)
    letters = np.array([ord(c) for c in b], int)
    for i, c in enumerate(a, 1):
        change = np.concatenate([[i], np.minimum(row[1:] + 1, row[:-1] + (letters != ord(c)))])
        # Insertions run along the row: the least of what any earlier column had, plus the distance.
        at = np.arange(len(change))
        row = np.minimum.accumulate(change - at) + at
    return int(row[-1])
