"""The prior of a configuration."""

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.plugins import load_plugin
from pvi_hpc.priors.prior import Prior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["load_prior"]


def load_prior(settings: PriorSettings, depth: NDArray[np.float64]) -> Prior:
    """Return the prior of cells at `depth` `(n,)` [m].

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.priors` has that name, or its tables are impossible.
    """
    prior: Prior = load_plugin("pvi_hpc.priors", settings.kind, "prior.kind").from_settings(
        settings, depth
    )
    return prior
