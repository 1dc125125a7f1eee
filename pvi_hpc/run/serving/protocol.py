"""UM-Bridge's requests and answers, as JSON values: no sockets, no files.

The protocol is version 1.0 of Seelinger et al. (2023), JOSS 8(83), 4748. Every model that is
served has one input vector and one output vector, and takes no settings.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pvi_hpc.errors import PviError, SolverError
from pvi_hpc.run.serving.served import (
    Array,
    HasGradient,
    HasHessian,
    HasJacobian,
    RequestError,
    Served,
    numbers,
)

__all__ = ["answer", "longest_request"]

VERSION: Final = 1.0
#: Longest text of a number, and of all else in a request [bytes].
BYTES_PER_NUMBER: Final = 32
BYTES_OF_THE_REST: Final = 2**20


def longest_request(models: Sequence[Served]) -> int:
    """Return the bytes that a request can have: input, direction and sensitivity."""
    numbers = max(2 * size_in + size_out for size_in, size_out in (m.sizes for m in models))
    return BYTES_PER_NUMBER * numbers + BYTES_OF_THE_REST


def answer(models: Sequence[Served], path: str, body: bytes) -> tuple[int, bytes]:
    """Return the HTTP status and the JSON text that answer a request; never an exception.

    Faults of a request have status 400, those of a simulation 500.
    """
    try:
        found = _answered(models, path, body)
        return 200, json.dumps(found, allow_nan=False).encode()
    except RequestError as fault:
        return 400, _error(fault.kind, str(fault))
    except SolverError as fault:
        return 500, _error(fault.failure, str(fault))
    except (PviError, ValueError, ArithmeticError) as fault:
        return 500, _error(type(fault).__name__, str(fault))


def _answered(models: Sequence[Served], path: str, body: bytes) -> dict[str, Any]:
    if path == "/Info":
        return {"protocolVersion": VERSION, "models": [model.name for model in models]}
    request = _request(body)
    model = _chosen(models, request)
    if path == "/ModelInfo":
        return {"support": _support(model)}
    if request.get("config"):
        raise RequestError(
            "InvalidInput", f"'config' must be empty, got {str(request['config'])[:80]}."
        )
    if path == "/InputSizes":
        return {"inputSizes": [model.sizes[0]]}
    if path == "/OutputSizes":
        return {"outputSizes": [model.sizes[1]]}
    if path not in ANSWERS:
        raise RequestError(
            "UnsupportedFeature", f"'{path[:40]}' is not part of UM-Bridge, or not served."
        )
    name, work = ANSWERS[path]
    if not _support(model)[name]:
        raise RequestError("UnsupportedFeature", f"'{model.name}' has no {name}.")
    return {"output": work(model, request)}


def _request(body: bytes) -> Mapping[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise RequestError("InvalidInput", f"The request must be JSON: {fault}.") from fault
    if not isinstance(request, dict):
        raise RequestError("InvalidInput", "The request must be a JSON object.")
    return request


def _chosen(models: Sequence[Served], request: Mapping[str, Any]) -> Served:
    name = request.get("name")
    for model in models:
        if model.name == name:
            return model
    offered = ", ".join(model.name for model in models)
    raise RequestError("ModelNotFound", f"'name' must be one of {offered}, got {name!r:.40}.")


def _support(model: Served) -> dict[str, bool]:
    return {
        "Evaluate": True,
        "Gradient": isinstance(model, HasGradient),
        "ApplyJacobian": isinstance(model, HasJacobian),
        "ApplyHessian": isinstance(model, HasHessian),
    }


def _input(model: Served, request: Mapping[str, Any]) -> Array:
    """Return the input vector; RequestError where another one is meant."""
    given = request.get("input")
    if not isinstance(given, list) or len(given) != 1:
        raise RequestError("InvalidInput", "'input' must be a list of one vector.")
    for index in ("inWrt", "outWrt", "inWrt1", "inWrt2"):
        if request.get(index, 0) != 0:
            raise RequestError("InvalidInput", f"'{index}' must be 0, got {request[index]!r}.")
    return numbers(given[0], model.sizes[0], "input")


def _evaluate(model: Any, request: Mapping[str, Any]) -> list[list[float]]:
    return [_finite(model.evaluate(_input(model, request)))]


def _gradient(model: Any, request: Mapping[str, Any]) -> list[float]:
    sens = numbers(request.get("sens"), model.sizes[1], "sens")
    return _finite(model.gradient(_input(model, request), sens))


def _jacobian(model: Any, request: Mapping[str, Any]) -> list[float]:
    vec = numbers(request.get("vec"), model.sizes[0], "vec")
    return _finite(model.apply_jacobian(_input(model, request), vec))


def _hessian(model: Any, request: Mapping[str, Any]) -> list[float]:
    sens = numbers(request.get("sens"), model.sizes[1], "sens")
    vec = numbers(request.get("vec"), model.sizes[0], "vec")
    return _finite(model.apply_hessian(_input(model, request), sens, vec))


def _finite(values: Array) -> list[float]:
    if not np.isfinite(values).all():
        raise SolverError("The result holds NaN or infinite values.")
    found: list[float] = values.tolist()
    return found


#: Name of the capability and the work of each request that computes.
ANSWERS: Final[Mapping[str, tuple[str, Callable[[Any, Mapping[str, Any]], Any]]]] = {
    "/Evaluate": ("Evaluate", _evaluate),
    "/Gradient": ("Gradient", _gradient),
    "/ApplyJacobian": ("ApplyJacobian", _jacobian),
    "/ApplyHessian": ("ApplyHessian", _hessian),
}


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"error": {"type": kind, "message": message}}).encode()
