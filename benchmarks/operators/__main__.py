"""``python -m benchmarks.operators``."""

from __future__ import annotations

import argparse
import sys

from .. import operators
from ..harness import table

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rows = operators.run(sys.executable, rounds, 0.002, False, False, lambda text: None)
    for caption, titles, cells in operators.tables(rows):
        print(caption, table(titles, cells), sep="\n")
