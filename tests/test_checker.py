"""The checker itself: every rule of every primitive, falsified, must be rejected through some case of the table."""

from __future__ import annotations

import functools

import pytest
from checker import Rejected, check, reached
from op_cases import CASES

from tinygrad_hw import ops

#: Rules that are 0 whatever they are multiplied by.
ZERO = {
    ("sign", 0), ("floor", 0), ("ceil", 0), ("trunc", 0), ("round", 0), ("copysign", 1),
    ("_div_floor", 0), ("_div_floor", 1), ("_div_trunc", 0), ("_div_trunc", 1), ("nextafter", 1),
}  # fmt: skip
RULES = [(p.name, i) for p in ops.PRIMITIVES.values() for i in p.rules if (p.name, i) not in ZERO]


@functools.cache
def cases_through(name: str, operand: int) -> list:
    """Cases whose derivatives use this rule, those of the operator itself first."""
    return sorted((c for c in CASES if (name, operand) in reached(c)), key=lambda c: c.op != name)


def rejects(case) -> bool:
    try:
        check(case)
    except Rejected:
        return True
    return False


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.01])
@pytest.mark.parametrize(("name", "operand"), RULES)
def test_scaled_rule_is_rejected(
    name: str, operand: int, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = cases_through(name, operand)  # before the rule is changed
    rule = ops.PRIMITIVES[name].rules[operand]
    function, on_arrays = rule.function, rule.on_arrays
    monkeypatch.setattr(rule, "function", lambda *args: function(*args) * factor)
    monkeypatch.setattr(rule, "on_arrays", lambda *args: on_arrays(*args) * factor)
    assert any(map(rejects, through))


#: Operators that only derivatives use: their rules run on Tensors in third derivatives.
THIRD = {"_avg_unpool", "_convolve_weight"}


@pytest.mark.parametrize(
    "name", sorted({p.name for p in ops.PRIMITIVES.values() if p.rules} - THIRD)
)
def test_rule_wrong_on_tensors_only_is_rejected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What create_graph runs is checked against what an ordinary backward pass runs."""
    for operand, rule in ops.PRIMITIVES[name].rules.items():
        if (name, operand) in ZERO:
            continue
        through = cases_through(name, operand)
        function, on_arrays = rule.function, rule.on_arrays
        monkeypatch.setattr(rule, "on_arrays", lambda *args, f=on_arrays: f(*args))
        monkeypatch.setattr(rule, "function", lambda *args, f=function: f(*args) * 1.01)
        assert any(map(rejects, through)), operand
        monkeypatch.undo()
