"""Network interfaces of scheduler and workers, and their silence towards strangers."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, Final

import psutil
from distributed.comm import connect
from distributed.core import send_recv
from distributed.security import Security

from pvi_hpc.selftest.outcome import Outcome, failed, passed

__all__ = ["answers_strangers", "check_dashboards", "check_interfaces", "check_strangers"]

TIMEOUT_S: Final = 3


def check_interfaces(addresses: dict[str, str]) -> Iterator[Outcome]:
    """Say where scheduler and workers listen; `addresses` says who each one is."""
    names = {
        address.address: name
        for name, found in psutil.net_if_addrs().items()
        for address in found
    }
    hosts = {who: _host(address) for address, who in addresses.items()}
    seen = ", ".join(
        f"{who} {host} ({names.get(host, 'elsewhere')})" for who, host in hosts.items()
    )
    loopback = [who for who, host in hosts.items() if host.startswith("127.")]
    far = [who for who, host in hosts.items() if not host.startswith("127.")]
    if loopback and far:
        remedy = "set cluster.interface to a network that all nodes share (ip -br addr)"
        yield failed("interfaces", f"{seen}: some on loopback, some not", remedy)
        return
    yield passed("interfaces", seen)


def check_strangers(addresses: dict[str, str]) -> Iterator[Outcome]:
    """Try to speak to every address without the run's certificate."""
    what = "encryption"
    open_to_all = [who for a, who in addresses.items() if answers_strangers(a)]
    if open_to_all:
        remedy = "report it: whoever reaches these ports can run programs as you"
        yield failed(what, f"{', '.join(open_to_all)} answered a stranger", remedy)
        return
    yield passed(what, f"{len(addresses)} ports speak TLS and refuse other certificates")


def check_dashboards(
    services: dict[str, dict[str, int]],
) -> Iterator[Outcome]:
    """Try to reach every dashboard where others could; `services` gives ports by address."""
    reached = []
    for address, ports in services.items():
        host = _host(address)
        others = [host] if not host.startswith("127.") else _own_addresses()
        reached += [
            f"{other}:{p}" for other in others for p in ports.values() if _opens(other, p)
        ]
    if reached:
        remedy = "report it: dashboards must listen on loopback only"
        yield failed("dashboards", f"reachable at {', '.join(reached)}", remedy)
        return
    yield passed("dashboards", f"none reachable from elsewhere, of {len(services)} processes")


def answers_strangers(address: str) -> bool:
    """Tell whether a Dask process answers somebody without the run's certificate.

    Tried in the clear, and with another certificate of the right form.
    """
    where = address.partition("://")[2]
    return asyncio.run(_answers(f"tcp://{where}", {})) or asyncio.run(
        _answers(f"tls://{where}", Security.temporary().get_connection_args("client"))
    )


async def _answers(address: str, arguments: dict[str, Any]) -> bool:
    try:
        comm = await connect(address, timeout=TIMEOUT_S, **arguments)
    except (OSError, TimeoutError):
        return False
    try:
        reply = await asyncio.wait_for(send_recv(comm, op="identity"), TIMEOUT_S)
    except (OSError, TimeoutError):
        return False
    finally:
        comm.abort()
    return bool(reply)


def _host(address: str) -> str:
    return address.partition("://")[2].rpartition(":")[0]


def _own_addresses() -> list[str]:
    return [
        address.address
        for found in psutil.net_if_addrs().values()
        for address in found
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]


def _opens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return True
    except OSError:
        return False
