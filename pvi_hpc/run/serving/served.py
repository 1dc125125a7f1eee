"""The protocol of what is served: vectors in, vectors out, and what derivatives there are."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import PviError

__all__ = ["HasGradient", "HasHessian", "HasJacobian", "RequestError", "Served", "numbers"]

Array: TypeAlias = NDArray[np.float64]


class RequestError(PviError, ValueError):
    """A request that can never be answered; `kind` is the protocol's name of the fault."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Served(Protocol):
    """A function of one vector to one vector, as UM-Bridge serves it."""

    @property
    def name(self) -> str:
        """Name that clients ask for."""
        ...

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in, and that come out."""
        ...

    def evaluate(self, x: Array) -> Array:
        """Return the result of `x`."""
        ...


@runtime_checkable
class HasGradient(Served, Protocol):
    """Capability: a derivative by the result can be pulled back."""

    def gradient(self, x: Array, sens: Array) -> Array:
        """Return `J^T sens` at `x`."""
        ...


@runtime_checkable
class HasJacobian(Served, Protocol):
    """Capability: a direction can be pushed forward."""

    def apply_jacobian(self, x: Array, vec: Array) -> Array:
        """Return `J vec` at `x`."""
        ...


@runtime_checkable
class HasHessian(Served, Protocol):
    """Capability: second derivatives, or what stands for them."""

    def apply_hessian(self, x: Array, sens: Array, vec: Array) -> Array:
        """Return the Hessian of `sens . result` at `x`, times `vec`."""
        ...


def numbers(values: object, size: int, name: str) -> Array:
    """Return a vector of finite numbers; RequestError where it is none of this size."""
    if not isinstance(values, Sequence) or len(values) != size:
        got = f"{len(values)} numbers" if isinstance(values, Sequence) else repr(values)[:40]
        raise RequestError("InvalidInput", f"'{name}' must have {size} numbers, got {got}.")
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as fault:
        raise RequestError("InvalidInput", f"'{name}' must be numbers: {fault}.") from fault
    if array.shape != (size,) or not np.isfinite(array).all():
        raise RequestError("InvalidInput", f"'{name}' must be finite numbers.")
    return array
