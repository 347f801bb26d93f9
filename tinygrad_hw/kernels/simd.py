"""What Numba cannot be brought to write: addresses, scratch memory, vector instructions.

Each ``Intrinsic`` below is called in a kernel like a function and becomes LLVM vector instructions. Numba is
imported when the first kernel that names one is compiled. Addresses are Numba's ``CPointer`` to float32 or
float64; the element type selects the vector width. LLVM itself cuts vectors that are wider than the machine's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .jit import Kernel, kernel


class Intrinsic(Kernel):
    """A function of kernels that is emitted as LLVM instructions.

    ``emit(typing context, *argument types)`` returns the signature and ``generate(context, builder, signature,
    arguments)``, as ``numba.extending.intrinsic`` wants them.
    """

    __slots__ = ()

    @property
    def compiled(self) -> Callable[..., Any]:
        if self._compiled is None:
            from numba.extending import intrinsic

            self._compiled = intrinsic(self.function)
        return self._compiled


class _Borrowed(Kernel):
    """Numba's own function of that name."""

    __slots__ = ()

    @property
    def compiled(self) -> Callable[..., Any]:
        import numba

        return getattr(numba, self.name)


carray = _Borrowed(_Borrowed, "carray")


def intrinsic(function: Any) -> Intrinsic:
    """Make an ``Intrinsic`` of the function that emits it."""
    return Intrinsic(function, f"simd.{function.__name__}")


def size_of(pointer: Any) -> int:
    """Bytes of an element."""
    return pointer.dtype.bitwidth // 8


def constant(name: str, value: Callable[[int], int]) -> Intrinsic:
    """Make the function of a pointer that is the number ``value(itemsize)``, known when a kernel is compiled."""

    def emit(typing, pointer):
        from numba import types

        def generate(context, builder, signature, arguments):
            return context.get_constant(types.intp, value(size_of(pointer)))

        return types.intp(pointer), generate

    return Intrinsic(emit, f"simd.{name}")


@functools.cache
def vector_bytes() -> int:
    """The width of this machine's vectors; 16 where it is not known."""
    from llvmlite.binding import get_host_cpu_features

    has = get_host_cpu_features()
    if has.get("avx512f"):
        return 64
    return 32 if has.get("avx2") and has.get("fma") else 16


#: The number of elements of one vector.
lanes = constant("lanes", lambda itemsize: vector_bytes() // itemsize)


# Addresses


@intrinsic
def data(typing, array):
    """The address of an array's first element."""

    from numba import types

    def generate(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def _data_of_object(typing, handle, number):
    """The address that a NumPy array, given by its ``id``, keeps of its elements, of the type of ``number``."""
    from numba import types

    # An array's data pointer is its first member after what all Python objects have.
    offset = object.__basicsize__

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(signature.return_type)
        place = builder.add(arguments[0], context.get_constant(types.intp, offset))
        return builder.load(builder.inttoptr(place, kind.as_pointer()))

    return types.CPointer(number)(types.intp, number), generate


@kernel
def array_of_object(handle, size, number):
    """The contiguous NumPy array with that ``id`` as an array of ``size`` elements of the type of ``number``."""
    return carray(_data_of_object(handle, number), size)


@intrinsic
def at(typing, pointer, offset):
    """``pointer`` + ``offset`` elements."""
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), generate


@intrinsic
def allocate(typing, pointer, count):
    """The address of ``count`` new elements on the heap; ``release`` must follow."""
    from numba import types

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(signature.return_type)
        size = context.get_constant(types.intp, size_of(pointer))
        memory = context.nrt.allocate(builder, builder.mul(arguments[1], size))
        return builder.bitcast(memory, kind)

    return pointer(pointer, types.intp), generate


@intrinsic
def release(typing, pointer):
    """Give back what ``allocate`` gave."""
    from numba import types

    def generate(context, builder, signature, arguments):
        byte = context.get_value_type(types.voidptr)
        context.nrt.free(builder, builder.bitcast(arguments[0], byte))
        return context.get_dummy_value()

    return types.void(pointer), generate


@intrinsic
def aligned(typing, pointer):
    """``pointer``, moved up to the next line of the cache (64 bytes)."""
    from llvmlite import ir

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        number = builder.add(builder.ptrtoint(arguments[0], word), word(63))
        return builder.inttoptr(builder.and_(number, word(-64)), arguments[0].type)

    return pointer(pointer), generate


#: Bytes of a kernel's own scratch memory. A page or more would need the stack's end to be probed on Windows.
STACK_BYTES = 3840


#: How many elements ``stack`` has.
stack_room = constant("stack_room", lambda itemsize: STACK_BYTES // itemsize)


@intrinsic
def stack(typing, pointer):
    """The address of ``stack_room`` elements that live as long as the call."""

    def generate(context, builder, signature, arguments):
        from numba.core import cgutils

        kind = context.get_data_type(pointer.dtype)
        return cgutils.alloca_once(builder, kind, size=STACK_BYTES // size_of(pointer))

    return pointer(pointer), generate


# Vector instructions


class Vectors:
    """Writes instructions on vectors of one element type into one LLVM function."""

    def __init__(self, builder, scalar, lanes: int) -> None:
        from llvmlite import ir

        self.ir, self.builder, self.lanes = ir, builder, lanes
        self.kind = ir.VectorType(scalar, lanes)
        self.zero = ir.Constant(self.kind, None)
        self.word = ir.IntType(64)
        self.size = 4 if scalar == ir.FloatType() else 8

    def number(self, value: int):
        return self.ir.Constant(self.word, value)

    def element(self, pointer, *offsets):
        """``pointer`` moved by each of the offsets, numbers or LLVM values."""
        for offset in offsets:
            if isinstance(offset, int):
                if offset == 0:
                    continue
                offset = self.number(offset)
            pointer = self.builder.gep(pointer, [offset])
        return pointer

    def load(self, pointer):
        vector = self.builder.load(self.builder.bitcast(pointer, self.kind.as_pointer()))
        vector.align = self.size
        return vector

    def store(self, vector, pointer) -> None:
        place = self.builder.bitcast(pointer, self.kind.as_pointer())
        self.builder.store(vector, place).align = self.size

    def shuffle(self, left, right, lanes: list[int]):
        mask = self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(left, right, mask)

    def broadcast(self, scalar):
        undefined = self.ir.Constant(self.kind, self.ir.Undefined)
        first = self.builder.insert_element(
            undefined, scalar, self.ir.Constant(self.ir.IntType(32), 0)
        )
        return self.shuffle(first, undefined, [0] * self.lanes)

    def call(self, name: str, result, arguments: list):
        """Call one of LLVM's own functions."""
        kind = self.ir.FunctionType(result, [argument.type for argument in arguments])
        module = self.builder.module
        function = module.globals.get(name) or self.ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    def opaque(self, pointer):
        """``pointer``, as LLVM sees it of unknown origin."""
        kind = self.ir.FunctionType(pointer.type, [pointer.type])
        return self.builder.asm(kind, "", "=r,0", [pointer], side_effect=False)

    def not_unrolled(self):
        """Metadata of a loop that is to stay one turn a round: unrolled, a tile runs out of registers."""
        disable = self.builder.module.add_metadata(["llvm.loop.unroll.disable"])
        loop = self.builder.module.add_metadata([disable, self.number(id(self))])
        loop.operands = (loop, disable)  # LLVM knows a loop's metadata by its naming itself
        return loop

    def fma(self, a, b, c):
        # Fused where the machine has the instruction, else a product and a sum.
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
        return self.call(name, self.kind, [a, b, c])

    def prefetch_to_write(self, pointer) -> None:
        ir = self.ir
        byte = self.builder.bitcast(pointer, ir.IntType(8).as_pointer())
        # 1: it will be written, 3: keep it in all caches, 1: it is data
        flags = [ir.Constant(ir.IntType(32), flag) for flag in (1, 3, 1)]
        self.call("llvm.prefetch.p0i8", ir.VoidType(), [byte, *flags])


def function_of(module, name: str, arguments: list, body: Callable):
    """The function ``name`` in ``module``, written by ``body(function, builder)`` where it is not there yet."""
    from llvmlite import ir

    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "linkonce_odr"  # kernels that are linked together share one copy
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    body(function, ir.IRBuilder(function.append_basic_block("entry")))
    return function


@intrinsic
def move(typing, target, source):
    """Copy one vector."""
    from numba import types

    count = vector_bytes() // size_of(source)

    def generate(context, builder, signature, arguments):
        v = Vectors(builder, context.get_value_type(source.dtype), count)
        v.store(v.load(arguments[1]), arguments[0])
        return context.get_dummy_value()

    return types.void(source, source), generate


def transposed(v: Vectors, origin, stride) -> list:
    """The columns of a square block as wide as a vector, whose rows are ``stride`` apart."""
    rows = []
    for _ in range(v.lanes):
        rows.append(v.load(origin))
        origin = v.element(origin, stride)
    # Exchange the off-diagonal blocks of 1 × 1, then of 2 × 2 …: log₂ lanes rounds of shuffles.
    side = 1
    while side < v.lanes:
        # Above the diagonal of a pair of rows: lanes whose bit ``side`` is clear stay, the others come
        # from the lower row, moved by ``side``; below it the other way round.
        upper = [i if not i & side else v.lanes + i - side for i in range(v.lanes)]
        lower = [i + side if not i & side else v.lanes + i for i in range(v.lanes)]
        for i in range(v.lanes):
            if not i & side:
                pair = rows[i], rows[i + side]
                rows[i], rows[i + side] = v.shuffle(*pair, upper), v.shuffle(*pair, lower)
        side *= 2
    return rows


@intrinsic
def transpose(typing, target, target_stride, source, source_stride):
    """target[q, p] = source[p, q] for a square block as wide as a vector."""
    from numba import types

    count = vector_bytes() // size_of(source)

    def body(function, builder):
        to, to_stride, origin, stride = function.args
        v = Vectors(builder, origin.type.pointee, count)
        for row in transposed(v, origin, stride):
            v.store(row, to)
            to = v.element(to, to_stride)
        builder.ret_void()

    def generate(context, builder, signature, arguments):
        name = f"transpose_{source.dtype}_{count}"
        kinds = [argument.type for argument in arguments]
        builder.call(function_of(builder.module, name, kinds, body), arguments)
        return context.get_dummy_value()

    return types.void(source, types.intp, source, types.intp), generate
