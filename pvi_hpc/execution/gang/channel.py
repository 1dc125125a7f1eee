"""JSON messages between a worker and its gang over a private Unix socket."""

import json
import select
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Channel", "listen"]

Message = dict[str, Any]


class Channel:
    """One line of JSON a message. Arrays travel as files beside the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to a socket that `listen` made."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path))
        return cls(connection)

    def send(self, message: Message) -> None:
        """Send one message."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Message | None:
        """Wait for a message; None: the other side is gone."""
        while b"\n" not in self._buffer:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: Message = json.loads(line)
        return message

    def ready(self, timeout: float) -> bool:
        """Tell whether a message, or the end, comes within `timeout` [s]."""
        if b"\n" in self._buffer:
            return True
        return bool(select.select([self._socket], [], [], timeout)[0])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def listen(path: Path) -> socket.socket:
    """Return a socket that one gang can connect to."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    return server
