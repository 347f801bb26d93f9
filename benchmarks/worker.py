"""A process of its own for each contender, kept alive and asked for one thing at a time.

Thread pools of different libraries never work at once: who is not asked sleeps. The parent writes a line of JSON
``[method, arguments]``, the child answers with ``{"result": …}``, ``{"error": …}`` or ``{"missing": package}``.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any

from . import machine


class Missing(Exception):
    """A library that is not installed."""


class WorkerError(Exception):
    """What went wrong in the other process."""


class Worker:
    """An object ``target`` ("module:class", made from ``arguments``) that lives in another process.

    ``ask`` and ``answer`` are the two halves of ``call``: between them the other process works.
    """

    def __init__(
        self,
        target: str,
        *arguments: Any,
        python: str = sys.executable,
        threads: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.target = target
        self.started = time.perf_counter()
        self._complaints = tempfile.TemporaryFile(mode="w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=machine.environment(threads) | (variables or {}),
        )
        self.ask(target, *arguments)

    def ask(self, method: str, *arguments: Any) -> None:
        """Let the other process begin."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([method, arguments]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def answer(self) -> Any:
        """What came out of it.

        Raises: Missing for a library that is not there; WorkerError for any other exception.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(f"{answer['missing']} is not installed")
        if "error" in answer:
            raise WorkerError(f"{self.target}: {answer['error']}")
        return answer["result"]

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of the object's method."""
        self.ask(method, *arguments)
        return self.answer()

    def _died(self) -> WorkerError:
        code = self._process.wait()
        self._complaints.seek(0)
        last = self._complaints.read().strip().splitlines()[-1:] or ["no message"]
        return WorkerError(f"{self.target}: process ended with {code}: {last[0]}")

    def close(self) -> None:
        """End the other process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve() -> None:
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    served: Any = None
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            if served is None:
                module, _, name = method.partition(":")
                served = getattr(importlib.import_module(module), name)(*arguments)
                result = None
            else:
                result = getattr(served, method)(*arguments)
            answer = {"result": result}
        except ModuleNotFoundError as error:
            answer = {"missing": error.name}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:2000]}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    _serve()
