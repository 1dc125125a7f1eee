"""Each family has the capabilities that its mathematics gives it, and no others."""

from importlib.metadata import entry_points

import numpy as np
import pytest

from pvi_hpc.families import capabilities
from pvi_hpc.families.capabilities import couplings_of
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings

ACTIVE = np.ones((2, 3, 4), bool)
GAUSSIAN = {"ClosedForm", "Gaussian", "IndependentStart", "InformedStart", "NaturalGradient"}
EXPECTED = {
    "mean_field": GAUSSIAN | {"StreamedDescent"},
    "structured": GAUSSIAN | {"StreamedDescent", "Coupled"},
    "full_rank": GAUSSIAN,
    "low_rank": GAUSSIAN,
    "low_rank_structured": GAUSSIAN | {"Coupled"},
    "precision_structured": GAUSSIAN | {"Coupled"},
    "metric_gaussian": GAUSSIAN,
}
#: Options of the families that need some on so small a grid.
OPTIONS = {
    "low_rank": {"rank": 2},
    "low_rank_structured": {"rank": 2},
    "convolutional": {"blocks": [1]},
}
KINDS = [point.name for point in entry_points(group="pvi_hpc.families")]
NAMES = [*GAUSSIAN, "Coupled", "StreamedDescent"]


def load(kind):
    options = OPTIONS.get(kind, {})
    return load_family(FamilySettings(kind=kind, options=options), ACTIVE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_has_the_capabilities_of_its_kind(kind):
    family = load(kind)
    found = {name for name in NAMES if isinstance(family, getattr(capabilities, name))}
    assert found == EXPECTED.get(kind, {"IndependentStart"})


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_a_family_that_reads_couplings_has_them(kind):
    family = load(kind)
    assert (family.reads == "couplings") == (couplings_of(family) is not None)
