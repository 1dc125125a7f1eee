"""Another user of the machine gets nothing from the ports of a run."""

import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from chain import Chain
from distributed import LocalCluster
from distributed.security import Security
from fault import JOBS
from template import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

PYTHON = "/usr/bin/python3"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture
def as_nobody(tmp_path):
    """Return a function that runs scan.py as another user, with a certificate of its own."""
    if shutil.which("setpriv") is None or not Path(PYTHON).exists():
        pytest.skip(f"needs setpriv and {PYTHON} to become another user")
    folder = Path("/tmp") / f"pvi-scan-{tmp_path.name}"
    folder.mkdir(mode=0o755, exist_ok=True)
    own = Security.temporary()
    (folder / "certificate.pem").write_text(own.tls_client_cert)
    (folder / "key.pem").write_text(own.tls_client_key)
    shutil.copy(Path(__file__).with_name("scan.py"), folder)

    def scan(host, ports):
        files = [str(folder / name) for name in ("scan.py", "certificate.pem", "key.pem")]
        command = [PYTHON, files[0], host, *files[1:], *map(str, sorted(ports))]
        done = subprocess.run([*NOBODY, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield scan
    shutil.rmtree(folder)


def test_no_port_of_a_run_answers_without_its_certificate(slurm, as_nobody, tmp_path):
    template = Template(tmp_path / "template")
    execution = {"executor": "slurm", "cluster": dict(JOBS["slurm"])}
    chain = Chain(template, tmp_path / "chain", slurm, execution=execution)
    chain.make()
    chain.start()
    chain.wait_healthy()
    listening = ports_of(chain)
    # The scheduler and both workers at least.
    assert len(listening) >= 3
    for host in {host for host, _ in listening}:
        assert as_nobody(host, {p for h, p in listening if h == host}) == ""
    for key in chain.run.rglob("*.pem"):
        assert key.stat().st_mode & 0o077 == 0
        done = subprocess.run([*NOBODY, "cat", str(key)], capture_output=True, check=False)
        assert done.returncode != 0
    chain.finish()


def test_the_scan_hears_an_open_scheduler_and_a_dashboard(as_nobody):
    with LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as open_one:
        port = int(open_one.scheduler_address.rpartition(":")[2])
        text = as_nobody("127.0.0.1", {port, open_one.scheduler.http_server.port})
    assert f"{port} answered (clear)" in text
    assert "(web)" in text


def ports_of(chain):
    """Return host and port of everything that processes of a chain listen on."""
    found = set()
    for pid in chain.pids():
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                host = connection.laddr.ip
                found.add(
                    ("127.0.0.1" if host in ("0.0.0.0", "::") else host, connection.laddr.port)
                )
    return found
