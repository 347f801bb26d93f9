"""The packaged reader model, made anew: ``python -m tinygrad_hw.reader.training --out model.safetensors``.

It learns from the handwriting of NIST36 (or its stand-in) and from fonts, all of it once as it is and once through
``crop``, so that it sees what the reader will show it; and from crops of less or more than one character.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .. import data, nn, optim, random, serialization
from ..compile import compile
from ..creation import from_numpy
from ..data import Splits
from ..data.augment import Distortion
from ..data.rendered import CLASSES, FONTS, TEST_FONTS, font
from ..nn import functional
from ..optim.lr_scheduler import OneCycleLR
from ..random import Generator
from ..tensor import Tensor
from ..train import predict
from .boxes import Mark
from .crops import crop
from .model import network

NOT_ONE = len(CLASSES)
"""The class of what is no single character."""

_ENLARGED = 3
_LEARNED_FONTS = tuple(name for name in FONTS if name not in TEST_FONTS)


def tight(ink: np.ndarray) -> Mark:
    """The mark of these pixels, bool (height, width), of which some are ink."""
    mark = Mark(0, 0, ink).part(ink)
    if mark is None:
        raise ValueError("tight: expected ink, got none")
    return mark


def handwritten(splits: Splits, parts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The images of these parts, (n, 32, 32), ink 1 on paper 0, and their classes."""
    pairs = [getattr(splits, part) for part in parts]
    images = 1 - splits.upright(np.concatenate([x for x, _ in pairs]))
    return np.ascontiguousarray(images), np.concatenate([y for _, y in pairs])


def enlarged(image: np.ndarray) -> np.ndarray:
    """An image of a character three times as large, as ink, bool."""
    from PIL import Image

    height, width = image.shape
    size = (_ENLARGED * width, _ENLARGED * height)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) > 0.5


def printed(character: str, name: str) -> Mark:
    """A character of a font as a mark of about 70 pixels."""
    from PIL import Image, ImageDraw

    face = font(name, 96)
    left, top, right, bottom = face.getbbox(character)
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), character, 255, face)
    return tight(np.asarray(image) > 127)


def touching(pieces: list[Mark], rng: np.random.Generator) -> tuple[Mark, list[int]]:
    """Characters pushed together on one baseline, and where each but the first begins."""
    whole, starts = pieces[0], []
    for piece in pieces[1:]:
        piece = Mark(whole.right, whole.bottom - piece.height, piece.ink)
        nearer = int(rng.integers(-3, 4))
        room = np.zeros((max(whole.height, piece.height), piece.width), bool)
        for step in range(1, min(piece.width, whole.width) // 2):
            # One step nearer until the two share a pixel.
            part = whole.ink[:, whole.width - step :]
            room[:] = False
            room[-whole.height :, :step] = part[:, : room.shape[1]]
            room[: -piece.height or None] &= False
            if (room[-piece.height :] & piece.ink).any():
                nearer += step
                break
        left = max(whole.left + 1, piece.left - nearer)
        starts.append(left)
        whole = whole + Mark(left, piece.top, piece.ink)
    return whole, starts


def misfits(n: int, source: list[Mark], rng: np.random.Generator) -> np.ndarray:
    """``n`` crops of what is no single character: two or three that touch, one and a half, pieces."""
    found: list[np.ndarray] = []
    while len(found) < n:
        count = int(rng.integers(2, 4))
        pieces = [source[i] for i in rng.integers(0, len(source), count)]
        low = min(piece.height for piece in pieces)
        if max(piece.height for piece in pieces) > 1.4 * low:
            continue
        whole, starts = touching(pieces, rng)
        edges = [whole.left, *starts, whole.right]
        i = int(rng.integers(0, count))
        middle = edges[i] + (edges[i + 1] - edges[i]) * rng.uniform(0.35, 0.65)
        left, right = (
            (whole.left, whole.right),  # all of them
            (whole.left, edges[2]),  # the first two
            (middle, edges[min(i + 2, count)]),  # half of one, and the next
            (edges[i], middle),  # a piece
        )[int(rng.choice(4, p=[0.25, 0.35, 0.25, 0.15]))]
        keep = np.zeros_like(whole.ink)
        keep[:, int(left) - whole.left : int(right) - whole.left] = True
        part = whole.part(whole.ink & keep)
        if part is not None and min(part.width, part.height) > 4:
            found.append(crop(part))
    return np.stack(found)


class Examples:
    """All that is learned from; ``epoch`` draws and distorts one epoch's worth."""

    def __init__(self, splits: Splits, generator: Generator, limit: int | None = None) -> None:
        self.generator = generator
        rng = generator.numpy
        self.images, self.classes = handwritten(splits, ("train", "valid"))
        if limit is not None:
            chosen = rng.permutation(len(self.classes))[:limit]
            self.images, self.classes = self.images[chosen], self.classes[chosen]
        hands = [tight(enlarged(image)) for image in self.images]
        self.crops = np.stack([crop(mark) for mark in hands])
        types = [(printed(c, name), k) for name in _LEARNED_FONTS for k, c in enumerate(CLASSES)]
        self.types = np.stack([crop(mark) for mark, _ in types])
        self.type_classes = np.array([k for _, k in types])
        many = len(self.images) // 4
        self.misfits = np.concatenate(
            [misfits(many, source, rng) for source in (hands, [mark for mark, _ in types])]
        )
        self.distortion = Distortion()

    def epoch(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, 32, 32) and classes (n,), in random order."""
        rng = self.generator.numpy
        as_they_are = rng.random(len(self.images)) < 0.3
        hands = np.where(as_they_are[:, None, None], self.images, self.crops)
        n = len(hands) // 6
        types = rng.integers(0, len(self.types), n)
        bad = rng.integers(0, len(self.misfits), n)
        images = np.concatenate([hands, self.types[types], self.misfits[bad]])
        classes = np.concatenate([self.classes, self.type_classes[types], np.full(n, NOT_ONE)])
        order = rng.permutation(len(classes))
        return self.distortion(images[order], self.generator), classes[order]


def trained(examples: Examples, epochs: int, batch_size: int = 64, lr: float = 3e-3) -> nn.Module:
    """The reader's network after so many epochs: AdamW, one cycle of the learning rate."""
    model = network()
    optimizer = optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)

    @compile
    def step(images: Tensor, classes: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), classes, label_smoothing=0.02)
        loss.backward()
        optimizer.step()
        return loss

    schedule = None
    for epoch in range(epochs):
        start = time.perf_counter()
        images, classes = examples.epoch()
        batches = len(classes) // batch_size
        if schedule is None:
            schedule = OneCycleLR(optimizer, lr, total_steps=epochs * batches + 1)
        model.train()
        total = 0.0
        for k in range(batches):
            rows = slice(k * batch_size, (k + 1) * batch_size)
            loss = step(from_numpy(images[rows, None]), from_numpy(classes[rows]))
            schedule.step()
            total += loss.item()
        seconds = time.perf_counter() - start
        print(f"epoch {epoch + 1:2}  loss {total / batches:.4f}  {seconds:.1f} s", flush=True)
    model.eval()
    return model


def main(argv: list[str] | None = None) -> None:
    """Train and write the model; say how it does on the test part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--limit", type=int, help="handwritten characters to learn from")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    random.manual_seed(arguments.seed)
    splits = data.load("nist36", arguments.data_root)
    examples = Examples(splits, Generator(arguments.seed), arguments.limit)
    model = trained(examples, arguments.epochs)
    x, y = handwritten(splits, ("test",))
    crops = np.stack([crop(tight(enlarged(image))) for image in x])
    for name, images in (("as they are", x), ("as crops", crops)):
        logits = predict(model, images[:, None]).numpy()[:, :NOT_ONE]
        print(f"{splits.source}, test part {name}: {np.mean(logits.argmax(axis=1) == y):.4f}")
    metadata = {
        "learned_from": f"{splits.source}; fonts of matplotlib",
        "made_by": f"python -m tinygrad_hw.reader.training --epochs {arguments.epochs} "
        f"--seed {arguments.seed}",
        "licence": "see model.txt",
    }
    serialization.save_file(model.state_dict(), arguments.out, metadata)


if __name__ == "__main__":
    main()
