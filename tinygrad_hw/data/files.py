"""Where data files lie, and reading them: each reader checks what it returns, or refuses the file by name."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kernels.jit import cache_root


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data sets: ``root``, else TINYGRAD_HW_DATA, else ``data`` in the package's cache folder."""
    named = root or os.environ.get("TINYGRAD_HW_DATA")
    if named:
        return Path(named)
    cache = cache_root()
    if cache is None:
        raise DataError(
            "load: expected a data folder, got no root, no TINYGRAD_HW_DATA and no cache folder\n"
            "  set TINYGRAD_HW_DATA to the folder that holds the data sets"
        )
    return cache / "data"


def refusal(path: Path, expected: str, got: object, remedy: str = "") -> DataError:
    """The error that says that the file at ``path`` is not what was expected."""
    message = f"load: {path}: expected {expected}, got {got}"
    return DataError(f"{message}\n  {remedy}" if remedy else message)


def verify(path: Path, sha256: str) -> None:
    """Refuse a file whose content is not the one with this SHA-256 sum."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != sha256:
        raise refusal(
            path,
            f"SHA-256 {sha256}",
            got,
            "the file is well formed but not the known edition; replace it",
        )


def git_blob(path: Path) -> str:
    """The name under which git keeps this file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """The uint8 array of a gzipped IDX file: magic 0x0800 + ndim, the ndim sizes (big-endian words), then the bytes."""
    try:
        content = gzip.decompress(path.read_bytes())
    except Exception as error:  # a damaged stream raises EOFError, OSError or zlib.error
        raise refusal(path, "a gzip file", f"one that cannot be read ({error})") from None
    start = 4 * (ndim + 1)
    if len(content) < start:
        raise refusal(path, f"an IDX header of {start} bytes", f"{len(content)} bytes in all")
    magic, *shape = (int(word) for word in np.frombuffer(content, ">u4", ndim + 1))
    if magic != 0x0800 + ndim:
        raise refusal(path, f"magic {0x0800 + ndim} (uint8, {ndim} dimensions)", magic)
    if len(content) - start != math.prod(shape):
        what = "truncated" if len(content) - start < math.prod(shape) else "trailing bytes"
        raise refusal(
            path,
            f"{math.prod(shape)} bytes of data for shape {tuple(shape)}",
            f"{len(content) - start} ({what})",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_npz(path: Path, keys: Sequence[str]) -> list[np.ndarray]:
    """The arrays of these names in an .npz file; nothing in it is ever unpickled."""
    try:
        # Opened here, since np.load leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = set(archive.files)
            arrays = [archive[key] for key in keys if key in names]
    except Exception as error:  # a damaged zip file raises a dozen kinds
        raise refusal(path, "an .npz file", f"one that cannot be read ({error})") from None
    return _all_named(path, keys, names, arrays)


def read_mat(path: Path, keys: Sequence[str]) -> list[np.ndarray]:
    """The arrays of these names in a MATLAB 5 file."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise DataError(
            f"load: {path}: expected scipy to read a .mat file with, got no such module\n"
            "  pip install 'tinygrad_hw[mat]'"
        ) from None
    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises what the damaged bytes happen to lead to
        raise refusal(path, "a MATLAB 5 file", f"one that cannot be read ({error})") from None
    names = {name for name in content if not name.startswith("__")}
    arrays = [content[key] for key in keys if key in names]
    return _all_named(path, keys, names, arrays)


def _all_named(
    path: Path, keys: Sequence[str], names: set[str], arrays: list[np.ndarray]
) -> list[np.ndarray]:
    if len(arrays) < len(keys):
        raise refusal(path, f"arrays {', '.join(keys)}", ", ".join(sorted(names)) or "none")
    for key, array in zip(keys, arrays, strict=True):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
            raise refusal(
                path, f"{key} to be an array of numbers", getattr(array, "dtype", type(array))
            )
    return arrays


def check_values(path: Path, name: str, array: np.ndarray, low: float, high: float) -> None:
    """Refuse values outside low..high, NaN included."""
    if array.size and not (array.min() >= low and array.max() <= high):
        raise refusal(
            path, f"{name} from {low} to {high}", f"values from {array.min()} to {array.max()}"
        )


def check_shape(path: Path, name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Refuse an array of another shape; None stands for any size."""
    if array.ndim != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("n" if size is None else str(size) for size in shape)
        raise refusal(path, f"{name} of shape ({wanted})", array.shape)


def check_one_hot(path: Path, name: str, array: np.ndarray) -> None:
    """Refuse rows that are not one 1 among zeros."""
    bad = np.flatnonzero(((array != 0) & (array != 1)).any(axis=1) | (array.sum(axis=1) != 1))
    if len(bad):
        raise refusal(path, f"{name} to be one-hot", f"{array[bad[0]].tolist()} in row {bad[0]}")
