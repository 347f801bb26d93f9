"""The page of operators, and their lines of code: ``python -m tests.operators_page [--lines]``.

Without an option it writes ``docs/operators.md``; a test fails where the page is not what it would write.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import CodeType

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from checker import reached
from op_cases import CASES

from tinygrad_hw import ops

ROOT = Path(__file__).parent.parent
OPS = Path(ops.__file__).parent
PAGE = ROOT / "docs" / "operators.md"
HEAD = """# Operators

Written by `python -m tests.operators_page`. For each operator: whether it has a derivative (then it has every order, since
rules are written over operators, and the first two are proved by finite differences on each case), where its rules
stand, and how many cases of the test table it has. Operators made of others have the rules of those: they are named.
"""


def code_of(function) -> CodeType:
    """The code of an operator's forward rule, or of a function made of operators."""
    return getattr(function, "function", function).__code__


def place(code: CodeType) -> str:
    path = Path(code.co_filename)
    return f"[{path.name}:{code.co_firstlineno}](../tinygrad_hw/ops/{path.name}#L{code.co_firstlineno})"


def rows() -> dict[str, list[str]]:
    """The lines of the page by file, in the order of definition."""
    cases = Counter(case.op for case in CASES)
    through = defaultdict(set)
    with np.errstate(all="ignore"):
        for case in CASES:
            through[case.op] |= {name for name, _ in reached(case)}
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
        line = f"| `{name}` | {derivative} | {rules} | {cases[name]} |"
        found[Path(code.co_filename).name].append((code.co_firstlineno, line))
    return {file: [line for _, line in sorted(lines)] for file, lines in sorted(found.items())}


def page() -> str:
    parts = [HEAD]
    for file, lines in rows().items():
        parts += [
            f"\n## {file}\n",
            "| operator | derivatives | rules | cases |\n| --- | --- | --- | --- |",
            *lines,
        ]
    return "\n".join(parts) + "\n"


def lines_per_operator() -> str:
    """Lines of each file of ops/ that are not blank, docstrings included, per public operator defined there."""
    count = Counter(Path(code_of(op).co_filename).name for op in ops.REGISTRY.values())
    report, total = [], 0
    for path in sorted(OPS.glob("*.py")):
        lines = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
        total += lines
        each = f"{lines / count[path.name]:6.1f}" if count[path.name] else "     –"
        report.append(f"{path.name:18} {lines:5} lines {count[path.name]:4} operators {each}")
    everything = sum(count.values())
    report.append(f"{'all':18} {total:5} lines {everything:4} operators {total / everything:6.1f}")
    return "\n".join(report)


if __name__ == "__main__":
    if "--lines" in sys.argv[1:]:
        print(lines_per_operator())
    else:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
