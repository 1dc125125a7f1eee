"""Do several chains, or several restarts of a fit, tell the same story?"""

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError

__all__ = ["effective_sample_size", "r_hat"]

Array = NDArray[np.float64]


def r_hat(draws: Array) -> Array:
    """Return the rank-normalised split R-hat `(n,)` of draws `(C, D, n)`.

    Vehtari et al. (2021), Bayesian Analysis 16(2); computed by ArviZ. For restarts of a
    variational fit, `C` counts the restarts and `D` the draws of each.

    Raises
    ------
    ConfigError
        If there are fewer than two chains or four draws.
    """
    return _by_unknown("rhat", draws)


def effective_sample_size(draws: Array) -> Array:
    """Return the bulk effective sample size `(n,)` of draws `(C, D, n)`; errors as `r_hat`."""
    return _by_unknown("ess", draws)


def _by_unknown(name: str, draws: Array) -> Array:
    if draws.ndim != 3 or draws.shape[0] < 2 or draws.shape[1] < 4:
        raise ConfigError(
            "'draws' must have shape (chains, draws, unknowns) with at least 2 chains of 4 "
            f"draws, got {draws.shape}."
        )
    import arviz  # slow to import, and needed by few

    function = getattr(arviz, name)
    return np.array([float(function(draws[:, :, i])) for i in range(draws.shape[2])])
