"""The data sets by name: found, checked, scaled to 0..1 and split into parts that never change."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from . import files

Part = tuple[np.ndarray, np.ndarray]
Root = str | os.PathLike[str] | None

DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, eq=False)
class Splits:
    """A data set in its parts, each a pair (x, y), or None where the data set has no such part.

    x is float32 (n, features) in 0..1, an image flattened to one row; y is int64 (n,), indices into ``classes``.
    ``source`` names the data in outputs. ``transposed``: images are flattened column by column.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int] | None
    train: Part | None
    valid: Part | None
    test: Part
    transposed: bool = False

    def upright(self, images: np.ndarray) -> np.ndarray:
        """Rows of pixels (..., height width) as images (..., height, width) the right way up.

        Serves for whatever lies as the pixels do, such as the weights of a first layer.
        """
        if self.image_shape is None:
            raise ValueError(f"upright: expected a data set of images, got {self.name}")
        images = np.asarray(images)
        height, width = self.image_shape
        if images.ndim == 0 or images.shape[-1] != height * width:
            raise ValueError(
                f"upright: expected rows of {height * width} pixels, got shape {images.shape}"
            )
        if self.transposed:
            return images.reshape(*images.shape[:-1], width, height).swapaxes(-1, -2)
        return images.reshape(*images.shape[:-1], height, width)


def digits() -> Splits:
    """1,797 handwritten digits of 8 x 8 pixels, which come with the package.

    Paper is 0, ink up to 1. The test part has 36 images of each digit, 360 in all; the 1,437 others are for training.
    Source and licence: ``digits.txt`` beside this file.
    """
    path = Path(__file__).with_name("digits.npz")
    images, labels = files.read_npz(path, ["images", "labels"])
    order = _fixed_order(len(labels))
    test = np.concatenate([order[labels[order] == digit][:36] for digit in range(10)])
    x, y = _scaled(images, 16), labels.astype(np.int64)
    train = np.setdiff1d(order, test)
    return Splits(
        name="digits",
        source="UCI handwritten digits (8 x 8)",
        classes=DIGITS,
        image_shape=(8, 8),
        train=(x[train], y[train]),
        valid=None,
        test=(x[np.sort(test)], y[np.sort(test)]),
    )


MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def mnist(root: Root = None, download: bool = True) -> Splits:
    """MNIST, 28 x 28 pixels, paper 0, ink up to 1: 60,000 for training, 10,000 for testing.

    The four original files in ``mnist/``. Those that are missing are downloaded (by pooch, extra ``[download]``)
    unless ``download`` is False.
    """
    folder = files.data_root(root) / "mnist"
    missing = [name for name in MNIST_SHA256 if not (folder / name).exists()]
    if missing:
        _download_mnist(folder, missing, download)
    train, test = (_read_mnist(folder, prefix) for prefix in ("train", "t10k"))
    for name, sha256 in MNIST_SHA256.items():
        files.verify(folder / name, sha256)
    return Splits("mnist", "MNIST", DIGITS, (28, 28), train, None, test)


def _read_mnist(folder: Path, prefix: str) -> Part:
    image_path = folder / f"{prefix}-images-idx3-ubyte.gz"
    label_path = folder / f"{prefix}-labels-idx1-ubyte.gz"
    images, labels = files.read_idx(image_path, 3), files.read_idx(label_path, 1)
    files.check_shape(image_path, "images", images, (None, 28, 28))
    files.check_shape(
        label_path, f"labels for the images of {image_path.name}", labels, (len(images),)
    )
    files.check_values(label_path, "labels", labels, 0, 9)
    return _scaled(images.reshape(len(images), -1), 255), labels.astype(np.int64)


def _download_mnist(folder: Path, names: list[str], allowed: bool) -> None:
    missing = f"load: expected MNIST in {folder}, got no {names[0]}"
    remedy = f"put {', '.join(names)} into {folder}, from {' or '.join(MNIST_MIRRORS)}"
    if not allowed:
        raise DataError(f"{missing}\n  {remedy}")
    try:
        import pooch
    except ImportError:
        raise DataError(
            f"{missing}\n  pip install 'tinygrad_hw[download]' to have it downloaded, or {remedy}"
        ) from None
    for name in names:
        failures = []
        for mirror in MNIST_MIRRORS:
            try:
                # pooch downloads to a temporary file and moves it into place when its sum is right.
                pooch.retrieve(
                    mirror + name,
                    known_hash=f"sha256:{MNIST_SHA256[name]}",
                    fname=name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=30),
                )
                break
            except (OSError, ValueError) as error:  # no network, not writable; a wrong sum
                failures.append(f"{mirror}{name}: {error}")
        else:
            raise DataError(
                f"load: expected MNIST in {folder}, got no {name}, and it could not be downloaded\n  "
                + "\n  ".join([*failures, remedy])
            )


NIST36_GIT_BLOBS = {
    "train": "c46ac54a65e595cd35bf5ac2cc908f590b8d584d",
    "valid": "eedbc65be5c3efcdd6f030d0bf5b5bce60d5516a",
    "test": "d90541c85b97243f0d12d8dbd51a65de33965f1f",
}
NIST36_STANDIN_SHA256 = "285e0102fe20e2096d64b7fdd15dd5339831a0aaa21d555bef6bd1a88a0ec757"
NIST36_ORIGIN = """\
  NIST36 is the hand-out data of CMU 16-720 / 16-385 (Computer Vision): put nist36_train.mat,
  nist36_valid.mat and nist36_test.mat there, or nist36_standin.npz, which is made from EMNIST"""


def nist36(root: Root = None) -> Splits:
    """Letters A-Z and digits 0-9, 32 x 32 pixels, paper 1, ink 0, flattened column by column.

    300 | 100 | 50 images a class for training | validation | test, in ``nist36/``: the genuine ``nist36_*.mat``
    where they are, else the stand-in made from EMNIST, ``nist36_standin.npz``; ``source`` tells which.
    """
    folder = files.data_root(root) / "nist36"
    paths = {part: folder / f"nist36_{part}.mat" for part in NIST36_GIT_BLOBS}
    missing = [path.name for path in paths.values() if not path.exists()]
    standin = folder / "nist36_standin.npz"
    if not missing:
        train, valid, test = (_read_nist(path, part, 36) for part, path in paths.items())
        known = all(files.git_blob(paths[part]) == blob for part, blob in NIST36_GIT_BLOBS.items())
        source = "NIST36" if known else "NIST36 (unknown edition)"
    elif len(missing) < len(paths):
        raise DataError(f"load: expected NIST36 in {folder}, got no {', '.join(missing)}")
    elif standin.exists():
        source = "NIST36 stand-in (EMNIST)"
        train, valid, test = (_read_nist(standin, part, 36) for part in paths)
        files.verify(standin, NIST36_STANDIN_SHA256)
    else:
        raise DataError(f"load: expected NIST36 in {folder}, got no such files\n{NIST36_ORIGIN}")
    return Splits("nist36", source, LETTERS + DIGITS, (32, 32), train, valid, test, transposed=True)


NIST26_SHA256 = {
    "nist26_valid_u8.npz": "032451abd0dcfdd43606fef11bca3099aa4ab148473d4ef63b5a4037ac36f974",
    "nist26_valid.mat": "e2ce8ff1178eb6636c2901093ef37b22df7214530bffe07ec4358e6c0b81f3c6",
}


def nist26(root: Root = None) -> Splits:
    """1,300 genuine letters, 50 each of A-Z, in the format of NIST36: a test part only.

    The same from either file in ``nist36/``: ``nist26_valid_u8.npz`` or ``nist26_valid.mat``.
    """
    folder = files.data_root(root) / "nist36"
    for name, sha256 in NIST26_SHA256.items():
        path = folder / name
        if path.exists():
            x, y = _read_nist(path, "valid", 26)
            files.verify(path, sha256)
            # The .npz holds 255 x, rounded; so both files give the same numbers.
            test = (_scaled(np.rint(255 * x), 255), y)
            return Splits("nist26", "NIST26", LETTERS, (32, 32), None, None, test, transposed=True)
    raise DataError(
        f"load: expected NIST26 in {folder}, got no {' or '.join(NIST26_SHA256)}\n"
        "  NIST26 is hand-out data of CMU 16-720 (Computer Vision), edition of November 2016"
    )


def _read_nist(path: Path, part: str, classes: int) -> Part:
    keys = [f"{part}_data", f"{part}_labels"]
    is_mat = path.suffix == ".mat"
    data, one_hot = files.read_mat(path, keys) if is_mat else files.read_npz(path, keys)
    files.check_shape(path, keys[0], data, (None, 1024))
    files.check_shape(path, keys[1], one_hot, (len(data), classes))
    files.check_one_hot(path, keys[1], one_hot)
    if is_mat:
        # A bicubic reduction rings around edges: values lie up to 0.15 outside 0..1.
        files.check_values(path, keys[0], data, -0.5, 1.5)
        x = _scaled(np.clip(data, 0, 1), 1)
    else:
        files.check_values(path, keys[0], data, 0, 255)
        x = _scaled(data, 255)
    return x, one_hot.argmax(axis=1).astype(np.int64)


SEQUENCES_SHA256 = "41e02d964382186193d097a1b78a7be5ae6e4087b57da7c8a5c38f300b3f2f09"
SEQUENCES_EDITIONS = {"sp2019": "spring 2019", "fa2020": "fall 2020"}


def sequences(root: Root = None, edition: str = "sp2019") -> Splits:
    """Sequences of 20 bits typed by people asked to be random (class 1) or drawn by a machine (class 0).

    ``binary_sequences/binary_sequences.npz``; edition ``sp2019`` (2,400 of each) or ``fa2020`` (5,100 of each, the
    human ones of 2019 among them). Sequences repeat, so the split (70 | 15 | 15 %) is of the distinct ones:
    equal rows are all in one part.
    """
    if edition not in SEQUENCES_EDITIONS:
        raise ValueError(
            f"sequences: expected edition {' or '.join(SEQUENCES_EDITIONS)}, got {edition!r}"
        )
    path = files.data_root(root) / "binary_sequences" / "binary_sequences.npz"
    if not path.exists():
        raise DataError(
            f"load: expected {path}, got no such file\n"
            "  it is made from the hand-out data of USC EE 599 (binary_random_*.hdf5), human and machine apart"
        )
    keys = [f"{edition}_machine", f"{edition}_human"]
    rows = files.read_npz(path, keys)
    for key, array in zip(keys, rows, strict=True):
        files.check_shape(path, key, array, (None, 20))
        files.check_values(path, key, array, 0, 1)
    files.verify(path, SEQUENCES_SHA256)
    x = np.concatenate(rows).astype(np.float32)
    y = np.repeat(np.arange(2), [len(array) for array in rows])
    _, distinct = np.unique(x, axis=0, return_inverse=True)
    rank = np.argsort(_fixed_order(distinct.max() + 1))[distinct.reshape(-1)] / (distinct.max() + 1)
    parts = np.digitize(rank, [0.70, 0.85])
    train, valid, test = ((x[parts == part], y[parts == part]) for part in range(3))
    source = f"human and machine bits (EE 599, {SEQUENCES_EDITIONS[edition]})"
    return Splits("sequences", source, ("machine", "human"), None, train, valid, test)


NAMES = ("digits", "rendered36", "mnist", "nist36", "nist26", "sequences")


def load(name: str, root: Root = None, download: bool = True) -> Splits:
    """The data set of this name (``digits rendered36 mnist nist36 nist26 sequences``), found below ``root``.

    ``root`` is by default TINYGRAD_HW_DATA, else ``data`` in the package's cache folder. MNIST, the one set that can
    be downloaded, is when it is missing, unless ``download`` is False.

    Raises: DataError for a file that is missing, damaged, truncated or not what its name says.
    """
    match name:
        case "digits":
            return digits()
        case "rendered36":
            from .rendered import rendered36  # which needs Pillow and matplotlib's fonts

            return rendered36()
        case "mnist":
            return mnist(root, download)
        case "nist36":
            return nist36(root)
        case "nist26":
            return nist26(root)
        case "sequences":
            return sequences(root)
    raise ValueError(f"load: expected one of {', '.join(NAMES)}, got {name!r}")


def _scaled(array: np.ndarray, top: float) -> np.ndarray:
    # Some of the files hold their arrays column by column; batches are gathered row by row.
    return np.divide(array, top, dtype=np.float32, order="C")


def _fixed_order(n: int) -> np.ndarray:
    # Raw PCG64 words: NumPy keeps those the same in every version, unlike the draws made from them.
    return np.argsort(np.random.PCG64(0).random_raw(n), kind="stable")
