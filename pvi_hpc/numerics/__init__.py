"""Random numbers, sums that repeat to the bit, and compiled kernels."""
