"""Variational families: densities of `theta` with more or less correlation."""
