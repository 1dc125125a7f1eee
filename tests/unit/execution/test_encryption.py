"""A stranger on the network gets nothing from a scheduler and a worker of ours."""

import os
import socket
import ssl
import stat
import subprocess
import sys
import tempfile

import psutil
import pytest
from distributed import Client, Security

from pvi_hpc.execution.cluster.encryption import make_security, start_scheduler
from pvi_hpc.execution.cluster.worker_jobs import COMMAND, WORKER


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A sealed scheduler in this process, a sealed worker in another, and their client."""
    folder = tmp_path_factory.mktemp("sealed")
    security = make_security(folder / "private")
    thesis = someone_was_here_first(folder / "tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        cluster, client = start_scheduler(security, None)
    files = security.get_tls_config_for_role("worker")
    command = [sys.executable, "-m", COMMAND, cluster.scheduler_address]
    command += [
        "--worker-class",
        WORKER,
        "--nthreads",
        "1",
    ]
    command += ["--tls-ca-file", files["ca_file"], "--tls-cert", files["cert"]]
    command += ["--tls-key", files["key"]]
    temporary = folder / "tmp"
    worker = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    client.wait_for_workers(1, timeout=60)
    yield cluster, client, worker
    assert client.submit(os.getcwd).result(timeout=30)
    client.close()
    cluster.close()
    worker.terminate()
    worker.wait(20)
    assert thesis.read_text() == "years of work"
    assert [path.name for path in temporary.iterdir()] == ["dask-scratch-space"]


def someone_was_here_first(temporary):
    """Make what Dask would use in a temporary folder, with a link to a file of ours in it."""
    work, thesis = temporary / "dask-scratch-space", temporary.parent / "thesis.tex"
    work.mkdir(parents=True)
    thesis.write_text("years of work")
    for name in ("global.lock", "purge.lock"):
        (work / name).symlink_to(thesis)
    return thesis


def ports_of(pid):
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    connections = [c for p in processes for c in p.net_connections("tcp")]
    return {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}


def answer(address, context):
    """Return what comes back for a line of HTTP, or the reason why nothing does."""
    host, port = address
    try:
        channel = socket.create_connection((host, port), timeout=5)
        with context.wrap_socket(channel) if context else channel as channel:
            channel.settimeout(5)
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return channel.recv(100)
    except (OSError, ssl.SSLError):
        return b""


def test_no_port_answers_without_the_certificate(running):
    cluster, client, worker = running
    assert client.submit(sum, [1, 2]).result(timeout=30) == 3
    host, _, port = cluster.scheduler_address.removeprefix("tls://").rpartition(":")
    ports = {(host, int(port)), *ports_of(worker.pid)}
    assert len(ports) >= 3  # scheduler, nanny, worker
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for address in ports:
        assert answer(address, None) == b"", address
        assert b"HTTP" not in answer(address, stranger), address


def test_another_certificate_is_refused(running, tmp_path):
    cluster, _, _ = running
    other = make_security(tmp_path / "other")
    for security in (other, Security(require_encryption=True)):
        with pytest.raises((OSError, TimeoutError, RuntimeError, TypeError)):
            Client(cluster.scheduler_address, security=security, timeout=2)


def test_the_key_is_for_this_user_only(tmp_path):
    private = tmp_path / "private"
    make_security(private)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    for file in private.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
