"""Priors of velocities: maps from standard normal unknowns to the active cells."""

from pvi_hpc.priors.load import load_prior, prior_bounds
from pvi_hpc.priors.prior import IndependentPrior, Prior
from pvi_hpc.priors.settings import PriorSettings
from pvi_hpc.priors.verify import map_faults

__all__ = [
    "IndependentPrior",
    "Prior",
    "PriorSettings",
    "load_prior",
    "map_faults",
    "prior_bounds",
]
