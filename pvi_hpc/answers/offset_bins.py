"""Bins of offset by which a fit to the data is told."""

import numpy as np

from pvi_hpc.data.survey import Survey
from pvi_hpc.forward.grouping import Groups, offsets
from pvi_hpc.forward.weighting import Weighting

__all__ = ["N_BINS", "offset_bins"]

#: Number of bins: each one reaches twice as far as the one before.
N_BINS = 5


def offset_bins(survey: Survey, weighting: Weighting | None) -> Groups | None:
    """Return bins of offset, each twice as wide as the one before; None without offsets.

    Errors of a simulation are largest next to a source, where there are fewest traces: bins of
    equal numbers would hide them. Traces that do not count are left out.
    """
    farthest = 0.0
    for shot in survey.shots:
        used = np.isfinite(shot.noise_sd)
        if weighting is not None:
            used = ~weighting.weights(shot).muted
        farthest = max(farthest, float(offsets(shot)[used].max(initial=0.0)))
    if farthest <= 0:
        return None
    edges = (float(f"{farthest / 2**k:.2g}") for k in range(N_BINS - 1, 0, -1))
    return Groups(tuple(edges), (), survey.dt, survey.n_samples)
