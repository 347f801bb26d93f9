"""The one wrapper through which Numba compiles every kernel.

Numba is imported and a kernel compiled at the kernel's first call, so that importing the package costs
neither. Machine code is kept on disk in a folder named by a hash of all sources that kernels are made from: Numba
itself does not notice when a function that a kernel calls, in another file, has changed. Where no folder
is writable, kernels are compiled anew in each process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..errors import KernelError
from . import heap, recording, threads

# Reassociation lets LLVM vectorize sums; 'nnan' and 'ninf' are left out, so NaN and infinity stay themselves.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
_KEPT_FOLDERS = 4
_NAME_LENGTH = 20  # of folders, in hexadecimal digits


class Stats:
    """What this process compiled and loaded; ``announce`` is called once, before the first compilation."""

    def __init__(self) -> None:
        self.compiled = 0
        self.loaded = 0
        self.seconds = 0.0
        self.announce: Callable[[], None] | None = None


stats = Stats()


def cache_root() -> Path | None:
    """The folder for compiled kernels, or None when TINYGRAD_HW_CACHE is set to nothing.

    TINYGRAD_HW_CACHE where it is set, else ``tinygrad_hw`` in the user's cache folder.
    """
    named = os.environ.get("TINYGRAD_HW_CACHE")
    if named is not None:
        return Path(named) if named else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "tinygrad_hw"
    except RuntimeError:  # no home folder
        return None


@functools.cache
def cache_folder() -> Path | None:
    """This version's kernel folder below ``cache_root``, or None where nothing can be written."""
    root = cache_root()
    if root is None:
        return None
    import llvmlite
    import numba

    package = Path(__file__).resolve().parent.parent
    versions = f"{sys.version_info[:2]} {numba.__version__} {llvmlite.__version__}"
    digest = hashlib.sha256(versions.encode())
    for name in ("kernels", "ops", "compile"):
        for source in sorted((package / name).glob("*.py")):
            digest.update(source.read_bytes())
    folder = root / "kernels" / digest.hexdigest()[:_NAME_LENGTH]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    with contextlib.suppress(
        OSError
    ):  # read-only, or another process is tidying: what is there can still be loaded
        os.utime(folder)
        _drop_old_folders(folder.parent)
    return folder


def _drop_old_folders(parent: Path) -> None:
    """Keep the most recently used folders only: each edit of a kernel starts a new one."""
    # Nothing but folders of this naming: the user chose the folder above, and may keep other things in it.
    ours = re.compile(f"[0-9a-f]{{{_NAME_LENGTH}}}").fullmatch
    folders = sorted(
        (f for f in parent.iterdir() if ours(f.name) and f.is_dir()),
        key=lambda f: f.stat().st_mtime,
        reverse=True,
    )
    for folder in folders[_KEPT_FOLDERS:]:
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


@functools.cache
def _cache_class() -> type:
    """Numba's cache interface over one checked file a compiled signature.

    Unlike Numba's own cache there is no index that two processes could overwrite for each other, a damaged
    file counts as absent, and functions made from generated text are kept too.
    """
    from numba.core import compiler, serialize
    from numba.core.caching import _Cache

    class KernelCache(_Cache):
        def __init__(self, name: str, content: str) -> None:
            self._name = name
            self._content = content

        @property
        def cache_path(self):
            folder = cache_folder()
            return str(folder) if folder else None

        def _file(self, signature, codegen) -> Path | None:
            folder = cache_folder()
            if folder is None:
                return None
            key = repr((self._name, self._content, str(signature), codegen.magic_tuple()))
            return folder / f"{self._name[:80]}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"

        def load_overload(self, sig, target_context):
            target_context.refresh()
            file = self._file(sig, target_context.codegen())
            if file is None:
                return None
            try:
                raw = file.read_bytes()
                if hashlib.sha256(raw[32:]).digest() != raw[:32]:
                    return None
                payload = pickle.loads(raw[32:])
                result = compiler.CompileResult._rebuild(target_context, *payload)
            except Exception:
                return None
            stats.loaded += 1
            return result

        def save_overload(self, sig, data):
            stats.compiled += 1
            file = self._file(sig, data.codegen)
            if file is None or data.library.has_dynamic_globals:
                return
            raw = serialize.dumps(data._reduce())
            part = file.with_name(f"{file.name}.{os.getpid()}-{time.monotonic_ns()}.part")
            try:
                part.write_bytes(hashlib.sha256(raw).digest() + raw)
                os.replace(part, file)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink()

        def enable(self):
            pass

        def disable(self):
            pass

        def flush(self):
            pass

    return KernelCache


def cached(compiler: Any, name: str) -> Any:
    """Let what Numba made of a function (not compiled yet) keep its machine code under ``name``."""
    function = getattr(compiler, "py_func", None) or compiler._pyfunc
    compiler._cache = _cache_class()(name, repr(_content(function.__code__, function.__globals__)))
    return compiler


def _content(code: CodeType, names: dict) -> list:
    """What a function's machine code is made from: its code, and what the globals that it names stand for.

    So two functions of one name, in files that are not part of the package or made from text, do not get each other's.
    """
    parts: list[Any] = [code.co_code, code.co_names, code.co_varnames]
    parts += [_content(c, names) if isinstance(c, CodeType) else c for c in code.co_consts]
    for name in code.co_names:
        value = names.get(name)
        called = getattr(value, "py_func", None)
        if called is not None:
            parts.append((name, _content(called.__code__, called.__globals__)))
        elif isinstance(value, int | float | str | tuple | type | np.generic):
            parts.append((name, value))
    return parts


#: Elements of a kernel's first two arrays, or arithmetic where it is known, from which a call is shared by threads.
#: To wake a worker takes some 300 µs, and it then looks for more work for a millisecond, which slows Python beside it.
SHARED_ASLEEP = 700_000, 40_000_000
#: The same while the workers look for work anyway.
SHARED_AWAKE = 80_000, 10_000_000


#: ``share_out(kernel, args)``: do a call on several threads, or return False, and nothing done. Set by ``compile.shared``.
share_out: Callable[[Any, tuple], bool] = lambda *_: False  # noqa: E731


class Kernel:
    """A function of arrays and numbers that is compiled, or loaded from disk, when first called.

    It writes to its first ``outputs`` arguments and to nothing else. With ``status`` it returns an int: 0, or what is
    wrong with its operands. ``split`` says how threads can share a call (see ``split``), ``work`` how many
    additions and multiplications a call takes.
    """

    __slots__ = ("_compiled", "function", "name", "options", "outputs", "split", "status", "work")

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        outputs: int = 1,
        status: bool = False,
        split: Callable[[tuple, int], list[tuple] | None] | None = None,
        work: Callable[[tuple], int] | None = None,
        **options: bool,
    ) -> None:
        self.function = function
        self.name = name
        self.outputs = outputs
        self.status = status
        self.split = split
        self.work = work
        self.options = options
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *args):
        if (recording.current and recording.here()) is not None:
            return recording.current.launch(self, args)
        compiled = self._compiled
        if compiled is None:
            return self._first_call(args)
        try:
            if (
                self.split is not None
                and args[0].size + args[1].size >= SHARED_AWAKE[0]
                and self._pays(args)
                and share_out(self, args)
            ):
                return None
            return compiled(*args)
        except Exception as error:
            raise self._explain(error, args) from None

    def _pays(self, args: tuple) -> bool:
        """Whether a call takes long enough to be shared by threads."""
        if threads.get_num_threads() == 1 or isinstance(self._compiled, FunctionType):
            return False  # nothing is compiled under NUMBA_DISABLE_JIT=1
        size, work = SHARED_AWAKE if threads.pool.awake else SHARED_ASLEEP
        if self.work is not None:
            return self.work(args) >= work
        return args[0].size + args[1].size >= size

    def run(self, args: tuple) -> Any:
        """Call it without being noted."""
        if self._compiled is None:
            return self._first_call(args)
        try:
            return self._compiled(*args)
        except Exception as error:
            raise self._explain(error, args) from None

    @property
    def compiled(self) -> Callable[..., Any]:
        """What Numba made of the function (under NUMBA_DISABLE_JIT=1 a plain function)."""
        if self._compiled is None:
            import numba

            heap.keep()
            # Kernels that this one calls are globals of its module; Numba has to see its own objects there.
            names = {
                key: value.compiled if isinstance(value, Kernel) else value
                for key, value in self.function.__globals__.items()
                if key in self.function.__code__.co_names
            }
            names["__name__"] = __name__
            function = FunctionType(self.function.__code__, names, self.function.__name__)
            function.__qualname__ = self.name
            function.__module__ = __name__
            compiler = numba.njit(
                nogil=True, fastmath=FASTMATH, error_model="numpy", **self.options
            )
            dispatcher = compiler(function)
            if not numba.config.DISABLE_JIT:
                cached(dispatcher, self.name)
            else:
                dispatcher = _quiet(function)
            self._compiled = dispatcher
        return self._compiled

    def _first_call(self, args):
        if stats.announce is not None:
            announce, stats.announce = stats.announce, None
            announce()
        start = time.perf_counter()
        try:
            return self.compiled(*args)
        except Exception as error:
            raise self._explain(error, args) from None
        finally:
            stats.seconds += time.perf_counter() - start

    def _explain(self, error: Exception, args: tuple) -> Exception:
        if not type(error).__module__.startswith(("numba", "llvmlite")):
            return error
        kinds = ", ".join(
            f"{a.dtype}[{a.ndim}d]" if isinstance(a, np.ndarray) else type(a).__name__ for a in args
        )
        reason = str(error).strip().splitlines()
        return KernelError(
            f"kernel {self.name}: could not be compiled for ({kinds}): {reason[0] if reason else error}\n"
            "NUMBA_DISABLE_JIT=1 runs all kernels as plain Python, slowly."
        )

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


def _quiet(function: FunctionType) -> Callable[..., Any]:
    """The plain function, silent about overflow and division by zero as compiled code is."""

    def run(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return run


def kernel(
    function: Callable[..., Any] | None = None,
    *,
    outputs: int = 1,
    status: bool = False,
    split: Callable[[tuple, int], list[tuple] | None] | None = None,
    work: Callable[[tuple], int] | None = None,
) -> Any:
    """Make a kernel of a module-level function: ``nogil``, cached on disk, NaN and infinity kept.

    ``outputs`` is the number of its first arguments that it writes to, ``status`` whether it returns an int that
    is not 0 where its operands are wrong, ``split`` how threads can share a call, ``work`` how much arithmetic it takes.
    """
    if function is None:
        return functools.partial(kernel, outputs=outputs, status=status, split=split, work=work)
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    return Kernel(function, name, outputs, status, split, work)
