"""The page of operators, and their lines of code: ``python -m tests.operators_page [--lines]``.

Without an option it writes ``docs/operators.md``; a test fails where the page is not what it would write.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from types import CodeType
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from checker import floats, is_float, leaves, reached
from op_cases import CASES, Case

import tinygrad_hw as tg
from tinygrad_hw import ops
from tinygrad_hw.errors import CaptureError, ShapeError
from tinygrad_hw.kernels import recording
from tinygrad_hw.kernels.jit import Kernel

ROOT = Path(__file__).parent.parent
OPS = Path(ops.__file__).parent
PAGE = ROOT / "docs" / "operators.md"
HEAD = """# Operators

Written by `python -m tests.operators_page`, from what each operator did with its cases in the test table:

- **derivatives**: none, or every order, since rules are written over operators; the first two are proved by finite
  differences on each case.
- **rules**: where its derivative rules stand. Operators made of others have the rules of those: they are named.
- **vmap**: *one run* on all examples, or what runs example by example within it (*loops*); *by example* is a function
  that looks at values and so runs for each one; *no*: its results differ in shape.
- **compile**: recorded forward and backward *natively*, or with *calls* of Python functions (named) between the
  native parts, or *refused* with a remedy; *some refused*: for some arguments, such as masks.
- **cases**: how many cases of the test table it has.
"""


def usual(case: Case) -> bool:
    """Whether no operand of ``case`` is empty or a number."""
    return all(x.size and x.ndim for x in case.draw() if isinstance(x, np.ndarray))


def mapped(case: Case) -> set[str] | None:
    """What ``vmap`` over the float operands (else all arrays) does one example at a time; None where it cannot."""
    one, other = case.draw(), case.draw(1)
    if [np.shape(x) for x in one] != [np.shape(x) for x in other]:
        other = one
    varying = [i for i, x in enumerate(one) if is_float(x)]
    varying = varying or [i for i, x in enumerate(one) if isinstance(x, np.ndarray)]

    def function(*xs):
        given = dict(zip(varying, xs, strict=True))
        result = case(*[given.get(i, x) for i, x in enumerate(one)])
        many = result if isinstance(result, tuple | list) else (result,)
        return [y for y in many if isinstance(y, tg.Tensor)]

    run = tg.func.vmap(function, randomness="same")
    try:
        run(*[tg.from_numpy(np.stack([one[i], other[i]])) for i in varying])
    except ShapeError:
        return None
    return run.looped


def zeros(kernel: Kernel, args: tuple) -> int:
    """In a kernel's place: nothing is compiled to see what would be recorded."""
    for out in args[: kernel.outputs]:
        out.fill(0)
    return 0


def calls(case: Case) -> set[str] | None:
    """The Python calls between the kernels of a recorded forward and backward pass; None where that is refused."""
    xs = leaves(case.draw())
    recorder = recording.Recorder()
    for x in xs:
        if isinstance(x, tg.Tensor):
            recorder.know(x._array)
    try:
        with recording.recording(recorder):
            ys = [y for y in floats(case(*xs)) if isinstance(y, tg.Tensor) and y.requires_grad]
            inputs = [x for x in xs if is_float(x)]
            if ys:
                tg.autograd.grad(ys, inputs, list(map(tg.ones_like, ys)), materialize_grads=True)
    except CaptureError:
        return None
    made = {item.name for item in recorder.items if isinstance(item, recording.Call)}
    return made - {"constant", "check"}


def named(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def vmap_of(cases: list[Case]) -> str:
    found = [mapped(case) for case in cases]
    looped = [names for names in found if names is not None]
    if not looped:
        return "no"
    together = set().union(*looped)
    if not together:
        return "one run"
    names = "by example" if "function" in together else f"loops {named(together)}"
    return names if all(looped) else f"one run; for some arguments {names}"


def compile_of(cases: list[Case]) -> str:
    found: list = []
    for case in cases:
        with contextlib.suppress(np.linalg.LinAlgError):  # of the zeros that stand for values
            found.append(calls(case))
    recorded = [names for names in found if names is not None]
    if not recorded:
        return "refused"
    always = set.intersection(*recorded)
    return ("calls " + named(always) if always else "native") + (
        ", some refused" if None in found else ""
    )


def code_of(function) -> CodeType:
    """The code of an operator's forward rule, or of a function made of operators."""
    return getattr(function, "function", function).__code__


def place(code: CodeType) -> str:
    path = Path(code.co_filename)
    return f"[{path.name}:{code.co_firstlineno}](../tinygrad_hw/ops/{path.name}#L{code.co_firstlineno})"


def rows() -> dict[str, list[str]]:
    """The lines of the page by file, in the order of definition."""
    cases = defaultdict(list)
    through = defaultdict(set)
    with np.errstate(all="ignore"), mock.patch.object(warnings, "warn"):
        for case in CASES:
            cases[case.op].append(case)
            through[case.op] |= {name for name, _ in reached(case)}
        common = {name: list(filter(usual, some)) or some for name, some in cases.items()}
        vmaps = {name: vmap_of(some) for name, some in common.items()}
        with mock.patch.object(Kernel, "run", zeros):
            compiled = {name: compile_of(some) for name, some in common.items()}
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, op in ops.REGISTRY.items():
        code = code_of(op)
        if isinstance(op, ops.Primitive):
            own = sorted(
                {rule.function.__code__ for rule in op.rules.values()},
                key=lambda c: c.co_firstlineno,
            )
            rules = ", ".join(map(place, own))
            derivative = "every order" if own else "none"
        else:
            parts = sorted(through[name])
            rules = (
                "of " + ", ".join(f"`{part.strip('_')}`" for part in parts)
                if parts
                else place(code)
            )
            derivative = "every order" if parts else "none"
        cells = (f"`{name}`", derivative, rules, vmaps[name], compiled[name], str(len(cases[name])))
        line = f"| {' | '.join(cells)} |"
        found[Path(code.co_filename).name].append((code.co_firstlineno, line))
    return {file: [line for _, line in sorted(lines)] for file, lines in sorted(found.items())}


def page() -> str:
    parts = [HEAD]
    for file, lines in rows().items():
        parts += [
            f"\n## {file}\n",
            "| operator | derivatives | rules | vmap | compile | cases |\n|" + " --- |" * 6,
            *lines,
        ]
    return "\n".join(parts) + "\n"


def lines_per_operator() -> str:
    """Lines of ops/ that are not blank, docstrings and imports included, per operator stated there.

    An operator is a public function of its own name and meaning that has cases in the test table: other names of one
    (absolute for abs) do not count, nor do parts of operators that have rules of their own (``_solve`` behind solve).
    """
    tried = {case.op for case in CASES}
    public = {name: op for name, op in ops.REGISTRY.items() if name in tried}
    count = Counter(Path(code_of(op).co_filename).name for op in public.values())
    report, total = [], 0
    for path in sorted(OPS.glob("*.py")):
        lines = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
        total += lines
        each = f"{lines / count[path.name]:6.1f}" if count[path.name] else "     –"
        report.append(f"{path.name:18} {lines:5} lines {count[path.name]:4} operators {each}")
    parts = len(ops.PRIMITIVES.keys() - ops.REGISTRY.keys())
    report += [
        f"{'all':18} {total:5} lines {len(public):4} operators {total / len(public):6.1f}",
        f"with the {parts} parts of operators that state rules of their own: {total / (len(public) + parts):.1f}",
        "Lines that are not blank, docstrings and imports included; operators are public functions with cases in the "
        "test table, each counted once (no other names of the same function).",
    ]
    return "\n".join(report)


if __name__ == "__main__":
    if "--lines" in sys.argv[1:]:
        print(lines_per_operator())
    else:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
