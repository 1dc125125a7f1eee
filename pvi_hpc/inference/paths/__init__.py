"""Paths of L-BFGS, and the Gaussians along them (Zhang et al. 2022, arXiv 2108.03782)."""
