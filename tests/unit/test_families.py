"""Options and names of families, and what they refuse."""

import numpy as np
import pytest
import torch

from pvi_hpc.config.inference import Family as FamilySettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.families import load_family

ACTIVE = np.ones((4, 5, 7), bool)


def load(kind, **options):
    return load_family(FamilySettings(kind=kind, options=options), ACTIVE)


@pytest.mark.parametrize(("kind", "options"), [("mean_field", {}), ("structured", {})])
def test_families_are_found_by_name(kind, options):
    if kind == "structured":
        options = {"stencil": [3, 3, 5]}
    family = load(kind, **options)
    parameters = family.initial(torch.full((140,), 0.5, dtype=torch.float64), 0.3)
    np.testing.assert_allclose(family.mean(parameters), 0.5)
    np.testing.assert_allclose(family.sd(parameters), 0.3)


def test_an_unknown_family_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"family.kind' .*mean_field.*structured.*'flow'"):
        load("flow")


@pytest.mark.parametrize("kind", ["mean_field", "structured"])
def test_an_unknown_option_is_refused(kind):
    with pytest.raises(ConfigError, match="stencl"):
        load(kind, stencl=[3, 3, 3])


@pytest.mark.parametrize("stencil", [[3, 3], [3, 4, 3], [3, 3, -1], "333", 3, [3.0, 3, 3]])
def test_a_stencil_must_be_three_odd_numbers(stencil):
    with pytest.raises(ConfigError, match="three odd numbers"):
        load("structured", stencil=stencil)


def test_a_stencil_larger_than_the_grid_is_refused():
    with pytest.raises(ConfigError, match=r"not be larger than the grid \(4, 5, 7\)"):
        load("structured", stencil=[5, 5, 5])


def test_the_step_of_couplings_falls_with_their_number():
    scales = load("structured", stencil=[3, 5, 5]).step_scales
    assert scales == {"coefficients": pytest.approx(37**-0.5)}
