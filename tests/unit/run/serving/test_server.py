"""The door of a served run: loopback unless told otherwise, and no web page comes in."""

import socket
from dataclasses import dataclass

import numpy as np
import pytest
from serving_example import listening

from pvi_hpc.errors import ConfigError
from pvi_hpc.run.serving.serve import Address
from pvi_hpc.run.serving.server import ModelServer, is_loopback


@dataclass(frozen=True)
class Doubled:
    """A model that needs no run."""

    name: str = "doubled"
    sizes: tuple[int, int] = (2, 2)

    def evaluate(self, x):
        return 2 * x


def post(host, more=""):
    """Return a request as text."""
    head = f"POST /Evaluate HTTP/1.1\nHost: {host}\n{more}Content-Length: {len(BODY)}\n\n"
    return head + BODY


def asked(url, text):
    """Return what a server answers to raw bytes."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as door:
        door.sendall(text.replace("\n", "\r\n").encode())
        found = b""
        while part := door.recv(4096):
            found += part
    return found.decode()


BODY = '{"name": "doubled", "input": [[1, 2.5]]}'


@pytest.fixture(scope="module")
def url():
    with listening([Doubled()]) as url:
        yield url


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:4242", "[::1]:9"])
def test_this_machine_is_answered(url, host):
    assert '{"output": [[2.0, 5.0]]}' in asked(url, post(host))


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("attacker.example", ""),
        ("10.0.0.1:4242", ""),
        ("", ""),
        ("localhost", "Origin: http://attacker.example\n"),
        ("localhost", "Origin: null\n"),
    ],
)
def test_a_web_page_is_refused(url, host, more):
    found = asked(url, post(host, more))
    assert found.startswith("HTTP/1.0 403") and "output" not in found


def test_a_request_without_an_end_or_too_long_is_refused(url):
    long = "POST /Evaluate HTTP/1.1\nHost: localhost\nContent-Length: 99999999999\n\n"
    assert asked(url, long).startswith("HTTP/1.0 413")
    assert asked(url, "POST /Info HTTP/1.1\nHost: localhost\n\n").startswith("HTTP/1.0 413")
    assert asked(url, "GET /Info HTTP/1.1\nHost: localhost\n\n").endswith('["doubled"]}')


def test_a_client_that_goes_away_does_not_end_the_server(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as door:
        door.sendall(
            b"POST /Evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
        )
    assert '{"output"' in asked(url, post("localhost"))


def test_only_loopback_is_listened_at(url):
    port = int(url.rsplit(":", 1)[1])
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        own = _address_of_a_network()
    with socket.socket() as door:
        door.settimeout(2)
        assert door.connect_ex((own, port)) != 0


def _address_of_a_network():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent.
        except OSError:
            pytest.skip("This machine has no network.")
        return probe.getsockname()[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "node7", ""])
def test_other_addresses_need_an_explicit_option(host):
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="'--host' must be of this machine alone"):
        Address(host).check()
    Address(host, remote=True).check()


def test_loopback_needs_none():
    for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"):
        Address(host).check()


def test_a_port_that_is_taken_or_none_is_refused(url):
    port = int(url.rsplit(":", 1)[1])
    for wrong in (port, 70000):
        with pytest.raises(ConfigError, match="choose another port, or 0"):
            ModelServer([Doubled()], "127.0.0.1", wrong)


def test_results_that_are_not_finite_are_errors():
    class Broken(Doubled):
        def evaluate(self, x):
            return np.full(2, np.nan)

    with listening([Broken()]) as url:
        found = asked(url, post("localhost"))
    assert found.startswith("HTTP/1.0 500") and "NaN or infinite" in found
