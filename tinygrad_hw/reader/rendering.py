"""Pages of known text, with all that makes real ones hard: for tests, and to try the reader without a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.rendered import font
from ..random import Generator
from .image import turned


def render(
    lines: Sequence[str],
    name: str = "DejaVuSans",
    size: int = 64,
    *,
    spacing: float = 0.12,
    joined: Sequence[str] = (),
    broken: float = 0.0,
    turn: float = 0.0,
    slope: float = 0.0,
    shade: float = 0.3,
    noise: float = 0.01,
    seed: int = 0,
) -> np.ndarray:
    """A page with these lines in matplotlib's font ``name``, uint8 (height, width), dark ink on light paper.

    ``spacing`` is added between characters, as a fraction of ``size`` (of capitals and digits: their height in
    pixels). In words that stand in ``joined``, each character touches the next. A ``broken`` share of the characters
    is in two pieces. The page is turned ``turn`` degrees clockwise; lines rise by up to ``slope`` degrees, each by
    another amount. ``shade`` is how much darker one corner is lit, ``noise`` the standard deviation of each pixel.
    """
    rng = Generator(seed).numpy
    face = font(name, round(size / 0.73))  # capitals are about 0.73 of the font's size
    rows = [_line(line, face, size, spacing, joined, broken, rng) for line in lines]
    step = round(2.1 * size)
    width = max(row.shape[1] for row in rows) + 3 * size
    rise = np.tan(np.radians(slope * rng.random(len(rows))))
    room = int(np.ceil(rise.max() * width))
    ink = np.zeros((step * len(rows) + 2 * size + 2 * room, width), np.float32)
    for i, (row, slant) in enumerate(zip(rows, rise, strict=True)):
        top = size + room + i * step
        for x in range(row.shape[1]):
            y = top - round(slant * x)
            ink[y : y + len(row), size + x] = np.maximum(ink[y : y + len(row), size + x], row[:, x])
    ink = np.clip(turned(ink, -turn), 0, 1)
    down, across = (np.linspace(0, 1, n)[:, None] for n in ink.shape)
    light = 0.9 * (1 - shade * (down + across.T) / 2)
    paper = light * (1 - 0.8 * ink) + noise * rng.standard_normal(ink.shape)
    return np.rint(255 * np.clip(paper, 0, 1)).astype(np.uint8)


def _line(
    text: str,
    face: Any,
    size: int,
    spacing: float,
    joined: Sequence[str],
    broken: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One line of text as ink (height, width)."""
    height = 2 * size
    out = np.zeros((height, round((len(text) + 2) * 1.6 * size)), np.float32)
    x = 0
    for word in text.split():
        for character in word:
            ink = _character(character, face, height)
            if broken and rng.random() < broken:
                _break(ink, rng)
            if word in joined and out[:, : max(x, 1)].any():
                x = _touching(out, ink, x, round(0.1 * size))
            out[:, x : x + ink.shape[1]] = np.maximum(out[:, x : x + ink.shape[1]], ink)
            x += ink.shape[1] + (0 if word in joined else round(spacing * size))
        x += round(0.7 * size)
    return out[:, :x]


def _character(character: str, face: Any, height: int) -> np.ndarray:
    """The ink of a character, as wide as it is, at its place above the line's foot."""
    from PIL import Image, ImageDraw

    left, _, right, _ = face.getbbox(character)
    image = Image.new("L", (right - left, height))
    ImageDraw.Draw(image).text((-left, 0.75 * height), character, 255, face, anchor="ls")
    return np.asarray(image, np.float32) / 255


def _touching(out: np.ndarray, ink: np.ndarray, x: int, most: int) -> int:
    """Where to put ``ink`` so that it touches what is left of ``x``: moved left until pixels overlap, ``most`` at most."""
    for at in range(x, max(x - most, 0), -1):
        if ((out[:, at : at + ink.shape[1]] > 0.5) & (ink > 0.5)).any():
            return at
    return max(x - most, 0)


def _break(ink: np.ndarray, rng: np.random.Generator) -> None:
    """Wipe a thin band, level or upright, across a character somewhere in its middle."""
    axis = int(rng.integers(2))
    inside = np.flatnonzero(ink.any(axis=1 - axis))
    low, high = inside[0], inside[-1] + 1
    thick = max(2, round(0.04 * len(ink) / 2))
    at = int(low + (high - low) * rng.uniform(0.35, 0.65))
    ink[(slice(None),) * axis + (slice(at, at + thick),)] = 0
