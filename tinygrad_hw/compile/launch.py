"""Native launches: kernels as addresses, their arguments as words, and the loop that calls down a table of them.

A kernel that takes contiguous arrays and numbers also has a form ``entry(words)``, made here, that finds addresses,
sizes and numbers in a row of 64-bit words. A recorded step is then data: two columns, the entries' addresses
and the addresses of their words. Walking it compiles nothing and costs about ten nanoseconds a launch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kernels import threads
from ..kernels.jit import FASTMATH, Kernel, cached


@functools.cache
def _intrinsics() -> dict[str, Any]:
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


def words_of(argument: Any) -> list[int]:
    """An argument in words: an array's address and sizes; a number as float64 bits or as an integer."""
    if isinstance(argument, np.ndarray):
        return [argument.__array_interface__["data"][0], *argument.shape]
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

    native = _intrinsics()
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


#: The words of a control block, by position: how a program stands in memory.
CONTROL = "entries", "rows", "firsts", "words", "ids", "moves", "moved", "looks", "inputs"

# Where NumPy's array objects keep what they are (struct PyArrayObject_fields), after what all Python objects have.
_DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = (object.__basicsize__ + 8 * i for i in (0, 1, 2, 5, 6))
_CARRAY = 0x1 | 0x100 | 0x400  # contiguous, aligned, writeable

_FITS = f"""
def fits(control):
{{names}}
    look = looks
    for i in range(inputs):
        array = at(ids + 8 * i)
        dtype, ndim = at(look), at(look + 8)
        if at(array + {_DTYPE}) != dtype or at(array + {_FLAGS}) & {_CARRAY} != {_CARRAY}:
            return False
        if at(array + {_NDIM}) & 0xFFFFFFFF != ndim:
            return False
        shape = at(array + {_SHAPE})
        for d in range(ndim):
            if at(shape + 8 * d) != at(look + 16 + 8 * d):
                return False
        look += 16 + 8 * ndim
    return True
"""

_REPLAY = """
def replay(control, pool, first, last):
{names}
    if first == 0:
        for k in range(moved):
            move = moves + 24 * k
            array = at(ids + 8 * at(move + 8))
            put(words + 8 * at(move), at(array + {data}) + at(move + 16))
    for i in range(first, last):
        row, end = at(firsts + 8 * i), at(firsts + 8 * i + 8)
        if pool != 0 and end - row > 1:
            share(pool, entries + 8 * row, rows + 8 * row, end - row)
        else:
            for j in range(row, end):
                if call(at(entries + 8 * j), at(rows + 8 * j)) != 0:
                    return i
    return -1
"""


@functools.cache
def _atomic() -> dict[str, Any]:
    """What the threads' functions name, ``take`` among it."""
    names = {**threads.intrinsics(), "call": _intrinsics()["call"]}
    return {**names, "take": _compiled("take", threads.TAKE, names)}


@functools.cache
def replay() -> Callable[[int, int, int, int], int]:
    """``replay(control, pool, first, last)``: do the launches first … last − 1; a launch is one or more rows of the table.

    ``control`` is the address of a block of addresses (``CONTROL``), ``pool`` that of the workers' or 0. Where ``first``
    is 0, words that are addresses in the step's arguments are set before: for each (w, i, offset) of ``moves``,
    words[w] = the address of the elements of the array with the id ids[i], plus offset. Returns −1, or the number of the
    launch that found something wrong with its operands, which ends the replay.
    """
    native = _intrinsics()
    atomic = _atomic()
    names_used = {
        "at": native["word_at"], "put": native["put"], "call": native["call"],
        "share": _compiled("share", threads.SHARE, atomic),
    }  # fmt: skip
    return _compiled("replay", _REPLAY.format(names=_control(), data=_DATA), names_used)


def _control() -> str:
    """Source lines that read a control block."""
    return "\n".join(f"    {name} = at(control + {8 * i})" for i, name in enumerate(CONTROL))


@functools.cache
def fits() -> Callable[[int], bool]:
    """``fits(control)``: whether the arrays with the ids ``ids`` are contiguous, of the recorded dtypes and shapes.

    Looked at in memory, since asking an array for its shape, dtype and flags takes Python half a microsecond. ``looks``
    holds for each input the id of its dtype, its number of dimensions and their sizes.
    """
    return _compiled("fits", _FITS.format(names=_control()), {"at": _intrinsics()["word_at"]})


_SWEEP = """
def sweep(control, pool, launches, batch, steps, order, sources, inputs, numbers, places, count):
    for s in range(steps):
        for i in range(inputs):
            source, size = at(sources + 24 * i), at(sources + 24 * i + 8)
            target = at(sources + 24 * i + 16)
            for b in range(batch):
                copy(target + b * size, source + at(order + 8 * (s * batch + b)) * size, size)
        for k in range(count):
            put(at(places + 8 * k), at(numbers + 8 * (s * count + k)))
        if replay(control, pool, 0, launches) >= 0:
            return s
    return steps
"""


@functools.cache
def sweep() -> Callable[..., int]:
    """``sweep(control, pool, launches, batch, steps, order, sources, inputs, numbers, places, count)``: many steps at once.

    Each takes the next ``batch`` row numbers of ``order``, copies those rows of every source (a row of ``sources`` holds
    the address of its elements, the bytes of a row of it, and the address of the step's input), and puts the next ``count``
    words of ``numbers`` to the addresses ``places``. Returns how many steps were done; fewer than ``steps`` where one
    stopped.
    """
    native = _intrinsics()
    names = {
        "at": native["word_at"],
        "put": native["put"],
        "copy": native["copy"],
        "replay": replay(),
    }
    return _compiled("sweep", _SWEEP, names)


@functools.cache
def serve() -> Callable[[int, int], None]:
    """``serve(pool, spins)``: take parts of launches until nothing has come for that many looks."""
    return _compiled("serve", threads.SERVE, _atomic())


def _compiled(name: str, text: str, names: dict[str, Any]) -> Any:
    import numba

    scope: dict[str, Any] = {}
    exec(compile(text, f"<{name}>", "exec"), {**names, "__name__": __name__}, scope)
    function = scope[name]
    function.__module__ = __name__
    dispatcher = numba.njit(nogil=True)(function)
    cached(dispatcher, name)
    return dispatcher


def native_call(dispatcher: Any, count: int) -> Callable[..., Any]:
    """The compiled function of ``count`` integers itself: to look at their types first takes longer than a call."""
    from numba import types

    signature = (types.int64,) * count
    dispatcher.compile(signature)
    return dispatcher.overloads[signature].entry_point
