"""Characters rendered from the fonts that come with matplotlib: 36 classes without any file to fetch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..random import Generator
from .augment import Distortion
from .sets import DIGITS, LETTERS, Splits

CLASSES = LETTERS + DIGITS

#: Upright and slanted, with and without serifs, light and bold, of even width. DejaVu (from Bitstream Vera) and STIX
#: (SIL OFL) and Computer Modern are free; their licences lie beside them in matplotlib.
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmss10", "cmtt10", "cmb10", "cmti10"),
)
#: Fonts that only the test part has, and those that only the validation part has.
TEST_FONTS = ("DejaVuSans", "DejaVuSerif-Italic", "cmss10", "STIXGeneralBol")
VALID_FONTS = ("DejaVuSansMono", "cmr10", "DejaVuSans-Oblique", "STIXGeneral")


@cache
def font(name: str, size: int) -> Any:
    """The Pillow font of this name, in pixels."""
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise DataError(f"load: expected the font {path} of matplotlib, got {error}") from None


@cache
def glyph(character: str, name: str, side: int = 32, longest: int = 25) -> np.ndarray:
    """One character as ink 1 on paper 0, (side, side), its longer side ``longest`` pixels, in the middle."""
    from PIL import Image, ImageDraw

    big = 96
    left, top, right, bottom = font(name, big).getbbox(character)
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), character, 255, font(name, big))
    scale = longest / max(image.size)
    width, height = (max(1, round(n * scale)) for n in image.size)
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255
    out = np.zeros((side, side), np.float32)
    y, x = ((side - n) // 2 for n in small.shape)
    out[y : y + small.shape[0], x : x + small.shape[1]] = small
    return out


def characters(
    per_class: int, generator: Generator, fonts: tuple[str, ...] = FONTS, distortion: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """``per_class`` characters of each class, fonts in turn: images (n, 32, 32), ink 1 on paper 0, and classes (n,).

    Rows are sorted by class. Each is distorted in its own way; ``distortion`` is by default that of rendered36.
    """
    y = np.repeat(np.arange(len(CLASSES)), per_class)
    turn = np.tile(np.arange(per_class), len(CLASSES))
    images = np.stack(
        [glyph(CLASSES[k], fonts[i % len(fonts)]) for k, i in zip(y, turn, strict=True)]
    )
    return (distortion or Distortion())(images, generator), y


def rendered36() -> Splits:
    """Letters A-Z and digits 0-9 from matplotlib's fonts, 32 x 32 pixels, paper 1, ink 0, flattened column by column.

    The format of NIST36. 120 | 40 | 40 images a class for training | validation | test, each shifted, turned, slanted,
    scaled, bent and made bolder or thinner at random, always the same way; validation and test have fonts of their own.
    """
    rest = tuple(name for name in FONTS if name not in TEST_FONTS + VALID_FONTS)
    parts = []
    for seed, (n, fonts) in enumerate(((120, rest), (40, VALID_FONTS), (40, TEST_FONTS))):
        images, y = characters(n, Generator(seed), fonts)
        # 8 bits a pixel, as the other sets have: the same numbers on every machine.
        x = np.rint(255 * (1 - images.swapaxes(1, 2).reshape(len(y), -1)))
        parts.append(((x / 255).astype(np.float32), y.astype(np.int64)))
    train, valid, test = parts
    return Splits(
        "rendered36", "rendered fonts", CLASSES, (32, 32), train, valid, test, transposed=True
    )
