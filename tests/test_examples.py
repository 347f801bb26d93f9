"""The scripts in examples/: short, and those that take seconds run."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
QUICK = {
    "softmax": "framework [0.0854 0.2321 0.6308 0.0518]",
    "activations": "Sigmoid",
    "five_steps": "compiled differs by",
    "read_page": "THE QUICK BROWN FOX",
    "init": "1 different units of 32",
    "learning_rates": "lr 0.002: accuracy on new fonts",
    "weights": "after  training: standard deviation",
    "confusion": "mixed: ",
    "batch_size": "in proportion: batches of 256, lr 0.32",
    "autoencoder": "32 numbers: 0.00",
    "char_rnn": "step 300: 0.",
    "transformer": "3 1 4 1 5 9 2 6 sorted: 1 1 2 3 4 5 6 9",
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_short_and_say_what_they_show(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 100
    assert source.startswith('"""')
    compile(source, str(path), "exec")


@pytest.mark.parametrize("name", QUICK)
def test_scripts_run(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert QUICK[name] in capsys.readouterr().out
