"""Data sets by name: each format's reader, each refusal, and the splits."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_hw import data
from tinygrad_hw.data import files, sets
from tinygrad_hw.errors import DataError

RNG = np.random.default_rng(0)
MNIST_FILES = tuple(sets.MNIST_SHA256)


@pytest.fixture(autouse=True)
def no_folders_from_outside(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYGRAD_HW_DATA", raising=False)
    monkeypatch.setenv("TINYGRAD_HW_CACHE", str(tmp_path / "cache"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    header = struct.pack(f">{array.ndim + 1}I", magic or 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_gz(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1))
    return path


IMAGES = {"train": RNG.integers(0, 256, (20, 28, 28)), "t10k": RNG.integers(0, 256, (10, 28, 28))}
LABELS = {part: np.arange(len(images)) % 10 for part, images in IMAGES.items()}


@pytest.fixture
def mnist_root(tmp_path, monkeypatch):
    """A folder with a small MNIST, whose sums are made the known ones."""
    folder = tmp_path / "mnist"
    for part in IMAGES:
        write_gz(folder / f"{part}-images-idx3-ubyte.gz", idx(IMAGES[part]))
        write_gz(folder / f"{part}-labels-idx1-ubyte.gz", idx(LABELS[part]))
    sums = {name: sha256(folder / name) for name in MNIST_FILES}
    monkeypatch.setattr(sets, "MNIST_SHA256", sums)
    return tmp_path


def nist_arrays(
    classes: int, per_class: int, dtype: type = np.uint8
) -> tuple[np.ndarray, np.ndarray]:
    images = RNG.integers(0, 256, (classes * per_class, 1024)).astype(np.uint8)
    one_hot = np.repeat(np.eye(classes, dtype=np.uint8), per_class, axis=0)
    return images.astype(dtype), one_hot


def write_standin(root: Path, monkeypatch, **changed: np.ndarray) -> Path:
    path = root / "nist36" / "nist36_standin.npz"
    path.parent.mkdir(exist_ok=True)
    arrays = {}
    for part, per_class in (("train", 3), ("valid", 2), ("test", 1)):
        arrays[f"{part}_data"], arrays[f"{part}_labels"] = nist_arrays(36, per_class)
    np.savez_compressed(path, **(arrays | changed))
    monkeypatch.setattr(sets, "NIST36_STANDIN_SHA256", sha256(path))
    return path


def write_sequences(root: Path, monkeypatch, **changed: np.ndarray) -> Path:
    path = root / "binary_sequences" / "binary_sequences.npz"
    path.parent.mkdir(exist_ok=True)
    human = RNG.integers(0, 2, (60, 20)).astype(np.uint8)
    arrays = {
        "sp2019_human": np.concatenate([human, human[:30], human[:10]]),
        "sp2019_machine": np.concatenate([RNG.integers(0, 2, (90, 20)), human[:10]]).astype(
            np.uint8
        ),
        "fa2020_human": human,
        "fa2020_machine": 1 - human,
    }
    np.savez_compressed(path, **(arrays | changed))
    monkeypatch.setattr(sets, "SEQUENCES_SHA256", sha256(path))
    return path


# --- what every data set keeps to ---------------------------------------------------------------------


def check_contract(splits: data.Splits) -> None:
    assert len(set(splits.classes)) == len(splits.classes)
    for part in (splits.train, splits.valid, splits.test):
        if part is None:
            continue
        x, y = part
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert x.flags.c_contiguous
        assert x.shape[0] == y.shape[0] > 0
        assert x.min() >= 0
        assert x.max() <= 1
        assert set(np.unique(y)) <= set(range(len(splits.classes)))
        if splits.image_shape:
            assert splits.upright(x[:3]).shape == (3, *splits.image_shape)


def test_load_names_the_data_sets_it_knows():
    with pytest.raises(
        ValueError, match=r"expected one of digits, rendered36, mnist, .*, got 'iris'"
    ):
        data.load("iris")


def test_upright_refuses_what_is_not_an_image(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match=r"upright: expected rows of 64 pixels, got shape \(2, 63\)"
    ):
        data.digits().upright(np.zeros((2, 63)))
    write_sequences(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="upright: expected a data set of images, got sequences"):
        data.sequences(tmp_path).upright(np.zeros((2, 20)))


def test_the_root_is_the_argument_then_the_environment_then_the_cache(tmp_path, monkeypatch):
    assert files.data_root() == tmp_path / "cache" / "data"
    monkeypatch.setenv("TINYGRAD_HW_DATA", str(tmp_path / "named"))
    assert files.data_root() == tmp_path / "named"
    assert files.data_root(tmp_path) == tmp_path
    monkeypatch.delenv("TINYGRAD_HW_DATA")
    monkeypatch.setenv("TINYGRAD_HW_CACHE", "")
    with pytest.raises(DataError, match="no cache folder\n  set TINYGRAD_HW_DATA"):
        files.data_root()


# --- digits -------------------------------------------------------------------------------------------


def test_digits_come_with_the_package():
    digits = data.load("digits")
    check_contract(digits)
    assert (digits.name, digits.image_shape, digits.valid) == ("digits", (8, 8), None)
    assert digits.classes == tuple("0123456789")
    x, y = (np.concatenate(pair) for pair in zip(digits.train, digits.test, strict=True))
    assert x.shape == (1797, 64)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(digits.test[1]).tolist() == [36] * 10
    np.testing.assert_array_equal(x * 16, np.rint(x * 16))
    assert (x * 16).sum() == 561718  # of scikit-learn's copy


def test_digits_split_never_changes():
    (train, _), (test, labels) = data.digits().train, data.digits().test
    content = hashlib.sha256((test * 16).astype(np.uint8).tobytes() + labels.astype("u1").tobytes())
    assert content.hexdigest()[:16] == "ba5e4f2bcc23e102"
    assert not {row.tobytes() for row in test} & {row.tobytes() for row in train}


# --- mnist --------------------------------------------------------------------------------------------


def test_mnist_reads_the_four_files(mnist_root, monkeypatch):
    monkeypatch.setenv("TINYGRAD_HW_DATA", str(mnist_root))
    mnist = data.load("mnist")
    check_contract(mnist)
    assert (mnist.source, mnist.image_shape, mnist.valid) == ("MNIST", (28, 28), None)
    for part, (x, y) in {"train": mnist.train, "t10k": mnist.test}.items():
        np.testing.assert_array_equal(mnist.upright(x), IMAGES[part].astype(np.float32) / 255)
        np.testing.assert_array_equal(y, LABELS[part])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (MNIST_FILES[0], idx(IMAGES["train"], 2049), r"expected magic 2051 \(.*\), got 2049"),
        (
            MNIST_FILES[0],
            idx(IMAGES["train"])[:-1],
            r"shape \(20, 28, 28\), got 15679 \(truncated\)",
        ),
        (MNIST_FILES[0], idx(IMAGES["train"]) + b"\0", r"got 15681 \(trailing bytes\)"),
        (MNIST_FILES[0], b"\0\0\x08", "an IDX header of 16 bytes, got 3 bytes in all"),
        (
            MNIST_FILES[0],
            idx(IMAGES["train"][:, 1:]),
            r"images of shape \(n, 28, 28\), got \(20, 27",
        ),
        (MNIST_FILES[1], idx(LABELS["train"], 2051), r"expected magic 2049 \(.*\), got 2051"),
        (MNIST_FILES[1], idx(LABELS["train"][1:]), r"labels .* of shape \(20\), got \(19,\)"),
        (MNIST_FILES[3], idx(LABELS["t10k"] + 1), "labels from 0 to 9, got values from 1 to 10"),
    ],
)
def test_mnist_refuses_by_name(mnist_root, name, content, message):
    path = write_gz(mnist_root / "mnist" / name, content)
    with pytest.raises(DataError, match=message) as caught:
        data.mnist(mnist_root)
    assert str(path) in str(caught.value)


def test_mnist_refuses_other_images_under_its_names(mnist_root):
    path = write_gz(mnist_root / "mnist" / MNIST_FILES[0], idx(255 - IMAGES["train"]))
    with pytest.raises(
        DataError, match=f"{path.name}: expected SHA-256 .*\n.*not the known edition"
    ):
        data.mnist(mnist_root)


@given(st.data())
def test_a_damaged_gz_file_is_refused(tmp_path_factory, case):
    path = tmp_path_factory.mktemp("idx") / "train-labels-idx1-ubyte.gz"
    good = write_gz(path, idx(LABELS["train"])).read_bytes()
    path.write_bytes(good[: case.draw(st.integers(0, len(good) - 1))])
    with pytest.raises(DataError, match=r"labels-idx1.*expected a"):
        files.read_idx(path, 1)


def serve(folder: Path) -> tuple[ThreadingHTTPServer, str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


@pytest.fixture
def mirror(mnist_root, monkeypatch):
    """The small MNIST behind a mirror on this machine, after one that has nothing."""
    pytest.importorskip("pooch", reason="needs the extra [download]")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server, address = serve(mnist_root / "mnist")
    monkeypatch.setattr(sets, "MNIST_MIRRORS", (f"{address}nothing/", address))
    yield mnist_root / "mnist"
    server.shutdown()
    server.server_close()


def test_mnist_is_downloaded_where_it_is_missing(mirror, tmp_path):
    data.mnist(tmp_path / "new")
    for name in MNIST_FILES:
        assert (tmp_path / "new" / "mnist" / name).read_bytes() == (mirror / name).read_bytes()


def test_a_download_with_a_wrong_sum_is_not_kept(mirror, tmp_path):
    write_gz(mirror / MNIST_FILES[1], idx(LABELS["train"][::-1]))
    with pytest.raises(DataError, match=f"(?s)got no {MNIST_FILES[1]}, and it could not be.*hash"):
        data.mnist(tmp_path / "new")
    assert not (tmp_path / "new" / "mnist" / MNIST_FILES[1]).exists()


def test_without_network_mnist_tells_which_files_go_where(tmp_path, monkeypatch):
    pytest.importorskip("pooch", reason="needs the extra [download]")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sets, "MNIST_MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(
        DataError, match=f"(?s)put {', '.join(MNIST_FILES)} into .*mnist, from http"
    ):
        data.mnist(tmp_path)


def test_mnist_is_not_downloaded_where_that_is_not_wanted(mirror, tmp_path):
    with pytest.raises(
        DataError, match=f"got no {MNIST_FILES[0]}\n  put {', '.join(MNIST_FILES)} into"
    ):
        data.load("mnist", tmp_path / "new", download=False)
    assert not (tmp_path / "new").exists()


def test_without_pooch_mnist_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"(?s)install 'tinygrad_hw\[download\]' .*train-images"):
        data.mnist(tmp_path)


# --- nist36 and nist26 --------------------------------------------------------------------------------


def test_nist36_reads_the_standin_and_says_so(tmp_path, monkeypatch):
    path = write_standin(tmp_path, monkeypatch)
    nist = data.load("nist36", tmp_path)
    check_contract(nist)
    assert nist.source == "NIST36 stand-in (EMNIST)"
    assert nist.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert [len(part[1]) for part in (nist.train, nist.valid, nist.test)] == [108, 72, 36]
    assert nist.train[1].tolist() == np.repeat(np.arange(36), 3).tolist()
    stored = np.load(path)["test_data"][5].reshape(32, 32)
    np.testing.assert_array_equal(nist.upright(nist.test[0][5]), stored.T / np.float32(255))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_data": np.zeros((108, 1023), "u1")},
            r"train_data of shape \(n, 1024\), got \(108, 1023\)",
        ),
        (
            {"valid_labels": np.zeros((72, 35), "u1")},
            r"valid_labels of shape \(72, 36\), got \(72, 35\)",
        ),
        (
            {"valid_labels": np.zeros((72, 36), "u1")},
            r"valid_labels to be one-hot, got .* in row 0",
        ),
        ({"test_labels": np.full((36, 36), 1 / 36)}, "test_labels to be one-hot"),
        ({"test_labels": np.eye(36) + np.eye(36)[:, ::-1]}, "test_labels to be one-hot"),
        ({"test_data": np.full((36, 1024), 256)}, "test_data from 0 to 255, got values from 256"),
        (
            {"test_data": np.full((36, 1024), np.nan)},
            "test_data from 0 to 255, got values from nan",
        ),
        ({"test_data": np.full((36, 1024), "a")}, "test_data to be an array of numbers, got <U1"),
        ({"test_data": np.array([{}] * 36)}, "an .npz file, got one that cannot be read .*pickle"),
    ],
)
def test_nist36_refuses_the_standin_by_name(tmp_path, monkeypatch, changed, message):
    path = write_standin(tmp_path, monkeypatch, **changed)
    with pytest.raises(DataError, match=message) as caught:
        data.nist36(tmp_path)
    assert str(path) in str(caught.value)


def test_nist36_refuses_other_data_under_the_standins_name(tmp_path, monkeypatch):
    write_standin(tmp_path, monkeypatch)
    monkeypatch.setattr(sets, "NIST36_STANDIN_SHA256", "0")
    with pytest.raises(DataError, match=r"nist36_standin.npz: expected SHA-256 0, got"):
        data.nist36(tmp_path)


def test_an_npz_file_without_the_arrays_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, left=np.zeros(1))
    with pytest.raises(DataError, match=r"a.npz: expected arrays x, y, got left"):
        files.read_npz(path, ["x", "y"])
    np.save(tmp_path / "a.npy", np.zeros(1))
    (tmp_path / "a.npy").rename(path)
    with pytest.raises(DataError, match=r"a.npz: expected an .npz file"):
        files.read_npz(path, ["x", "y"])


@given(st.data())
def test_a_damaged_npz_file_is_refused_or_harmless(tmp_path_factory, case):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    x = np.arange(40, dtype=np.uint8)
    np.savez_compressed(path, x=x)
    content = bytearray(path.read_bytes())
    if case.draw(st.booleans()):
        del content[case.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[case.draw(st.integers(0, len(content) - 1))] ^= case.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        # What can still be read was damaged where nothing is said of the content, such as in a date.
        np.testing.assert_array_equal(files.read_npz(path, ["x"]), [x])


def write_mat(root: Path, name: str, part: str, images: np.ndarray, one_hot: np.ndarray) -> Path:
    scipy_io = pytest.importorskip("scipy.io", reason="needs the extra [mat]")
    path = root / "nist36" / name
    path.parent.mkdir(exist_ok=True)
    arrays = {f"{part}_data": images, f"{part}_labels": one_hot}
    scipy_io.savemat(path, arrays, do_compression=True)
    return path


def write_genuine(root: Path) -> dict[str, Path]:
    paths = {}
    for part, per_class in (("train", 3), ("valid", 2), ("test", 1)):
        images, one_hot = nist_arrays(36, per_class, np.float64)
        paths[part] = write_mat(root, f"nist36_{part}.mat", part, images / 255, one_hot * 1.0)
    return paths


def test_nist36_prefers_the_genuine_files_and_says_so(tmp_path, monkeypatch):
    write_standin(tmp_path, monkeypatch)
    paths = write_genuine(tmp_path)
    nist = data.nist36(tmp_path)
    check_contract(nist)
    assert nist.source == "NIST36 (unknown edition)"
    assert nist.train[1].tolist() == np.repeat(np.arange(36), 3).tolist()
    blobs = {part: files.git_blob(path) for part, path in paths.items()}
    monkeypatch.setattr(sets, "NIST36_GIT_BLOBS", blobs)
    assert data.nist36(tmp_path).source == "NIST36"


def test_git_blob_is_gits_name(tmp_path):
    (tmp_path / "a").write_bytes(b"what is up, doc?")
    assert files.git_blob(tmp_path / "a") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_nist36_refuses_one_genuine_file_without_the_others(tmp_path, monkeypatch):
    write_standin(tmp_path, monkeypatch)
    write_genuine(tmp_path)["valid"].unlink()
    with pytest.raises(DataError, match=r"expected NIST36 in .*nist36, got no nist36_valid.mat$"):
        data.nist36(tmp_path)


def test_a_mat_file_of_other_things_is_refused(tmp_path, monkeypatch):
    write_genuine(tmp_path)
    images, one_hot = nist_arrays(36, 1, np.float64)
    path = write_mat(tmp_path, "nist36_test.mat", "test", images, one_hot)
    with pytest.raises(DataError, match=r"test.mat: .*test_data from -0.5 to 1.5, got .* to 255"):
        data.nist36(tmp_path)
    write_mat(tmp_path, "nist36_test.mat", "valid", images / 255, one_hot)
    with pytest.raises(
        DataError, match=r"test.mat: expected arrays test_data, test_labels, got valid_"
    ):
        data.nist36(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"test.mat: expected a MATLAB 5 file, got one that cannot"):
        data.nist36(tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(
        DataError, match=r"expected scipy to read .*\n  pip install 'tinygrad_hw\[mat\]'"
    ):
        data.nist36(tmp_path)


def test_without_files_nist36_tells_where_it_comes_from(tmp_path):
    with pytest.raises(
        DataError, match=r"(?s)expected NIST36 in .*nist36.*CMU 16-720.*standin.npz"
    ):
        data.nist36(tmp_path)


def test_nist26_is_a_test_set_and_the_same_from_both_files(tmp_path, monkeypatch):
    images, one_hot = nist_arrays(26, 2)
    ringing = (images + 0.4) / 255 - 0.1 * (images == 0) + 0.1 * (images == 255)
    mat = write_mat(tmp_path, "nist26_valid.mat", "valid", ringing, one_hot)
    monkeypatch.setitem(sets.NIST26_SHA256, mat.name, sha256(mat))
    from_mat = data.load("nist26", tmp_path)
    check_contract(from_mat)
    assert (from_mat.train, from_mat.valid, from_mat.source) == (None, None, "NIST26")
    assert from_mat.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    np.testing.assert_array_equal(from_mat.test[0], images / np.float32(255))

    npz = mat.with_name("nist26_valid_u8.npz")
    np.savez(npz, valid_data=np.asfortranarray(images), valid_labels=one_hot)
    with pytest.raises(DataError, match=r"nist26_valid_u8.npz: expected SHA-256"):
        data.nist26(tmp_path)
    monkeypatch.setitem(sets.NIST26_SHA256, npz.name, sha256(npz))
    for one, other in zip(from_mat.test, data.nist26(tmp_path).test, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_files_nist26_tells_which_it_wants(tmp_path):
    with pytest.raises(DataError, match=r"got no nist26_valid_u8.npz or nist26_valid.mat\n.*CMU"):
        data.nist26(tmp_path)


# --- sequences ----------------------------------------------------------------------------------------


def check_sequences(splits: data.Splits) -> None:
    check_contract(splits)
    parts = [splits.train, splits.valid, splits.test]
    rows = [{row.tobytes() for row in x} for x, _ in parts]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    distinct = sum(map(len, rows))
    assert [len(part) / distinct for part in rows] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)


def test_sequences_keep_equal_rows_in_one_part(tmp_path, monkeypatch):
    path = write_sequences(tmp_path, monkeypatch)
    sequences = data.load("sequences", tmp_path)
    check_sequences(sequences)
    assert (sequences.classes, sequences.image_shape) == (("machine", "human"), None)
    stored = np.load(path)
    for label, who in enumerate(sequences.classes):
        parts = (sequences.train, sequences.valid, sequences.test)
        rows = np.concatenate([x[y == label] for x, y in parts])
        np.testing.assert_array_equal(
            np.sort(rows @ 2.0 ** np.arange(20)),
            np.sort(stored[f"sp2019_{who}"] @ 2.0 ** np.arange(20)),
        )


def test_sequences_of_the_other_edition(tmp_path, monkeypatch):
    write_sequences(tmp_path, monkeypatch)
    sequences = data.sequences(tmp_path, edition="fa2020")
    assert sum(len(part[1]) for part in (sequences.train, sequences.valid, sequences.test)) == 120
    assert "fall 2020" in sequences.source
    with pytest.raises(ValueError, match="expected edition sp2019 or fa2020, got 'fa2021'"):
        data.sequences(tmp_path, edition="fa2021")


def test_sequences_are_refused_by_name(tmp_path, monkeypatch):
    with pytest.raises(
        DataError, match=r"expected .*binary_sequences.npz, got no such file\n.*EE 599"
    ):
        data.sequences(tmp_path)
    write_sequences(tmp_path, monkeypatch, sp2019_human=np.full((3, 20), -1))
    with pytest.raises(
        DataError, match=r"npz: expected sp2019_human from 0 to 1, got values from -1"
    ):
        data.sequences(tmp_path)
    write_sequences(tmp_path, monkeypatch, sp2019_machine=np.zeros((3, 19)))
    with pytest.raises(
        DataError, match=r"expected sp2019_machine of shape \(n, 20\), got \(3, 19\)"
    ):
        data.sequences(tmp_path)
    write_sequences(tmp_path, monkeypatch)
    monkeypatch.setattr(sets, "SEQUENCES_SHA256", "0")
    with pytest.raises(DataError, match=r"binary_sequences.npz: expected SHA-256 0, got"):
        data.sequences(tmp_path)


# --- the real files, where they are -------------------------------------------------------------------

REAL = os.environ.get("TINYGRAD_HW_DATA")
SIZES = {
    "mnist": ("MNIST", [60000, 0, 10000], 784),
    "nist36": (None, [10800, 3600, 1800], 1024),
    "nist26": ("NIST26", [0, 0, 1300], 1024),
    "sequences": ("human and machine bits (EE 599, spring 2019)", None, 20),
}


@pytest.mark.skipif(not REAL, reason="TINYGRAD_HW_DATA does not name a folder of real data")
@pytest.mark.parametrize("name", SIZES)
def test_real_data(name):
    source, sizes, features = SIZES[name]
    splits = data.load(name, REAL)
    check_contract(splits)
    parts = [splits.train, splits.valid, splits.test]
    assert splits.test[0].shape[1] == features
    assert sizes is None or [len(part[1]) if part else 0 for part in parts] == sizes
    assert splits.source == source or (source is None and splits.source.startswith("NIST36"))
    if name == "sequences":
        check_sequences(splits)
    if splits.image_shape:  # ink is in the middle and there is less of it than of paper
        x = splits.test[0] if name == "mnist" else 1 - splits.test[0]
        mean = splits.upright(x).mean(axis=0)
        assert mean.mean() < 0.3
        assert mean[:2].mean() < 0.3 * mean[10:-10, 10:-10].mean()
    if name.startswith("nist"):  # an upright T has its bar above
        bar = splits.upright(1 - splits.test[0][splits.test[1] == splits.classes.index("T")])
        assert bar[:, :16].mean() > 1.2 * bar[:, 16:].mean()


@pytest.mark.skipif(not REAL, reason="TINYGRAD_HW_DATA does not name a folder of real data")
def test_real_nist26_is_the_same_from_both_files(monkeypatch):
    pytest.importorskip("scipy.io", reason="needs the extra [mat]")
    npz = data.nist26(REAL).test
    monkeypatch.delitem(sets.NIST26_SHA256, "nist26_valid_u8.npz")
    for one, other in zip(npz, data.nist26(REAL).test, strict=True):
        np.testing.assert_array_equal(one, other)
