"""The fault suite in short: every fault about once, on real batch systems."""

import pytest
from chain import Template
from fault_list import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


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
    """Return the batch system of an executor; None for the local one."""
    names = {"slurm": "slurm", "allocation": "slurm", "sge": "grid_engine"}
    return lambda executor: (
        request.getfixturevalue(names[executor]) if executor in names else None
    )


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.short], ids=lambda f: f.id)
def test_a_run_survives(fault, template, cluster_of, tmp_path):
    cluster = cluster_of(fault.executor)
    folder = tmp_path / "chain"
    outcome = fault.inflict(fault.short, template(fault.ranks), cluster, folder)
    assert not outcome.error, outcome.error
