"""Every Gaussian family on a small grid with fixed cells, with random parameters."""

import numpy as np
import torch

from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings

SHAPE = (4, 3, 5)

#: Name of a case: kind and options.
CASES = {
    "mean_field": ("mean_field", {}),
    "full_rank": ("full_rank", {}),
    "psvi_3x3x5": ("structured", {"stencil": [3, 3, 5]}),
    "psvi_1x3x1": ("structured", {"stencil": [1, 3, 1]}),
    "psvi_ellipsoid": ("structured", {"stencil": [3, 3, 5], "mask": "ellipsoid"}),
    "low_rank": ("low_rank", {"rank": 4}),
    "low_rank_covariance": ("low_rank", {"rank": 3, "of": "covariance"}),
    "low_rank_structured": ("low_rank_structured", {"rank": 2, "stencil": [3, 1, 3]}),
    "precision_structured": ("precision_structured", {"stencil": [3, 3, 3]}),
}


def active_cells():
    """A fixed layer on top and a fixed cell in the middle."""
    active = np.ones(SHAPE, bool)
    active[0] = active[2, 1, 2] = False
    return active


def family_of(name, active=None):
    kind, options = CASES[name]
    active = active_cells() if active is None else active
    return load_family(FamilySettings(kind=kind, options=options), active)


def random_parameters(family, rng, dtype=torch.float64):
    """Return parameters far from the initial ones; couplings fill what they may."""
    mean = torch.from_numpy(rng.standard_normal(family.n)).to(dtype)
    parameters = family.initial(mean, 0.5)
    scales = {"log_sd": 0.3, "coefficients": 0.2, "lower": 0.2, "directions": 0.3}
    for name, scale in scales.items():
        if name in parameters:
            noise = torch.from_numpy(rng.standard_normal(parameters[name].shape))
            parameters[name] += scale * noise.to(dtype)
    if "lower" in parameters:
        parameters["lower"].tril_(-1)
    return parameters
