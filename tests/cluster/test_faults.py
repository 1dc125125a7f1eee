"""The fault suite in short: every fault about once, those of a setting on one run."""

import pytest
from fault import inflict, together
from fault_list import FAULTS
from template import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def _id(faults):
    names = "+".join(fault.name for fault in faults)
    return f"{names} on {faults[0].setting.where}".replace(" ", "-")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Return the prepared project for a number of ranks."""
    made = {}

    def make(ranks):
        if ranks not in made:
            made[ranks] = Template(tmp_path_factory.mktemp("template"), ranks)
        return made[ranks]

    return make


@pytest.fixture
def cluster_of(request):
    """Return a batch system by its name; None for none."""
    names = {"slurm": "slurm", "sge": "grid_engine"}
    return lambda name: request.getfixturevalue(names[name]) if name else None


@pytest.mark.parametrize("faults", together(FAULTS), ids=_id)
def test_a_run_survives(faults, template, cluster_of, tmp_path):
    cluster = cluster_of(faults[0].setting.batch)
    ranks = max(fault.ranks for fault in faults)
    counts = [fault.short for fault in faults]
    outcome = inflict(faults, counts, template(ranks), cluster, tmp_path / "chain")
    assert not outcome.error, outcome.error
