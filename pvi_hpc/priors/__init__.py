"""Priors of velocities: maps from standard normal unknowns to the active cells."""

from pvi_hpc.priors.load import load_prior, prior_bounds
from pvi_hpc.priors.prior import IndependentPrior, Prior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["IndependentPrior", "Prior", "PriorSettings", "load_prior", "prior_bounds"]
