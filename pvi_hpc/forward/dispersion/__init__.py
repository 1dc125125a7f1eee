"""Dispersion of Rayleigh and Love waves in layers as forward problem."""
