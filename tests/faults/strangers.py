"""Another user of this machine, who tries everything that a run leaves open."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest
from distributed.security import Security

__all__ = ["Stranger", "listening_ports", "private_paths", "unix_listeners"]

PYTHON = "/usr/bin/python3"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
MEMORY = Path("/dev/shm")
#: Flag of a Unix socket that takes connections, as /proc/net/unix has it.
LISTENING = "00010000"


class Stranger:
    """Runs commands as another user, with a certificate of its own; a context manager."""

    def __enter__(self):
        lacks_root = os.getuid() != 0 or shutil.which("setpriv") is None
        if lacks_root or not Path(PYTHON).exists():
            pytest.skip(f"needs root, setpriv and {PYTHON} to become another user")
        self.folder = Path(tempfile.mkdtemp(prefix="pvi-scan-", dir="/tmp"))
        self.folder.chmod(0o755)
        own = Security.temporary()
        (self.folder / "certificate.pem").write_text(own.tls_client_cert)
        (self.folder / "key.pem").write_text(own.tls_client_key)
        shutil.copy(Path(__file__).with_name("scan.py"), self.folder)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def can(self, *command):
        """Tell whether a command succeeds."""
        done = subprocess.run([*NOBODY, *command], capture_output=True, check=False)
        return done.returncode == 0

    def does(self, *command):
        """Run a command that must succeed; return what it printed."""
        done = subprocess.run([*NOBODY, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def scan(self, ports):
        """Return what answered of host and port pairs."""
        files = [str(self.folder / name) for name in ("scan.py", "certificate.pem", "key.pem")]
        said = ""
        for host in sorted({host for host, _ in ports}):
            numbers = [str(p) for h, p in sorted(ports) if h == host]
            said += self.does(PYTHON, files[0], host, *files[1:], *numbers)
        return said


def listening_ports(pids):
    """Return host and port of everything that processes listen on, as they can be reached."""
    found = set()
    for pid in pids:
        for connection in psutil.Process(pid).net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                host, port = connection.laddr
                found.add(("127.0.0.1" if host in ("0.0.0.0", "::") else host, port))
    return found


def unix_listeners(pids):
    """Return the names of the Unix sockets on which processes take connections."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            target = str(handle.readlink())
            if target.startswith("socket:"):
                inodes.add(target[8:-1])
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {x[7] for x in lines if len(x) > 7 and x[3] == LISTENING and x[6] in inodes}


def private_paths(pids, temporary):
    """Return what a run has in `/dev/shm` and the temporary folder: by owner, or mapped."""
    owners = {str(pid) for pid in pids}
    named = [path for root in (MEMORY, Path(temporary)) for path in root.glob("*pvi-*")]
    found = {path for path in named if owners & set(path.name.split("-"))}
    for pid in pids:
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        paths = [Path(line.split(maxsplit=5)[-1]) for line in maps if f" {MEMORY}/" in line]
        found |= {path for path in paths if path.exists()}
    return found
