"""Calls of a server by the package `umbridge`: in time, and each fault with its class."""

import re
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from pvi_hpc.errors import ConfigError, NonFiniteError, SolverError
from pvi_hpc.forward.external.program import HangingError, UnusableModelError
from pvi_hpc.forward.external.results import BadResultError

__all__ = ["QUOTED", "ServerGoneError", "within"]

T = TypeVar("T")

#: Characters of a server's answer that an error quotes.
QUOTED: Final = 200
#: Python servers write arrays as Python does, and JSON has no such words.
NOT_FINITE: Final = re.compile(r"[\[ ,:-](nan|inf|NaN|Infinity)\b")
#: Errors of the protocol that say that the request can never be answered.
NEVER: Final = ("InvalidInput", "ModelNotFound", "UnsupportedFeature")


class ServerGoneError(SolverError):
    """A server that answers no connection, or ended while it was asked."""

    failure = "crash"


def within(call: Callable[[], T], limit_s: float | None) -> T:
    """Return the result of a call; None: without a time limit.

    Raises
    ------
    ServerGoneError, HangingError
        If the server does not answer, or not in time.
    NonFiniteError, BadResultError
        If it answers with NaN, or with something that is no answer.
    UnusableModelError
        If it says that this can never be answered.
    SolverError
        If its model fails in another way.
    """
    if limit_s is None:
        return _classed(call)
    found: list[T] = []
    faults: list[Exception] = []

    def work() -> None:
        try:
            found.append(_classed(call))
        except Exception as fault:  # Raised again below, in the thread that asked.
            faults.append(fault)

    # A request cannot be interrupted: its thread ends with the answer or with the process.
    worker = threading.Thread(target=work, name="umbridge request", daemon=True)
    worker.start()
    worker.join(limit_s)
    if worker.is_alive():
        raise HangingError(
            f"no answer within {limit_s:g} s ('forward.time_limit_s'); the server may still be "
            "at work on it."
        )
    if faults:
        raise faults[0]
    return found[0]


def _classed(call: Callable[[], T]) -> T:
    """Return the result of a call; what goes wrong gets its class."""
    import requests

    try:
        return call()
    except requests.exceptions.JSONDecodeError as fault:
        text = " ".join(str(fault.doc).split())[:QUOTED]
        if NOT_FINITE.search(str(fault.doc)):
            raise NonFiniteError("the answer holds NaN or infinite values.") from fault
        raise SolverError(f"the answer is no JSON: '{text}'; see the server's log.") from fault
    except requests.exceptions.Timeout as fault:
        raise HangingError(f"no answer in time: {fault}.") from fault
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
    ) as fault:
        raise ServerGoneError(f"the server does not answer ({fault}); start it.") from fault
    except requests.exceptions.RequestException as fault:
        raise SolverError(f"{type(fault).__name__}: {fault}.") from fault
    except (KeyError, TypeError) as fault:
        raise BadResultError(
            f"the answer is not one of UM-Bridge ({type(fault).__name__}: {fault})."
        ) from fault
    except (SolverError, ConfigError):
        raise
    except Exception as fault:  # The package raises bare exceptions for what servers say.
        raise _told(str(fault)) from fault


def _told(text: str) -> SolverError:
    """Return the error for one that the server or its client has put into words."""
    if any(f"type {name}" in text for name in NEVER) or "not supported" in text:
        return UnusableModelError(text)
    return BadResultError(text) if "type InvalidOutput" in text else SolverError(text)
