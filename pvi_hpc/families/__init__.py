"""Variational families: Gaussians of `theta` with more or less correlation."""

from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.families.load import load_family

__all__ = ["Family", "Parameters", "load_family"]
