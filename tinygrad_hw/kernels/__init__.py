"""Native loops over arrays: NumPy and Numba only, no Tensor in sight."""
