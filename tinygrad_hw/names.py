"""Help with names that are not there."""

from __future__ import annotations

from collections.abc import Iterable

_DEVICE = "there is one device, the CPU, and tensors are on it already"
_HALF = "float32 and float64 are the floating point types"
#: Why a name of PyTorch's is missing.
REASONS = {
    **dict.fromkeys(("cuda", "device", "cpu", "is_cuda", "mps", "xpu", "get_device"), _DEVICE),
    **dict.fromkeys(("pin_memory", "is_pinned", "share_memory_"), _DEVICE),
    **dict.fromkeys(("float16", "bfloat16", "half", "amp", "autocast", "GradScaler"), _HALF),
    **dict.fromkeys(
        ("complex64", "complex128", "view_as_real", "view_as_complex", "fft"), "there are no complex types"
    ),
    **dict.fromkeys(
        ("jit", "fx", "onnx", "export"), "compile() records a training step; models are saved by save()"
    ),
    **dict.fromkeys(("sparse", "to_sparse", "sparse_coo_tensor"), "tensors are dense"),
    **dict.fromkeys(("quantization", "quantize_per_tensor"), "there are no quantized types"),
    "distributed": "training runs in one process",
    "multiprocessing": "the loader reads in threads of its own, and training runs in one process",
    "FloatTensor": "use tensor(data, dtype=float32)",
    "LongTensor": "use tensor(data, dtype=int64)",
    "is_tensor": "use isinstance(x, Tensor)",
    "backends": "kernels are compiled by Numba for this machine",
    "use_deterministic_algorithms": "results are the same in every run already",
    "memory_format": "tensors are row-major, or strided views",
    "layout": "tensors are dense",
}  # fmt: skip


def nearest(name: str, names: Iterable[str]) -> str:
    """`` (nearest: 'x')`` for the element of ``names`` that is most like ``name``, or nothing."""
    import difflib

    close = difflib.get_close_matches(name, list(names), 1)
    return f" (nearest: {close[0]!r})" if close else ""


def missing(owner: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for a name that is not there: with the reason if it is one of PyTorch's, else the nearest name."""
    if name.startswith("_"):  # Python's own questions, which are to cost little
        hint = ""
    elif name not in REASONS:
        hint = nearest(name, names)
    else:
        hint = f"\n{REASONS[name][0].upper()}{REASONS[name][1:]}."
    return AttributeError(f"{owner} has no attribute {name!r}{hint}", name=name)
