"""Options and names of families, and what they refuse."""

from typing import Any

import numpy as np
import pytest
import torch

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings

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


def test_the_default_stencil_fits_the_grid():
    flat: Any = load_family(FamilySettings(kind="structured"), np.ones((1, 4, 9), bool))
    assert flat.stencil.size == (1, 3, 5)


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        (None, r"options.rank' is missing.*'low_rank.*directions"),
        (0, r"options.rank': input should be greater than or equal to 1, got 0"),
        (141, r"options.rank' must be .* 1 to .* 140, got 141"),
        (2.0, r"options.rank': input should be a valid integer, got 2.0"),
        ("3", r"options.rank': input should be a valid integer, got '3'"),
        (True, r"options.rank': input should be a valid integer, got True"),
    ],
)
@pytest.mark.parametrize("kind", ["low_rank", "low_rank_structured"])
def test_a_rank_must_be_from_1_to_the_number_of_cells(kind, rank, message):
    options = {} if rank is None else {"rank": rank}
    with pytest.raises(ConfigError, match=message):
        load(kind, **options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("structured", {"mask": "ball"}, r"mask': input should be 'box' or 'ellipsoid', got"),
        ("low_rank", {"rank": 3, "of": "sd"}, r"of': input .*'precision' or 'cov.*got 'sd'"),
        ("low_rank", {"rank": 3, "stencil": [1, 1, 1]}, r"'low_rank': it reads of, rank;"),
        (
            "low_rank_structured",
            {"rank": 3, "stencil": [1, 2, 1]},
            r"three odd .* got \[1, 2, 1\]",
        ),
        ("precision_structured", {"stencil": [5, 5, 5]}, "not be larger than the grid"),
        ("full_rank", {"memory_gb": 0}, "memory_gb': input should be greater than 0, got 0"),
        ("full_rank", {"memory_gb": 1e-4}, r"140 unknown cells needs 0.000941 GB.*structured"),
        ("full_rank", {"stencil": [3, 3, 3]}, r"'full_rank': it reads memory_gb; correct or"),
        ("mean_field", {"rank": 3}, r"rank' is unknown to 'mean_field': it has no options"),
        ("structured", {"stencl": [3, 3, 3]}, r"did you mean 'stencil'\? it reads mask, sten"),
    ],
)
def test_impossible_options_are_refused(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        load(kind, **options)


def test_full_rank_of_a_million_cells_is_refused_before_any_memory_is_taken():
    with pytest.raises(ConfigError, match=r"needs 4.8e\+04 GB, .* 8 GB"):
        load_family(FamilySettings(kind="full_rank"), np.ones((100, 100, 100), bool))


def test_the_step_of_couplings_falls_with_their_number():
    scales = load("structured", stencil=[3, 5, 5]).step_scales
    assert scales == {"coefficients": pytest.approx(37**-0.5)}
