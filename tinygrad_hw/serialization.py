"""Tensors and nested state in files, without ever running code that a file contains.

A file is in the safetensors format: a JSON header and the tensors' bytes. ``save`` keeps the nesting around the
tensors as JSON in the header's metadata. Files are complete or absent: they are written under a temporary name,
brought to the disk and moved into place. A checksum in the metadata tells damage on reading.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import dtypes
from .errors import DataError
from .tensor import Tensor

_CHECKSUM = "crc32"
_STRUCTURE = "tinygrad_hw"
_DEEPEST = 100

#: The element types of the file format that NumPy has.
_STORABLE = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8", "b1"}


def save_file(
    tensors: Mapping[str, Tensor], path: str | os.PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Write named Tensors to a safetensors file that any reader of that format understands.

    ``metadata`` is text for the header; a checksum is added to it.
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"save_file: expected a dict of names to Tensors, got {type(tensors).__name__}\n"
            "save() takes nested state."
        )
    arrays = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(
                f"save_file: expected names and Tensors, got {name!r}: {type(tensor).__name__}"
            )
        if name == "__metadata__":
            raise ValueError(f"save_file: the name {name!r} is reserved by the file format")
        arrays[name] = tensor._array
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"save_file: expected metadata of text, got {key!r}: {text!r}")
        if key in (_CHECKSUM, _STRUCTURE):
            raise ValueError(f"save_file: the metadata key {key!r} is reserved")
    _write(arrays, path, dict(metadata or {}))


def load_file(path: str | os.PathLike) -> dict[str, Tensor]:
    """Name to Tensor for all tensors of a safetensors file.

    Raises: DataError when it is damaged, or holds an element type that Tensors do not have; OSError when it cannot
    be read.
    """
    tensors = {}
    for name, array in _read(path, "load_file")[0].items():
        if array.dtype not in dtypes.SUPPORTED:
            raise DataError(
                f"load_file: {path}: {name!r} is {array.dtype}, which Tensors do not have"
            )
        tensors[name] = Tensor._wrap(array)
    return tensors


def save(obj: Any, path: str | os.PathLike) -> None:
    """Write nested state, such as the ``state_dict`` of a module and an optimizer, so that ``load`` restores it.

    Dicts (with str or int keys), lists and tuples of Tensors, NumPy arrays and scalars, int, float, bool, str and
    None, each exactly. Tensors that share all their memory share it again after ``load``; Parameters become Tensors.

    Raises: TypeError, with the place in ``obj``, for anything else.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _Encoder(arrays).encode(obj, ())
    _write(arrays, path, {_STRUCTURE: json.dumps(structure, separators=(",", ":"))})


def load(path: str | os.PathLike) -> Any:
    """What ``save`` wrote.

    Raises: DataError when the file is damaged or was not written by ``save``; OSError when it cannot be read.
    """
    arrays, metadata = _read(path, "load")
    if _STRUCTURE not in metadata:
        raise DataError(
            f"load: {path}: holds named tensors and no nested state\nRead it with load_file()."
        )
    if _CHECKSUM not in metadata:
        raise DataError(f"load: {path}: is damaged: it has no checksum")
    try:
        return _decode(json.loads(metadata[_STRUCTURE]), arrays)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"load: {path}: its structure cannot be understood: {error!r}") from None


class _Encoder:
    """Nested state as JSON values; arrays are put aside, under names made from their place.

    None, bool, int, str and finite floats stand for themselves, a list for a list. All else is an object with one
    entry that names its type.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays
        self._names: dict[tuple, str] = {}

    def encode(self, obj: Any, place: tuple) -> Any:
        kind = type(obj)
        if len(place) > _DEEPEST:
            raise ValueError(
                f"save: nested deeper than {_DEEPEST} levels, or contains itself, at {_text(place[:5])}…"
            )
        if obj is None or kind in (bool, int, str):
            return obj
        if kind is float:
            return obj if math.isfinite(obj) else {"float": repr(obj)}
        if kind in (list, tuple):
            items = [self.encode(item, (*place, i)) for i, item in enumerate(obj)]
            return items if kind is list else {"tuple": items}
        if kind is dict:
            for key in obj:
                if type(key) not in (str, int):
                    raise TypeError(
                        f"save: expected keys of type str or int, got {key!r} in {_text(place)}"
                    )
            return {"dict": [[k, self.encode(v, (*place, k))] for k, v in obj.items()]}
        if isinstance(obj, Tensor):
            entry = {"tensor": self._put(obj._array, place)}
            return entry | {"requires_grad": True} if obj.requires_grad else entry
        if kind is np.ndarray:
            return {"array": self._put(obj, place)}
        if isinstance(obj, np.generic):
            return {"scalar": self._put(np.asarray(obj), place)}
        raise TypeError(
            f"save: cannot store {kind.__name__} at {_text(place)}\n"
            "Convert it to a dict, list, tuple, Tensor, array, number, str or None."
        )

    def _put(self, array: np.ndarray, place: tuple) -> str:
        if array.dtype.str[1:] not in _STORABLE:
            raise TypeError(f"save: cannot store elements of type {array.dtype} at {_text(place)}")
        memory = (array.ctypes.data, array.shape, array.strides, array.dtype.str)
        if memory not in self._names:
            name = ".".join(map(str, place)).encode("utf-8", "backslashreplace").decode() or "value"
            while name in self.arrays or name == "__metadata__":
                name += "_"
            self._names[memory] = name
            self.arrays[name] = array
        return self._names[memory]


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of ``_Encoder.encode``; what that cannot have written raises one of the errors of ``load``."""
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    requires_grad = value.pop("requires_grad", False)
    ((kind, content),) = value.items()
    if kind == "dict":
        return {key: _decode(item, arrays) for key, item in content}
    if kind == "tuple":
        return tuple([_decode(item, arrays) for item in content])
    if kind == "float":
        return float(content)
    array = arrays[content]
    if kind == "tensor":
        dtypes.check(array.dtype, "load")
        tensor = Tensor._wrap(array)
        return tensor.requires_grad_() if requires_grad else tensor
    return {"array": array, "scalar": array[()]}[kind]


def _text(place: tuple) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in place)


def _checksum(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """CRC-32 over everything in the file that has a meaning, independent of its order."""
    text = sorted(item for item in metadata.items() if item[0] != _CHECKSUM)
    total = zlib.crc32(json.dumps(text).encode())
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(json.dumps([name, array.dtype.str, array.shape]).encode(), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def _write(
    arrays: dict[str, np.ndarray], path: str | os.PathLike, metadata: dict[str, str]
) -> None:
    from safetensors.numpy import save as serialize

    # The format is little-endian and dense.
    stored = {
        name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    metadata[_CHECKSUM] = _checksum(stored, metadata)
    data = serialize(stored, metadata)
    target = Path(os.path.realpath(path))  # a link stays a link
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} in")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: str | os.PathLike, where: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialize

    data = Path(path).read_bytes()
    try:
        arrays = deserialize(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except SafetensorError as error:
        raise DataError(f"{where}: {path}: is not a complete safetensors file: {error}") from None
    except KeyError as error:
        raise DataError(f"{where}: {path}: holds the unknown element type {error}") from None
    if _CHECKSUM in metadata and metadata[_CHECKSUM] != _checksum(arrays, metadata):
        raise DataError(f"{where}: {path}: is damaged: its checksum does not match its content")
    # Some versions of safetensors return views of immutable bytes.
    writable = {name: np.require(a, requirements=("W", "A")) for name, a in arrays.items()}
    return writable, metadata
