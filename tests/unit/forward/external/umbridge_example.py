"""A server of the package `umbridge` in a process of its own, and settings that use it."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from external_example import EXAMPLES

SERVER = Path(__file__).with_name("umbridge_server.py")


@contextmanager
def serving(*words, port=None):
    """Start a server, at a free port unless one is given; yield its address and process."""
    port = port or _free_port()
    path = os.pathsep.join(map(str, [SERVER.parent, EXAMPLES]))
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port), *words],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def rays(url, **settings):
    """Return the section `forward` of the served travel times."""
    tree = {"kind": "umbridge", "url": url, "model": "rays", "input": 1, "output": 1}
    return {**tree, "other_inputs": [[1.0]], **settings}


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(process, port):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")
