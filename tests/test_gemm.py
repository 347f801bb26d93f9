"""The matrix product made of register tiles: against float64, bit for bit among its forms, inside its memory."""

from __future__ import annotations

import ctypes
import mmap
import re
import sys

import numpy as np
import pytest

from tinygrad_hw.kernels import gemm as module
from tinygrad_hw.kernels import tile as tiles
from tinygrad_hw.kernels.gemm import NN, NT, TN, gemm, shares
from tinygrad_hw.kernels.simd import function_of
from tinygrad_hw.kernels.tile import ACCUMULATE, BIAS, RELU

LAYOUTS = pytest.mark.parametrize("layout", [NN, NT, TN], ids=["nn", "nt", "tn"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def operands(rng, layout, m, n, k, dtype):
    a = rng.standard_normal((k, m) if layout == TN else (m, k)).astype(dtype)
    b = rng.standard_normal((n, k) if layout == NT else (k, n)).astype(dtype)
    return a, b


def straight(a, b, layout):
    """The operands as A (m, k) and B (k, n)."""
    return a.T if layout == TN else a, b.T if layout == NT else b


def product(a, b, layout, flags=0, out=None, bias=None, part=None):
    left, right = straight(a, b, layout)
    if out is None:
        out = np.full((left.shape[0], right.shape[1]), np.nan, a.dtype)
    bias = np.zeros(1, a.dtype) if bias is None else bias
    gemm(out, a, b, bias, layout, flags, *(part or (0, out.shape[0], 0, out.shape[1])))
    return out


def assert_right(rng, layout, m, n, k, dtype, flags=0):
    a, b = operands(rng, layout, m, n, k, dtype)
    before, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((m, n), n))
    out = product(a, b, layout, flags, before.copy(), bias)
    left, right = (x.astype(np.float64) for x in straight(a, b, layout))
    expected, size = left @ right, abs(left) @ abs(right) + 1
    if flags & ACCUMULATE:
        expected, size = expected + before, size + abs(before)
    if flags & BIAS:
        expected, size = expected + bias, size + abs(bias)
    if flags & RELU:
        expected = np.maximum(expected, 0)
    # Rounding grows like the square root of the length; twelve units are beyond what 10⁷ sums have shown.
    tolerance = 12 * np.finfo(dtype).eps * size
    assert (abs(out - expected) <= tolerance).all(), (layout, m, n, k, dtype, flags)


@DTYPES
@LAYOUTS
def test_every_size_up_to_70(layout, dtype):
    rng = np.random.default_rng(layout)
    for size in range(71):
        x, y = rng.integers(0, 71, 2)
        for m, n, k in ((size, x, y), (x, size, y), (x, y, size), (size, size, size)):
            assert_right(rng, layout, m, n, k, dtype, int(rng.integers(8)))


@DTYPES
@LAYOUTS
def test_larger_sizes(layout, dtype):
    rng = np.random.default_rng(10 + layout)
    for _ in range(60):
        m, n, k = np.exp(rng.uniform(0, np.log(400), 3)).astype(int)
        assert_right(rng, layout, m, n, k, dtype, int(rng.integers(8)))
    # Several blocks of everything, and shapes that are long one way only.
    for shape in ((300, 530, 600), (3, 2, 1500), (1200, 5, 7), (2, 1500, 3), (257, 193, 513)):
        assert_right(rng, layout, *shape, dtype, int(rng.integers(8)))


@DTYPES
def test_empty_inner_dimension_gives_zeros_and_the_bias(dtype):
    a, b = np.ones((3, 0), dtype), np.ones((0, 20), dtype)
    np.testing.assert_array_equal(product(a, b, NN), np.zeros((3, 20)))
    bias = np.arange(-10, 10).astype(dtype)
    np.testing.assert_array_equal(
        product(a, b, NN, BIAS | RELU, None, bias), np.maximum(bias, 0)[None].repeat(3, 0)
    )


@DTYPES
@LAYOUTS
@pytest.mark.parametrize(("m", "n", "k"), [(7, 20, 9), (5, 3, 11), (40, 90, 300)])
def test_infinity_and_nan_are_kept(layout, dtype, m, n, k):
    rng = np.random.default_rng(5)
    a, b = operands(rng, layout, m, n, k, dtype)
    left, right = straight(a, b, layout)
    left[1, 2], left[2] = np.inf, 0
    right[2, 1], right[3, 0], right[5, 2] = 0, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        expected = left.astype(np.float64) @ right.astype(np.float64)
    out = product(a, b, layout)
    assert np.isnan(out[1, 1])  # ∞ · 0
    assert np.isnan(out[2, 2])  # 0 · −∞
    assert np.isnan(out[:, 0]).all()
    np.testing.assert_array_equal(np.isnan(out), np.isnan(expected))
    np.testing.assert_array_equal(out[np.isinf(expected)], expected[np.isinf(expected)])
    rectified = product(a, b, layout, RELU)
    np.testing.assert_array_equal(np.isnan(rectified), np.isnan(out))
    np.testing.assert_array_equal(rectified[~np.isnan(out)], np.maximum(out, 0)[~np.isnan(out)])


@DTYPES
@LAYOUTS
def test_any_share_of_the_rows_and_columns_gives_the_same_bits(layout, dtype):
    rng = np.random.default_rng(6)
    for shape in (
        (30, 64, 600),
        (100, 10, 99),
        (50, 300, 20),
        (270, 200, 300),
        (33, 7, 40),
        (2, 80, 50),
        (60, 3, 70),
    ):
        m, n, _ = shape
        a, b = operands(rng, layout, *shape, dtype)
        bias, before = rng.standard_normal(n).astype(dtype), rng.standard_normal((m, n))
        flags = ACCUMULATE | BIAS
        whole = product(a, b, layout, flags, before.astype(dtype), bias)
        in_shares = before.astype(dtype)
        for part in shares(m, n, np.dtype(dtype), 2, layout):
            product(a, b, layout, flags, in_shares, bias, part)
        np.testing.assert_array_equal(in_shares, whole)
        for _ in range(4):
            i0, i1 = sorted(int(i) for i in rng.integers(0, m + 1, 2))
            j0, j1 = sorted(int(j) for j in rng.integers(0, n + 1, 2))
            expected = before.astype(dtype)
            expected[i0:i1, j0:j1] = whole[i0:i1, j0:j1]
            out = product(a, b, layout, flags, before.astype(dtype), bias, (i0, i1, j0, j1))
            np.testing.assert_array_equal(out, expected)


def test_layout_and_alignment_do_not_change_the_bits():
    rng = np.random.default_rng(7)
    for m, n, k in ((9, 21, 33), (64, 300, 40), (300, 260, 270)):
        a, b = operands(rng, NN, m, n, k, np.float32)
        expected = product(a, b, NN)
        np.testing.assert_array_equal(product(a, b.T.copy(), NT), expected)
        np.testing.assert_array_equal(product(a.T.copy(), b, TN), expected)
        for shift in range(1, 8):

            def moved(array, shift=shift):
                view = np.empty(array.size + shift, np.float32)[shift:].reshape(array.shape)
                view[...] = array
                return view

            out = moved(np.zeros_like(expected))
            np.testing.assert_array_equal(product(moved(a), moved(b), NN, 0, out), expected)


def test_shares_cover_the_result_once():
    for dtype in (np.dtype("f4"), np.dtype("f8")):
        for m in (0, 1, 5, 12, 30, 100):
            for n in (0, 1, 7, 10, 31, 64, 1000):
                for layout in (NN, NT, TN):
                    covered = np.zeros((m, n))
                    parts = shares(m, n, dtype, 2, layout)
                    for i0, i1, j0, j1 in parts:
                        covered[i0:i1, j0:j1] += 1
                    assert (covered == 1).all()
                    assert len(parts) <= 2


class Fenced:
    """Memory between two pages that may not be touched."""

    def __init__(self, pages: int) -> None:
        page = mmap.PAGESIZE
        self.map = mmap.mmap(-1, (pages + 2) * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for fence in (start, start + (pages + 1) * page):
            assert protect(fence, page, 0) == 0
        self.bytes = np.frombuffer(self.map, np.uint8)[page : (pages + 1) * page]

    def array(self, values: np.ndarray, at_end: bool) -> np.ndarray:
        place = self.bytes[-values.nbytes :] if at_end else self.bytes[: values.nbytes]
        array = place.view(values.dtype).reshape(values.shape)
        array[...] = values
        return array


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect by way of libc")
@DTYPES
@LAYOUTS
def test_nothing_outside_the_arrays_is_touched(layout, dtype):
    rng = np.random.default_rng(8)
    fences = [Fenced(100) for _ in range(4)]
    shapes = [tuple(rng.integers(1, 40, 3)) for _ in range(25)]
    shapes += [(64, 200, 50), (256, 193, 40), (13, 17, 300), (1, 1, 1), (5, 9, 7)]
    for at_end in (True, False):
        for m, n, k in shapes:
            a, b = operands(rng, layout, m, n, k, dtype)
            bias, out = rng.standard_normal(n).astype(dtype), np.zeros((m, n), dtype)
            expected = product(a, b, layout, ACCUMULATE | BIAS, out.copy(), bias)
            placed = [f.array(x, at_end) for f, x in zip(fences, (a, b, bias, out), strict=True)]
            product(placed[0], placed[1], layout, ACCUMULATE | BIAS, placed[3], placed[2])
            np.testing.assert_array_equal(placed[3], expected)


@LAYOUTS
def test_numpy_stands_in_where_nothing_is_compiled(layout, monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    plain = module._Gemm(module._gemm, "gemm.plain").compiled
    rng = np.random.default_rng(9)
    a, b = operands(rng, layout, 9, 20, 5, np.float32)
    bias, before = rng.standard_normal(20).astype("f4"), rng.standard_normal((9, 20)).astype("f4")
    for flags in range(8):
        out, expected = before.copy(), before.copy()
        plain(out, a, b, bias, layout, flags, 2, 8, 3, 17)
        gemm(expected, a, b, bias, layout, flags, 2, 8, 3, 17)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


# Tiles for other machines. What a machine lacks LLVM takes apart, so that all of them run here.


def tile_module(rows, vectors, lanes, scalar):
    from llvmlite import ir

    made = ir.Module()
    word, pointer = ir.IntType(64), scalar.as_pointer()
    kinds = [pointer, word, word, pointer, word, pointer, word, *[word] * 3, pointer, *[word] * 3]
    function_of(made, "tile", kinds, tiles.tile_body(rows, vectors, lanes)).linkage = ""
    return made


TILES = [
    (9, 3, 16), (6, 4, 16), (14, 1, 16), (6, 2, 8), (4, 3, 8), (12, 1, 8), (8, 2, 4), (3, 3, 4),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "vectors", "lanes"), TILES)
@DTYPES
def test_tiles_of_any_vector_width(rows, vectors, lanes, dtype):
    import llvmlite.binding as llvm
    from llvmlite import ir

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    scalar = ir.FloatType() if dtype == np.float32 else ir.DoubleType()
    code = llvm.parse_assembly(str(tile_module(rows, vectors, lanes, scalar)))
    code.verify()
    engine = llvm.create_mcjit_compiler(
        code, llvm.Target.from_default_triple().create_target_machine()
    )
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 14)(engine.get_function_address("tile"))
    rng = np.random.default_rng(0)
    for k in (0, 1, 5):
        n = vectors * lanes - (lanes // 2 if vectors > 1 else 0)
        a, b = operands(rng, NN, 2 * rows, n, k, dtype)
        bias, before = rng.standard_normal(n).astype(dtype), rng.standard_normal((2 * rows, n))
        for flags in range(8):
            out = before.astype(dtype)
            run(
                a.ctypes.data, k, 1, b.ctypes.data, n, out.ctypes.data, n, k, n - lanes, flags,
                bias.ctypes.data, 2, rows, vectors,
            )  # fmt: skip
            expected = a @ b + (before if flags & ACCUMULATE else 0) + (bias if flags & BIAS else 0)
            expected = np.maximum(expected, 0) if flags & RELU else expected
            np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("cpu", "lanes", "shapes", "register"),
    [
        ("skylake-avx512", 16, [(14, 1), (14, 2), (9, 3), (6, 4)], "zmm"),
        ("haswell", 8, [(12, 1), (6, 2), (4, 3)], "ymm"),
        ("x86-64", 4, [(8, 1), (5, 2), (3, 3)], "xmm"),
    ],
)
def test_sums_stay_in_registers(cpu, lanes, shapes, register):
    import llvmlite.binding as llvm
    from llvmlite import ir

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        target = llvm.Target.from_triple("x86_64-unknown-linux-gnu")
    except RuntimeError:
        pytest.skip("this llvmlite writes no x86 code")
    machine = target.create_target_machine(cpu=cpu, opt=3)
    for rows, vectors in shapes:
        made = tile_module(rows, vectors, lanes, ir.FloatType())
        made.triple = target.triple
        text = machine.emit_assembly(llvm.parse_assembly(str(made)))
        blocks = [b.partition(":") for b in re.split(r"(?m)^(?=\.LBB)", text)]
        loop = next(
            code
            for name, _, code in blocks
            if re.search(rf"j\w+\t{name}\n", code) and re.search("fma|mulps", code)
        )
        assert register in loop
        kept = re.compile(r"mm\d+.*%rsp|%rsp.*mm\d+")
        assert not kept.search(loop), (cpu, rows, vectors)
