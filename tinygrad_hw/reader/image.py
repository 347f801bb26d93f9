"""A page as an array: read from a file, made grey, upright, of a size to work with."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError

#: Longest side of the page that is worked on, in pixels. Characters of 1/100 of it can still be read.
LONGEST = 2400
#: More pixels than any camera has: such a file is an attack on memory, or not a photograph.
MOST = 200_000_000


def load_image(source: Any) -> np.ndarray:
    """The brightness of an image, float32 (height, width) in 0..1, with transparent parts taken for white.

    ``source`` is a path of any format that Pillow reads, or an array: (height, width) or (height, width, channels),
    with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels; uint8, or floats in 0..1.

    Raises: DataError for a file that is missing, or that is no image; ValueError for an array of another kind.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not isinstance(source, str | os.PathLike):
        return _from_array(np.asarray(source))
    path = Path(source)
    if not path.is_file():
        raise DataError(f"read: {path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST:
                    raise DataError(
                        f"read: {path}: expected at most {MOST:,} pixels, "
                        f"got {opened.width} x {opened.height}"
                    )
                # A camera that was held sideways says so in the file instead of turning the pixels.
                image = ImageOps.exif_transpose(opened)
                if image.mode in ("I", "I;16", "I;16B", "F"):
                    return _from_array(_stretched(np.asarray(image, np.float32)))
                return _from_array(np.asarray(image.convert("RGBA")))
    except UnidentifiedImageError:
        raise DataError(f"read: {path}: expected an image, got a file of another kind") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"read: {path}: the image is damaged ({error})") from None


def _stretched(values: np.ndarray) -> np.ndarray:
    """16 bits a pixel or floats, whatever their range, as 0..1."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / ((high - low) or 1.0)


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise ValueError(
            "read: expected an image (height, width) or (height, width, 1 to 4 channels), "
            f"got shape {array.shape}"
        )
    if array.size == 0:
        raise ValueError(f"read: expected an image with pixels, got shape {array.shape}")
    if array.dtype == np.uint8:
        values = array.astype(np.float32) / np.float32(255)
    elif array.dtype.kind == "f" or array.dtype == np.bool_:
        values = array.astype(np.float32)
        if not (values.min() >= 0 and values.max() <= 1):  # NaN fails too
            raise ValueError(
                f"read: expected floats in 0..1, got values from {values.min()} to {values.max()}"
            )
    else:
        raise ValueError(f"read: expected uint8 or floats in 0..1, got {array.dtype}")
    if values.ndim == 2:
        return values
    channels = values.shape[2]
    # The weights of red, green and blue in brightness: ITU-R BT.601.
    grey = values[..., 0]
    if channels >= 3:
        grey = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    if channels in (2, 4):
        alpha = values[..., -1]
        grey = grey * alpha + (1 - alpha)
    return grey


def fitted(grey: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """The image with its longer side reduced to ``longest`` pixels by area; smaller images stay as they are."""
    from PIL import Image

    height, width = grey.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))


def turned(grey: np.ndarray, degrees: float) -> np.ndarray:
    """The image turned counterclockwise about its center, on a canvas that holds all of it; new parts are 0."""
    from PIL import Image

    if not degrees:
        return grey
    image = Image.fromarray(grey)
    return np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, expand=True))
