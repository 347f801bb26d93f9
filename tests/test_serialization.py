"""save and load, save_file and load_file: exact round trips, damage, interrupted writes."""

from __future__ import annotations

import json
import math
import os
import pickle
import re

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_hw as tg
from tinygrad_hw import nn, serialization
from tinygrad_hw.errors import DataError

DTYPES = [tg.float32, tg.float64, tg.int8, tg.int16, tg.int32, tg.int64, tg.uint8, np.dtype(bool)]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def arrays(dtypes):
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))


def strided(array):
    """The same values behind negative strides."""
    return array[..., ::-1].copy()[..., ::-1] if array.ndim else array


TENSORS = arrays(DTYPES).map(strided).map(tg.from_numpy)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | TENSORS
    | arrays([*DTYPES, np.dtype(np.float16), np.dtype(np.uint64)])
    | hnp.arrays(st.sampled_from(DTYPES), ()).map(lambda a: a[()])
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a, b):
    """Equal in type, dtype, shape, every bit (NaN and −0.0 included) and order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tg.Tensor):
        return a.requires_grad == b.requires_grad and same(a.detach().numpy(), b.detach().numpy())
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (
            math.isnan(b) if math.isnan(a) else (a, math.copysign(1, a)) == (b, math.copysign(1, b))
        )
    return a == b


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("state") / "state.safetensors"


@given(NESTED)
def test_nested_state_round_trip(path, obj):
    tg.save(obj, path)
    assert same(tg.load(path), obj)


@given(st.dictionaries(st.text().filter(lambda name: name != "__metadata__"), TENSORS, max_size=4))
def test_flat_round_trip(path, tensors):
    tg.save_file(tensors, path)
    back = tg.load_file(path)
    assert back.keys() == tensors.keys()
    assert all(same(back[name], tensors[name]) for name in tensors)


def test_module_and_generator_state(path):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    generator = tg.Generator(5)
    state = {
        "model": net.state_dict(),
        "optimizer": {
            "state": {0: {"step": 3, "m": tg.ones(2)}},
            "param_groups": [{"betas": (0.9, 0.999)}],
        },
        "rng": generator.get_state(),
        "numpy": generator.numpy.bit_generator.state,
        "history": [float("nan"), math.inf, -math.inf, np.float64(0.5), np.int64(3)],
    }
    tg.save(state, path)
    back = tg.load(path)
    assert same(back, state)
    nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).load_state_dict(back["model"])


def test_other_readers_see_the_tensors(path):
    tg.save({"model": nn.Linear(2, 1).state_dict(), "epoch": 3, "é\ud800": np.ones(1)}, path)
    names = safetensors.numpy.load_file(path).keys()
    assert names == {"model.weight", "model.bias", "é\\ud800"}
    assert tg.load_file(path)["model.bias"].shape == (1,)


def test_files_of_other_writers(path):
    safetensors.numpy.save_file({"w": np.ones((2, 2), np.float32)}, path)
    assert tg.load_file(path)["w"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(DataError, match=r"holds named tensors and no nested state\nRead it with"):
        tg.load(path)


def test_metadata(path):
    settings = {"note": "é", "epoch": "3"}
    tg.save_file({"w": tg.ones(1)}, path, metadata=settings)
    assert settings == {"note": "é", "epoch": "3"}
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    assert metadata.pop("crc32")
    assert metadata == settings


def test_loaded_tensors_can_be_written_to(path):
    tg.save([tg.ones(2), np.ones(2)], path)
    tensor, array = tg.load(path)
    tensor[0] = array[0] = 5.0
    assert tensor.tolist() == array.tolist() == [5.0, 1.0]


def test_names_that_collide(path):
    obj = {"a.b": tg.ones(1), "a": {"b": tg.zeros(1)}, 1: tg.ones(2), "1": tg.zeros(2)}
    obj["__metadata__"] = tg.ones(3)
    tg.save(obj, path)
    assert same(tg.load(path), obj)


def test_shared_memory_is_stored_once_and_shared_again(path):
    big = tg.randn(1000)
    tg.save({"a": big, "b": [big.detach()], "part": big[:10]}, path)
    assert os.path.getsize(path) < 5000
    back = tg.load(path)
    assert np.shares_memory(back["a"].numpy(), back["b"][0].numpy())
    assert not np.shares_memory(back["a"].numpy(), back["part"].numpy())
    assert back["part"].tolist() == big[:10].tolist()


def test_requires_grad_is_kept(path):
    tg.save([tg.ones(1, requires_grad=True), nn.Parameter(tg.ones(1)), tg.ones(1)], path)
    back = tg.load(path)
    assert [t.requires_grad for t in back] == [True, True, False]
    assert all(t.is_leaf and type(t) is tg.Tensor for t in back)


@pytest.mark.parametrize("code", "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
def test_every_element_type(path, code):
    obj = [np.arange(3).astype(code), np.dtype(code).type(1)]
    tg.save(obj, path)
    assert same(tg.load(path), obj)


def test_big_endian_arrays_become_native(path):
    tg.save(np.arange(3, dtype=">f8"), path)
    assert same(tg.load(path), np.arange(3.0))


# -- what cannot be stored --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        (
            {"a": [1, {2, 3}]},
            TypeError,
            "save: cannot store set at obj['a'][1]\nConvert it to a dict",
        ),
        (object(), TypeError, "save: cannot store object at obj\n"),
        ({"f": print}, TypeError, "save: cannot store builtin_function_or_method at obj['f']"),
        ({"n": 1 + 2j}, TypeError, "save: cannot store complex at obj['n']"),
        ({"b": b"x"}, TypeError, "save: cannot store bytes at obj['b']"),
        ([{1.5: 2}], TypeError, "save: expected keys of type str or int, got 1.5 in obj[0]"),
        ({True: 2}, TypeError, "save: expected keys of type str or int, got True in obj"),
        ({3: np.array(["x"])}, TypeError, "save: cannot store elements of type <U1 at obj[3]"),
        ((np.array([None]),), TypeError, "save: cannot store elements of type object at obj[0]"),
        (np.ones(1, complex), TypeError, "save: cannot store elements of type complex128 at obj"),
        (
            np.datetime64("2020"),
            TypeError,
            "save: cannot store elements of type datetime64[Y] at obj",
        ),
    ],
)
def test_what_save_refuses(path, obj, error, message):
    path.unlink(missing_ok=True)
    with pytest.raises(error, match=re.escape(message)):
        tg.save(obj, path)
    assert list(path.parent.iterdir()) == []


def test_what_contains_itself_is_refused(path):
    deep = 1
    for _ in range(100):
        deep = [deep]
    tg.save(deep, path)
    assert tg.load(path) == deep
    loop = []
    loop.append(loop)
    with pytest.raises(
        ValueError,
        match=r"save: nested deeper than 100 levels, or contains itself, at obj\[0\]\[0\]\[0\]\[0\]\[0\]…",
    ):
        tg.save(loop, path)


@pytest.mark.parametrize(
    ("tensors", "metadata", "error", "message"),
    [
        (
            [1],
            None,
            TypeError,
            "save_file: expected a dict of names to Tensors, got list\nsave() takes",
        ),
        ({"a": 1}, None, TypeError, "save_file: expected names and Tensors, got 'a': int"),
        ({1: tg.ones(1)}, None, TypeError, "save_file: expected names and Tensors, got 1: Tensor"),
        ({"__metadata__": tg.ones(1)}, None, ValueError, "the name '__metadata__' is reserved"),
        ({}, {"a": 1}, TypeError, "save_file: expected metadata of text, got 'a': 1"),
        ({}, {"crc32": "a"}, ValueError, "save_file: the metadata key 'crc32' is reserved"),
        ({}, {"tinygrad_hw": "a"}, ValueError, "the metadata key 'tinygrad_hw' is reserved"),
    ],
)
def test_what_save_file_refuses(path, tensors, metadata, error, message):
    with pytest.raises(error, match=re.escape(message)):
        tg.save_file(tensors, path, metadata)


# -- damage -----------------------------------------------------------------------------------------------------

STATE = {"weight": tg.arange(12.0).reshape(3, 4), "step": 3, "names": ["a", ("b", math.inf)]}


def test_every_truncation_is_found(path):
    tg.save(STATE, path)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=rf"load: {re.escape(str(path))}: is not a complete"):
            tg.load(path)
    path.write_bytes(data + b"x")
    with pytest.raises(DataError, match=r"load_file: .*: is not a complete safetensors file"):
        tg.load_file(path)


def test_every_flipped_byte_is_found_or_without_effect(path):
    tg.save(STATE, path)
    data = path.read_bytes()
    found = 0
    for position in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            changed = bytearray(data)
            changed[position] ^= mask
            path.write_bytes(changed)
            try:
                assert same(tg.load(path), STATE), position
            except DataError:
                found += 1
    assert found > 2.9 * len(data)


def test_flat_files_are_checked(path):
    tg.save_file({"w": tg.ones(4)}, path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"load_file: .*: is damaged: its checksum does not match"):
        tg.load_file(path)


@pytest.mark.parametrize(
    "content", [b"", b"not ours", pickle.dumps({"a": 1}), b"PK\x03\x04" + b"\0" * 100]
)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    for read in (tg.load, tg.load_file):
        with pytest.raises(
            DataError, match=re.escape(f"{path}: is not a complete safetensors file")
        ):
            read(path)


def forged(path, structure, checksum=True):
    """A file whose structure ``save`` would not write, with the right checksum."""
    stored = {"w": np.ones(2, np.uint16)}
    metadata = {"tinygrad_hw": structure}
    if checksum:
        metadata["crc32"] = serialization._checksum(stored, metadata)
    path.write_bytes(safetensors.numpy.save(stored, metadata))


@pytest.mark.parametrize(
    "structure",
    [
        "",
        "{",
        "{}",
        '{"object":"os.system"}',
        '{"tensor":"absent"}',
        '{"tensor":"w"}',
        '{"tensor":["w"]}',
        '{"array":"w","more":1}',
        '{"object":"w"}',
        '{"dict":[1]}',
        '{"dict":[[[],1]]}',
        '{"dict":[["a",1,2]]}',
        '{"tuple":3}',
        '{"float":"x"}',
        '{"float":null}',
        "[" * 100_000,
    ],
)
def test_structures_that_make_no_sense_are_refused(path, structure):
    forged(path, structure)
    with pytest.raises(DataError, match=r"load: .*: its structure cannot be understood: "):
        tg.load(path)


def test_structure_without_checksum_is_refused(path):
    forged(path, json.dumps({"array": "w"}), checksum=False)
    with pytest.raises(DataError, match=r"load: .*: is damaged: it has no checksum"):
        tg.load(path)


def test_unknown_element_types_are_refused(path):
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(DataError, match=r"load_file: .*: holds the unknown element type 'BF16'"):
        tg.load_file(path)
    safetensors.numpy.save_file({"w": np.ones(1, np.float16)}, path)
    with pytest.raises(
        DataError, match=r"load_file: .*: 'w' is float16, which Tensors do not have"
    ):
        tg.load_file(path)


def test_absent_files(tmp_path):
    for read in (tg.load, tg.load_file):
        with pytest.raises(FileNotFoundError, match="absent"):
            read(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*absent to write file in"):
        tg.save({}, tmp_path / "absent" / "file")


# -- writing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "state"
    tg.save(STATE, path)

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(type(error)):
            tg.save({"new": 1}, path)
    assert same(tg.load(path), STATE)
    assert os.listdir(tmp_path) == ["state"]
    tg.save({"new": 1}, str(path))
    assert tg.load(str(path)) == {"new": 1}
    assert os.listdir(tmp_path) == ["state"]


def test_everything_is_on_the_disk_before_the_file_is_moved(path, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda fd: sizes.append(os.fstat(fd).st_size))
    tg.save(STATE, path)
    assert sizes == [path.stat().st_size]


@pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")
def test_links_and_modes(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    tg.save([1], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert tg.load(tmp_path / "real") == [1]
    (tmp_path / "plain").touch()
    assert (tmp_path / "real").stat().st_mode == (tmp_path / "plain").stat().st_mode
