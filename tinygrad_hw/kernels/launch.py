"""Kernels as addresses, and calls of them as data that threads can share.

A kernel that takes contiguous arrays and numbers also has a form ``entry(words)``, made here, that finds addresses,
sizes and numbers in a row of 64-bit words. Rows of a table can then be done by whichever thread comes first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import threads
from .jit import FASTMATH, Kernel, cached


@functools.cache
def intrinsics() -> dict[str, Any]:
    """What Python lacks for reading words: addresses as pointers, words as floats, calls by address."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    word = ir.IntType(64)

    def pointer_to(numba_type, llvm_type):
        @intrinsic
        def pointer(context, address):
            def generate(context, builder, signature, args):
                return builder.inttoptr(args[0], llvm_type.as_pointer())

            return types.CPointer(numba_type)(types.int64), generate

        return pointer

    @intrinsic
    def float_of(context, bits):
        def generate(context, builder, signature, args):
            return builder.bitcast(args[0], ir.DoubleType())

        return types.float64(types.int64), generate

    @intrinsic
    def call(context, function, words):
        def generate(context, builder, signature, args):
            row = word.as_pointer()
            kind = ir.FunctionType(word, [row]).as_pointer()
            return builder.call(builder.inttoptr(args[0], kind), [builder.inttoptr(args[1], row)])

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def word_at(context, address):
        def generate(context, builder, signature, args):
            return builder.load(builder.inttoptr(args[0], word.as_pointer()))

        return types.int64(types.int64), generate

    @intrinsic
    def copy(context, target, source, size):
        def generate(context, builder, signature, args):
            bytes_at = [builder.inttoptr(a, ir.IntType(8).as_pointer()) for a in args[:2]]
            function = builder.module.declare_intrinsic(
                "llvm.memcpy", [bytes_at[0].type, bytes_at[1].type, word]
            )
            builder.call(function, [*bytes_at, args[2], ir.Constant(ir.IntType(1), 0)])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), generate

    @intrinsic
    def put(context, address, value):
        def generate(context, builder, signature, args):
            builder.store(args[1], builder.inttoptr(args[0], word.as_pointer()))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    pointers = {
        name: pointer_to(getattr(types, name), kind)
        for name, kind in (
            ("float32", ir.FloatType()),
            ("float64", ir.DoubleType()),
            ("int64", word),
            ("int32", ir.IntType(32)),
            ("int8", ir.IntType(8)),
            ("uint8", ir.IntType(8)),
        )
    }
    # Numba keeps a bool in a byte of memory.
    pointers["bool"] = pointer_to(types.boolean, ir.IntType(8))
    return {
        "pointers": pointers,
        "float_of": float_of,
        "call": call,
        "word_at": word_at,
        "put": put,
        "copy": copy,
    }


@functools.cache
def _name(dtype: np.dtype) -> str:
    return dtype.name  # which NumPy works out anew each time, in 30 µs


def kind_of(argument: Any) -> str:
    """How an argument is laid out in words: ``float32:2`` for an array, ``float32`` for a number."""
    if isinstance(argument, np.ndarray):
        return f"{_name(argument.dtype)}:{argument.ndim}"
    return _name(argument.dtype) if isinstance(argument, np.generic) else "int64"


def address(array: np.ndarray) -> int:
    """Where the array's first element lies."""
    return array.__array_interface__["data"][0]


def words_of(argument: Any) -> list[int]:
    """An argument in words: an array's address and sizes; a number as float64 bits or as an integer."""
    if isinstance(argument, np.ndarray):
        return [address(argument), *argument.shape]
    if isinstance(argument, np.floating):
        return [int(np.float64(argument).view(np.int64))]
    return [int(argument)]


def entry(kernel: Kernel, kinds: Sequence[str]) -> int:
    """The address of ``int64 entry(int64 *words)``, which calls ``kernel`` with arguments of ``kinds``.

    It returns what the kernel does, 0 where that is nothing.
    """
    return _entry(kernel, tuple(kinds)).address


@functools.cache
def _entry(kernel: Kernel, kinds: tuple[str, ...]) -> Any:
    import numba
    from numba import types
    from numba.core.ccallback import CFunc

    native = intrinsics()
    names: dict[str, Any] = {
        "carray": numba.carray, "float_of": native["float_of"], "kernel": kernel.compiled,
        "__name__": __name__,
    }  # fmt: skip
    at = 0
    arguments = []
    for kind in kinds:
        dtype, _, ndim = kind.partition(":")
        if ndim:
            names[f"pointer_{dtype}"] = native["pointers"][dtype]
            shape = ", ".join(f"words[{at + 1 + d}]" for d in range(int(ndim)))
            arguments.append(f"carray(pointer_{dtype}(words[{at}]), ({shape},))")
            at += 1 + int(ndim)
        else:
            names[dtype] = getattr(np, dtype)
            word = f"float_of(words[{at}])" if dtype.startswith("float") else f"words[{at}]"
            arguments.append(f"{dtype}({word})")
            at += 1
    called = f"kernel({', '.join(arguments)})"
    text = "def entry(words):\n" + (
        f" return {called}\n" if kernel.status else f" {called}\n return 0\n"
    )
    scope: dict[str, Any] = {}
    exec(compile(text, f"<entry {kernel.name}>", "exec"), names, scope)
    function = scope["entry"]
    function.__module__ = __name__
    name = f"entry.{kernel.name}.{'.'.join(kinds).replace(':', '_')}"
    function.__qualname__ = name
    signature = types.int64(types.CPointer(types.int64))
    made = CFunc(function, (signature.args, signature.return_type), {}, {
        "nopython": True, "fastmath": FASTMATH, "error_model": "numpy",
    })  # fmt: skip
    cached(made, name)
    made.compile()
    return made


@functools.cache
def atomics() -> dict[str, Any]:
    """What the threads' functions name, ``take`` among it."""
    names = {**threads.intrinsics(), "call": intrinsics()["call"]}
    return {**names, "take": made("take", threads.TAKE, names)}


@functools.cache
def serve() -> Callable[[int, int], None]:
    """``serve(pool, spins)``: take parts of launches until nothing has come for that many looks."""
    return made("serve", threads.SERVE, atomics())


def made(name: str, text: str, names: dict[str, Any]) -> Any:
    import numba

    scope: dict[str, Any] = {}
    exec(compile(text, f"<{name}>", "exec"), {**names, "__name__": __name__}, scope)
    function = scope[name]
    function.__module__ = __name__
    dispatcher = numba.njit(nogil=True)(function)
    cached(dispatcher, name)
    return dispatcher


@functools.cache
def share() -> Callable[[int, int, int, int], None]:
    """``share(pool, entries, rows, parts)``: do the parts of a launch with whoever serves the pool."""
    return made("share", threads.SHARE, atomics())
