"""Priors of velocities: maps from standard normal unknowns to the active cells."""

from pvi_hpc.priors.load import load_prior, prior_bounds
from pvi_hpc.priors.prior import IndependentPrior, Prior

__all__ = ["IndependentPrior", "Prior", "load_prior", "prior_bounds"]
