"""Priors: densities of independent cells inside bounds, by depth."""

from pvi_hpc.priors.load import load_prior
from pvi_hpc.priors.prior import IndependentPrior, Prior

__all__ = ["IndependentPrior", "Prior", "load_prior"]
