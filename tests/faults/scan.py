"""Connect to ports as a stranger would: `python3 scan.py HOST CERTIFICATE KEY PORT ...`.

Only the standard library, so that any user's Python can run it. Prints the ports that said
anything: in the clear, to a request for a web page, or behind TLS with the certificate given
or with none.
"""

import socket
import ssl
import sys

TIMEOUT_S = 1.5


def main() -> None:
    """Try every port in every way."""
    host, certificate, key, *ports = sys.argv[1:]
    for port in map(int, ports):
        tries = {
            "clear": lambda p=port: heard(connect(host, p)),
            "web": lambda p=port: heard(connect(host, p), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            "mpi": lambda p=port: heard(connect(host, p), b"HYD" + bytes(9)),
            "tls": lambda p=port: heard(sealed(host, p)),
            "other certificate": lambda p=port: heard(sealed(host, p, certificate, key)),
        }
        for name, attempt in tries.items():
            try:
                data = attempt()
            except OSError:  # Refused, reset, timed out, or a TLS alert.
                continue
            # 0x15 begins an alert of TLS: the refusal of whoever does not speak it.
            if data and data[0] != 0x15:
                print(f"{port} answered ({name}): {data[:20]!r}")
                break


def connect(host: str, port: int) -> socket.socket:
    """Return a connection in the clear."""
    return socket.create_connection((host, port), timeout=TIMEOUT_S)


def sealed(host: str, port: int, certificate: str = "", key: str = "") -> socket.socket:
    """Return a connection with TLS that trusts anybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    return context.wrap_socket(connect(host, port))


def heard(connection: socket.socket, say: bytes = b"") -> bytes:
    """Return what the other side says, at once or after `say`."""
    with connection:
        if say:
            connection.sendall(say)
        return connection.recv(100)


if __name__ == "__main__":
    main()
