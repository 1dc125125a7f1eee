"""The doctor finds what does not work, and says so with a remedy."""

from pathlib import Path

import pytest
from distributed import LocalCluster
from distributed.security import Security

from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.gang.processes import ProcessId
from pvi_hpc.selftest.site.examine import _all_gone
from pvi_hpc.selftest.site.files import check_bandwidth
from pvi_hpc.selftest.site.network import check_dashboards, check_interfaces, check_strangers
from pvi_hpc.selftest.site.small_survey import doctor_run


@pytest.fixture(params=["open", "tls"])
def scheduler(request):
    """A scheduler without workers, open to all or with a certificate of its own."""
    security = Security.temporary() if request.param == "tls" else None
    options = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**options, protocol="tls" if security else "tcp", security=security) as c:
        yield request.param, c.scheduler_address


def test_a_stranger_is_answered_by_an_open_scheduler_only(scheduler):
    kind, address = scheduler
    (outcome,) = check_strangers({address: "scheduler"})
    assert outcome.passed == (kind == "tls"), outcome
    assert bool(outcome.remedy) == (kind == "open")


def test_workers_that_loopback_cannot_reach_are_noticed():
    (outcome,) = check_interfaces({"tls://127.0.0.1:1": "scheduler", "tls://10.0.0.2:1": "a"})
    assert not outcome.passed
    assert "cluster.interface" in outcome.remedy
    (outcome,) = check_interfaces({"tls://10.0.0.1:1": "scheduler", "tls://10.0.0.2:1": "a"})
    assert outcome.passed


def test_a_dashboard_on_all_interfaces_is_noticed():
    with LocalCluster(n_workers=0, dashboard_address="0.0.0.0:0", host="127.0.0.1") as cluster:
        services = {cluster.scheduler_address: cluster.scheduler_info["services"]}
        (outcome,) = check_dashboards(services)
        assert not outcome.passed, "needs an address other than loopback"
    (outcome,) = check_dashboards(services)
    assert outcome.passed


def test_a_folder_that_cannot_be_written_is_a_finding(tmp_path):
    (outcome,) = check_bandwidth(tmp_path / "missing")
    assert not outcome.passed
    (outcome,) = check_bandwidth(tmp_path)
    assert "MB/s" in outcome.seen
    assert not list(tmp_path.iterdir())


def test_a_worker_that_outlives_the_run_is_a_finding(monkeypatch):
    import os
    import socket

    monkeypatch.setattr("pvi_hpc.selftest.site.examine.END_S", 0.1)
    me = str(ProcessId.of(os.getpid()))
    assert not _all_gone({"tcp://a": (socket.gethostname(), me)}).passed
    assert _all_gone({"tcp://a": (socket.gethostname(), f"{os.getpid()}:1")}).passed


def test_the_case_takes_over_what_the_site_says_and_exchanges_halos(tmp_path):
    site = tmp_path / "dask.yaml"
    site.write_text("executor: slurm\nworkers: 50\nranks: 4\ncluster: {queue: fast}\n")
    run = doctor_run(site)
    assert (run.execution.workers, run.execution.ranks) == (2, 4)
    assert run.execution.cluster.queue == "fast"
    assert doctor_run(None).execution.ranks == 2
    site.write_text("executr: slurm\n")
    with pytest.raises(ConfigError, match="executr"):
        doctor_run(Path(site))
