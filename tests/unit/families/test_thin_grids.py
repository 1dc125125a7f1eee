"""Every family on 1D and 2D problems: grids of one cell along an axis."""

import numpy as np
import pytest
import torch

from pvi_hpc.families.load import FamilySettings, load_family
from pvi_hpc.plugins import plugin_names

#: Options that a family must have.
NEEDED = {"low_rank": {"rank": 2}, "low_rank_structured": {"rank": 2}}
SHAPES = [(6, 1, 5), (7, 1, 1), (1, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", plugin_names("pvi_hpc.families"))
def test_a_family_draws_and_weighs_models_of_a_thin_grid(kind, shape):
    active = np.ones(shape, bool)
    active[0] = shape[0] == 1  # a fixed layer, where there is more than one
    family = load_family(FamilySettings(kind=kind, options=NEEDED.get(kind, {})), active)
    assert family.n == active.sum()
    parameters = family.initial(torch.zeros(family.n, dtype=torch.float64), 0.5)
    rng = np.random.default_rng(2)
    eps = torch.from_numpy(rng.standard_normal((3, family.n)))
    theta = family.sample(parameters, eps)
    assert theta.shape == (3, family.n)
    assert theta.std() > 0
    assert family.log_prob(parameters, theta).isfinite().all()
