"""An HTTP server of this machine alone: one request at a time, loopback unless told otherwise.

A port has no password: whoever can connect can simulate. That is every user of the machine on
loopback, and every machine that reaches it otherwise. Web pages in a browser of this machine
are kept out: they name another host, or send their origin.
"""

import ipaddress
import logging
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET6
from typing import Any, Final
from urllib.parse import urlsplit

from pvi_hpc.errors import ConfigError
from pvi_hpc.run.serving.protocol import answer, longest_request
from pvi_hpc.run.serving.served import Served

__all__ = ["ModelServer", "is_loopback"]

log = logging.getLogger(__name__)

#: Longest silence of a client in the middle of a request [s].
SILENCE_S: Final = 30.0
#: Time between two looks at whether to stop [s].
LOOK_S: Final = 0.2


def is_loopback(host: str) -> bool:
    """Tell whether a host is only reached from this machine; a name must be `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ModelServer:
    """A server of models.

    Parameters
    ----------
    models
        What is served.
    host, port
        Address to listen at; port 0: any free one.

    Raises
    ------
    ConfigError
        If nobody can listen there.
    """

    def __init__(self, models: Sequence[Served], host: str, port: int) -> None:
        self.models = models
        try:
            self._server = _server(host, port)
        except (OSError, OverflowError) as fault:
            raise ConfigError(
                f"'--host' and '--port' must be an address to listen at, got {host} and "
                f"{port}: {fault}; choose another port, or 0 for any free one."
            ) from fault
        self._server.models = models
        self._server.only_loopback = is_loopback(host)
        self._server.timeout = LOOK_S
        self.host = host

    @property
    def url(self) -> str:
        """The address of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._server.server_address[1]}"

    def serve(self, stop: Callable[[], bool]) -> None:
        """Answer requests until `stop` says so."""
        try:
            while not stop():
                self._server.handle_request()
        finally:
            self._server.server_close()


class _Server(HTTPServer):
    models: Sequence[Served] = ()
    only_loopback = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a client that went away; the next one is served."""
        log.debug("A request of %s was not answered", client_address, exc_info=True)


class _Server6(_Server):
    address_family = AF_INET6


def _server(host: str, port: int) -> _Server:
    kind = _Server6 if ":" in host else _Server
    return kind((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and sends what `answer` returns; connections end with the answer."""

    timeout = SILENCE_S
    server: _Server

    def do_GET(self) -> None:
        """Answer `/Info`."""
        self._reply(b"{}")

    def do_POST(self) -> None:
        """Answer everything else."""
        text = self.headers.get("Content-Length", "")
        longest = longest_request(self.server.models)
        if not text.isdigit() or int(text) > longest:
            self.send_error(413, f"Content-Length must be at most {longest}")
            return
        self._reply(self.rfile.read(int(text)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: a chain makes thousands of requests."""
        log.debug(format, *args)

    def _reply(self, body: bytes) -> None:
        if self._from_elsewhere():
            self.send_error(403, "Requests of web pages are refused")
            return
        status, text = answer(self.server.models, self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _from_elsewhere(self) -> bool:
        """Tell whether a web page sent the request, or the name of the host is not ours."""
        if "Origin" in self.headers:
            return True
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        return self.server.only_loopback and not (name is not None and is_loopback(name))
