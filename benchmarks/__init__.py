"""Measurements beside other libraries: ``python -m benchmarks.matmul`` and so on."""
