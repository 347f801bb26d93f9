"""Images of characters as other hands might have written them: moved, turned, slanted, bent, thinner or bolder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kernels.jit import kernel
from ..random import Generator, default_generator

#: Images distorted at a time: few enough for their positions to stay in the processor's cache.
_CHUNK = 128


@dataclass(frozen=True)
class Distortion:
    """How far images are changed; each image draws its own amounts, uniform between minus and plus the bound.

    ``shift`` in pixels, ``rotate`` in degrees, ``shear`` as the tangent of the slant, ``scale`` as a logarithm,
    ``squeeze`` as the logarithm of width over height, ``elastic`` as the standard deviation of a smooth field of shifts in
    pixels, ``stroke`` as the largest part of one pixel by which strokes grow or shrink on each side.
    """

    shift: float = 2.0
    rotate: float = 10.0
    shear: float = 0.25
    scale: float = 0.12
    squeeze: float = 0.1
    elastic: float = 0.7
    stroke: float = 0.6

    def __call__(self, images: np.ndarray, generator: Generator = default_generator) -> np.ndarray:
        """Distorted copies of images (n, height, width) of ink 1 on paper 0; what comes in from outside is paper."""
        rng = generator.numpy
        images = np.asarray(images, np.float32)
        out = np.empty_like(images)
        for start in range(0, len(images), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = self._distorted(images[rows], rng)
        return out

    def _distorted(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, height, width = images.shape
        if self.stroke:
            images = _stroked(images, rng.uniform(-self.stroke, self.stroke, (n,)))
        turn = np.radians(rng.uniform(-self.rotate, self.rotate, n))
        slant = rng.uniform(-self.shear, self.shear, n)
        size = np.exp(rng.uniform(-self.scale, self.scale, n))
        ratio = np.exp(rng.uniform(-self.squeeze, self.squeeze, n) / 2)
        shift = rng.uniform(-self.shift, self.shift, (2, n))
        # Each pixel of the result asks where it came from: turned about the center, slanted, then scaled.
        cos, sin = np.cos(turn), np.sin(turn)
        down, across = ratio / size, 1 / (size * ratio)
        matrix = np.array(
            [
                [cos * down, -sin * down],
                [(sin + slant * cos) * across, (cos - slant * sin) * across],
            ],
            np.float32,
        )[..., None, None]
        y = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
        x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
        rows = matrix[0, 0] * y + matrix[0, 1] * x + np.float32((height - 1) / 2)
        columns = matrix[1, 0] * y + matrix[1, 1] * x + np.float32((width - 1) / 2)
        rows += shift[0, :, None, None].astype(np.float32)
        columns += shift[1, :, None, None].astype(np.float32)
        if self.elastic:
            for positions in (rows, columns):
                positions += np.float32(self.elastic) * _smooth_field(rng, n, height, width)
        return sampled(images, rows, columns)


def _stroked(images: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Ink grown (amount > 0) or shrunk (< 0) by a fraction of a pixel: a blend with the 3 × 3 maximum or minimum."""
    amount = amounts.astype(np.float32)[:, None, None]
    grown, shrunk = _plus(images, np.maximum, 0.0), _plus(images, np.minimum, 1.0)
    return (
        images
        + np.maximum(amount, 0) * (grown - images)
        + np.maximum(-amount, 0) * (shrunk - images)
    )


def _plus(images: np.ndarray, of: np.ufunc, edge: float) -> np.ndarray:
    """The maximum or minimum of each pixel and the four beside it."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=edge)
    out = of(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1])
    return of(of(out, images), of(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]))


def _smooth_field(rng: np.random.Generator, n: int, height: int, width: int) -> np.ndarray:
    """Random fields of standard deviation near 1 that bend over about a quarter of the image."""
    coarse = rng.standard_normal((n, 6 * 6), np.float32)
    spread = np.kron(_spline(height, 6), _spline(width, 6)).T
    return (coarse @ spread).reshape(n, height, width)


def _spline(size: int, knots: int) -> np.ndarray:
    """Weights (size, knots) that spread values at knots smoothly over pixels, by Gaussians of unit sum of squares."""
    at = np.linspace(0.5, knots - 1.5, size)[:, None] - np.arange(knots)
    weight = np.exp(-0.5 * (at / 0.8) ** 2)
    return (weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))).astype(np.float32)


def sampled(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Each image at fractional positions, bilinear; 0 outside. images (n, h, w); rows, columns (n, ., .)."""
    n, height, width = images.shape
    padded = np.zeros((n, height + 3, width + 3), np.float32)  # one before, two behind
    padded[:, 1:-2, 1:-2] = images
    out = np.empty_like(rows)
    _sample(out, padded, np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1))
    return out


@kernel
def _sample(out, images, rows, columns):
    """out[k] = images[k] between its four pixels around (rows[k], columns[k])."""
    n, height, width = out.shape
    for k in range(n):
        for i in range(height):
            for j in range(width):
                y, x = rows[k, i, j], columns[k, i, j]
                top, left = int(y), int(x)
                down, across = y - np.float32(top), x - np.float32(left)
                upper = images[k, top, left]
                upper += across * (images[k, top, left + 1] - upper)
                lower = images[k, top + 1, left]
                lower += across * (images[k, top + 1, left + 1] - lower)
                out[k, i, j] = upper + down * (lower - upper)
