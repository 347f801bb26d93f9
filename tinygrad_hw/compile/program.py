"""A recorded step as data: native launches, the memory they share, and what Python does between them."""

from __future__ import annotations

from array import array as longs
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CaptureError, KernelError
from ..kernels import threads
from ..kernels.launch import address, entry, kind_of, serve, words_of
from ..kernels.recording import Call, Launch, Recorder, arrays_in, root_of
from ..kernels.threads import get_num_threads
from .launch import DONE, kind_word, native_call, replay, step, sweep
from .memory import arrange

_ALIGNMENT = 64


class Program:
    """A step that can be run again on other arguments of the shapes it was recorded with.

    ``launches[i]`` is called through ``entries[i]`` with the words from ``starts[i]`` on. Temporary arrays share one
    block of memory, each from its first use to its last. ``inputs`` are the arrays that stood for the arguments: words
    that point into them are moved to the arrays of each call.
    """

    def __init__(
        self,
        recorder: Recorder,
        inputs: list[np.ndarray],
        kept: list[np.ndarray],
        results: list[np.ndarray],
    ) -> None:
        self.inputs = inputs
        self.hosts: list[Callable[[Program], bool]] = [host for host, _ in recorder.hosts]
        self.undos = [undo for _, undo in recorder.hosts if undo is not None]
        self.first_calls: list[Call] = []
        items = self._ordered(recorder)
        kept_ids = {id(root_of(a)) for a in kept}
        self._place(recorder, items, kept_ids, results)
        self.launches: list[Launch] = []
        #: What runs in order: (first, last) of a stretch of launches, or a call.
        self.parts: list[tuple[int, int] | Call] = []
        for item in items:
            if isinstance(item, Launch):
                if self.parts and isinstance(self.parts[-1], tuple):
                    self.parts[-1] = self.parts[-1][0], self.parts[-1][1] + 1
                else:
                    self.parts.append((len(self.launches), len(self.launches) + 1))
                # The recorded temporaries' own memory is let go.
                item.args = self.moved(item.args)
                if item.origin is not None:
                    item.origin = item.origin[0], self.moved(item.origin[1])
                self.launches.append(item)
            else:
                self.parts.append(self._moved_call(item))
        self.first_calls = [self._moved_call(c) for c in self.first_calls]
        self._write_words()

    def _ordered(self, recorder: Recorder) -> list[Launch | Call]:
        """The items that remain in their order: random numbers are drawn first, constants stay as they are."""
        written = set()
        for item in recorder.items:
            written.update(_written(item))
        items: list[Launch | Call] = []
        for item in recorder.items:
            if isinstance(item, Call) and not item.args:
                self.first_calls.append(item)
            elif isinstance(item, Call) and item.name == "constant":
                if id(root_of(item.args[0])) in written:
                    items.append(item)
            else:
                items.append(item)
        return items

    def _place(
        self, recorder: Recorder, items: list, kept: set[int], results: list[np.ndarray]
    ) -> None:
        """Give each temporary array its place in the block, by when it is used."""
        end = len(items)
        roots: dict[int, np.ndarray] = {}
        span: dict[int, list[int]] = {}

        def use(array: np.ndarray, when: int) -> None:
            root = root_of(array)
            key = id(root)
            if key in recorder.made and key not in recorder.state and key not in kept:
                roots[key] = root
                if key in span:
                    span[key][1] = when
                else:
                    span[key] = [when, when]

        for c in self.first_calls:
            for a in arrays_in(c.result):
                use(a, -1)
        for when, item in enumerate(items):
            for a in arrays_in(item.args):
                use(a, when)
            if isinstance(item, Call):
                for a in arrays_in(item.result):
                    use(a, when)
        for a in results:
            use(a, end)
        sizes = [-(-root.nbytes // _ALIGNMENT) * _ALIGNMENT for root in roots.values()]
        offsets, total = arrange(sizes, list(span.values()))
        self.temporary_bytes = sum(sizes)
        self.block_bytes = total
        self.block = np.zeros(total + _ALIGNMENT, np.uint8)
        base = -address(self.block) % _ALIGNMENT
        self._offset = {key: base + o for key, o in zip(roots, offsets, strict=True)}
        self._start = address(self.block)

    def moved(self, value: Any) -> Any:
        """A recorded array as it lies in the program; so with arrays in tuples and lists."""
        if isinstance(value, np.ndarray):
            root = root_of(value)
            offset = self._offset.get(id(root))
            if offset is None:
                return value
            at = offset + address(value) - address(root)
            return np.ndarray(value.shape, value.dtype, self.block, at, value.strides)
        if type(value) in (tuple, list):
            return type(value)([self.moved(v) for v in value])
        return value

    def _moved_call(self, call: Call) -> Call:
        return Call(call.function, self.moved(call.args), self.moved(call.result), call.name)

    def _write_words(self) -> None:
        owners = {id(root_of(a)): i for i, a in enumerate(self.inputs)}
        words: list[int] = []
        starts, entries, moves, firsts = [], [], [], [0]
        #: Where the numbers of a launch's parts stand, by the launch's id: the words after the last array.
        self.numbers: dict[int, list[tuple[int, int]]] = {}
        count = get_num_threads()
        for launch in self.launches:
            kernel = launch.kernel
            parts = kernel.split(launch.args, count) if kernel.split and count > 1 else None
            for args in parts or [launch.args]:
                entries.append(entry(kernel, [kind_of(a) for a in args]))
                starts.append(len(words))
                first_number = len(words)
                for a in args:
                    if isinstance(a, np.ndarray):
                        owner = owners.get(id(root_of(a)))
                        if owner is not None:
                            offset = address(a) - address(self.inputs[owner])
                            moves.append((len(words), owner, offset))
                        words += [address(a), *a.shape]
                        first_number = len(words)
                    else:
                        words += words_of(a)
                self.numbers.setdefault(id(launch), []).append((first_number, len(words)))
            firsts.append(len(entries))
        self.shared_launches = sum(len(places) > 1 for places in self.numbers.values())
        self.words = np.array(words, np.int64)
        self.entries = np.array(entries, np.int64)
        self.starts = starts
        self.rows = address(self.words) + 8 * np.array(starts, np.int64)
        self.firsts = np.array(firsts, np.int64)
        spans = [place for places in self.numbers.values() for place in places]
        self.number_words = np.array([w for low, high in spans for w in range(low, high)], np.int64)
        self.moves = np.array(moves, np.int64).reshape(-1, 3)
        ids = np.array([id(a) for a in self.inputs], np.longlong)
        #: The ids of the arrays of the moment. A view, since one element of it is set in a third of an array's time.
        self.ids = memoryview(ids)  # type: ignore[arg-type]
        self.looks = np.array(
            [word for a in self.inputs for word in (kind_word(a.dtype), a.ndim, *a.shape)], np.int64
        )
        tables = self.entries, self.rows, self.firsts, self.words, ids, self.moves
        self._control_block = np.array(
            [*map(address, tables), len(self.moves), address(self.looks), len(self.inputs)],
            np.int64,
        )
        self.control = address(self._control_block)
        self._replay = native_call(replay(), 4)
        self._step = native_call(step(), 3)
        self._serve = serve() if self.shared_launches else None
        self._count = whole = len(self.launches)
        #: Whether the whole step is native, so that many can be run at once.
        self.native = self.parts == [(0, whole)] and not self.first_calls

    def let_go(self) -> None:
        """Keep no array that the step was recorded with: it is replayed on others, and not looked at."""
        self.inputs, self.launches = [], []

    def set_numbers(self, launches: list[Launch], numbers: tuple) -> None:
        """Give ``launches``, which are alike, other numbers (their arguments after the arrays)."""
        dtype = launches[0].args[0].dtype.type
        values = np.array([float(dtype(n)) for n in numbers]).view(np.int64)
        for launch in launches:
            for first, last in self.numbers[id(launch)]:
                self.words[first:last] = values

    def is_temporary(self, array: np.ndarray) -> bool:
        """Whether ``array`` lies in the program's own block of memory."""
        return root_of(array) is self.block

    def use_inputs(self) -> None:
        """Let the arguments be the inputs as they were recorded."""
        self.use(self.inputs)
        self._replay(self.control, 0, 0, 0)

    def replay_one(self, launch: int) -> None:
        """Do launch number ``launch`` alone, on the inputs of ``use_inputs``."""
        self._replay(self.control, 0, launch, launch + 1)

    def run(self, arguments: list[np.ndarray]) -> None:
        """Do the step on ``arguments``, contiguous arrays shaped as those of the recording."""
        self.use(arguments)
        before = self.prepare()
        try:
            stopped = self._run_parts(arguments)
        except BaseException:  # a check's, or that of a call
            for restore in before:
                restore()
            raise
        if stopped != DONE:
            self.fail(stopped, arguments, before)

    def prepare(self) -> list[Callable[[], Any]]:
        """Do what Python does before a replay; returns what undoes its counting."""
        before = [undo() for undo in self.undos]
        try:
            for host in self.hosts:
                host(self)
        except BaseException:
            for restore in before:
                restore()
            raise
        return before

    def use(self, arrays: list[np.ndarray]) -> None:
        """Let ``arrays`` be the arguments."""
        self.ids[:] = longs("q", map(id, arrays))

    def replay(self) -> int:
        """Do a native step on the arrays with the ids ``ids``: DONE, or the number of the launch that stopped it.

        UNLIKE, and nothing done, where these are not contiguous, of the recorded shapes and types.
        """
        if self._serve is None:
            return self._step(self.control, 0, self._count)
        pool = self._lend()
        try:
            return self._step(self.control, pool, self._count)
        finally:
            self._return(pool)

    def sweep(self, sources: list[np.ndarray], order: np.ndarray, steps: int) -> int:
        """Do ``steps`` steps on the rows ``order`` of ``sources``, as many for each as it was recorded with.

        ``sources`` are contiguous, of the dtypes and row shapes of the inputs. Returns the number of steps done.
        """
        inputs, words = self.inputs, self.words
        batch = len(inputs[0])
        self.use(inputs)
        table = np.array(
            [[address(a), a[:1].nbytes, address(b)] for a, b in zip(sources, inputs, strict=True)],
            np.int64,
        )
        # What Python works out for each step, it works out for all of them before.
        before, undo = words.copy(), [undo() for undo in self.undos]
        row, rows, changed = words[self.number_words], [], False
        try:
            for _ in range(steps):
                for host in self.hosts:
                    if host(self):
                        row, changed = words[self.number_words], True
                rows.append(row)
        except BaseException:
            for restore in undo:
                restore()
            raise
        words[:] = before
        numbers = np.array(rows if changed else [], np.int64)
        places = address(words) + 8 * self.number_words
        pool = self._lend()
        try:
            done = sweep()(
                self.control, pool, len(self.launches), batch, steps, address(order), address(table), len(inputs),
                address(numbers), address(places), len(places) if changed else 0,
            )  # fmt: skip
        finally:
            self._return(pool)
        words[self.number_words] = row
        if done < steps:
            for restore in undo:
                restore()
            for _ in range(done):
                self.prepare()
        return done

    def _lend(self) -> int:
        """The workers' pool where there is work for it and no other thread has it, else 0."""
        if self._serve is None:
            return 0
        return threads.pool.lend(self._serve)

    @staticmethod
    def _return(pool: int) -> None:
        if pool:
            threads.pool.busy.release()

    def _run_parts(self, arguments: list[np.ndarray]) -> int:
        """Do the step on ``arguments``, which fit: DONE, or the number of the launch that stopped it."""
        pool = self._lend()
        try:
            for call in self.first_calls:
                _do(call)
            for part in self.parts:
                if isinstance(part, tuple):
                    stopped = self._replay(self.control, pool, *part)
                    if stopped != DONE:
                        return stopped
                else:
                    self._call(part, arguments)
        finally:
            self._return(pool)
        return DONE

    def _call(self, call: Call, arguments: list[np.ndarray]) -> None:
        """Do a call, which reads and changes arguments where they were recorded."""
        roots = {id(root_of(a)) for a in arrays_in(call.args)}
        used = [i for i, a in enumerate(self.inputs) if id(root_of(a)) in roots]
        for i in used:
            if self.inputs[i] is not arguments[i]:
                np.copyto(self.inputs[i], arguments[i])
        _do(call)
        written = _written(call)
        for i in used:
            if id(root_of(self.inputs[i])) in written:
                np.copyto(arguments[i], self.inputs[i])

    def fail(
        self, stopped: int, arguments: list[np.ndarray], before: list[Callable[[], Any]]
    ) -> None:
        """Undo what ``prepare`` did and raise the error that the operator raises for what launch ``stopped`` found."""
        for restore in before:
            restore()
        launch = self.launches[stopped]
        if launch.origin is not None:
            function, args = launch.origin
            for a, b in zip(self.inputs, arguments, strict=True):
                np.copyto(a, b)
            function(*args)
        raise KernelError(
            f"{launch.name}: its kernel {launch.kernel.name} found its operands wrong"
        )


def _written(item: Launch | Call) -> list[int]:
    """The ids of what owns the memory that an item writes to."""
    if isinstance(item, Launch):
        return [id(root_of(a)) for a in arrays_in(item.args[: item.kernel.outputs])]
    if item.result is None:
        return [] if item.name in ("constant", "check") else [id(root_of(item.args[0]))]
    return [id(root_of(a)) for a in arrays_in(item.result)]


def _do(call: Call) -> None:
    value = call.function(*call.args)
    if call.result is None:
        return
    for old, new in zip(arrays_in(call.result), _arrays(value), strict=True):
        if old.shape != new.shape:
            raise CaptureError(
                f"compile: {call.name} now gives shape {new.shape}, recorded was {old.shape}\n"
                "A result whose shape depends on values has no place inside a compiled step."
            )
        np.copyto(old, new)


def _arrays(value: Any):
    return arrays_in(value if isinstance(value, tuple | list | np.ndarray) else np.asarray(value))
