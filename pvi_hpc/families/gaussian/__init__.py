"""Gaussian families: `theta = mean + L eps` with more or less of `L`."""
