"""Another user of the machine gets nothing from the ports and files of a run."""

import pytest
from chain import Chain
from distributed import LocalCluster
from fault import JOBS
from strangers import Stranger, listening_ports, private_paths, unix_listeners
from template import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture
def stranger():
    """Another user of this machine."""
    with Stranger() as one:
        yield one


def test_no_port_of_a_run_answers_without_its_certificate(slurm, stranger, tmp_path):
    template = Template(tmp_path / "template")
    execution = {"executor": "slurm", "cluster": dict(JOBS["slurm"])}
    chain = Chain(template, tmp_path / "chain", slurm, execution=execution)
    chain.make()
    chain.start()
    chain.wait_healthy()
    check_closed(chain, stranger)
    for key in chain.run.rglob("*.pem"):
        assert key.stat().st_mode & 0o077 == 0
        assert not stranger.can("cat", str(key))
    chain.finish()


def test_a_local_run_answers_nobody_and_lends_nothing(stranger, tmp_path):
    chain = Chain(Template(tmp_path / "template", ranks=2), tmp_path / "chain")
    chain.make()
    chain.start()
    chain.wait_healthy()
    check_closed(chain, stranger)
    paths = private_paths(chain.pids(), "/tmp")
    assert len(paths) >= 4, "folders of Dask and of two gangs, shared memory"
    for path in paths:
        assert not stranger.can("test", "-r", str(path)), path
        assert not stranger.can("test", "-w", str(path)), path
    chain.finish()


def check_closed(chain, stranger):
    """Check that strangers get no answer, and that the run does not mind their asking."""
    before = set(chain.pids())
    ports = listening_ports(before)
    # The scheduler and both workers at least.
    assert len(ports) >= 3
    assert stranger.scan(ports) == ""
    assert not {name for name in unix_listeners(before) if name.startswith("@")}
    chain.advance(2)
    assert before <= set(chain.pids()), "something ended where a stranger asked"


def test_the_scan_hears_an_open_scheduler_and_a_dashboard(stranger):
    with LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as open_one:
        port = int(open_one.scheduler_address.rpartition(":")[2])
        text = stranger.scan(
            {("127.0.0.1", p) for p in (port, open_one.scheduler.http_server.port)}
        )
    assert f"{port} answered (clear)" in text
    assert "(web)" in text
