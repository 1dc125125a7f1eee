"""Capabilities that a solver may have beyond those of every solver, each a protocol."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from pvi_hpc.errors import SolverError
from pvi_hpc.forward.problem import ShotResult, Solver, Want

__all__ = ["NoiseSolver", "ProductSolver", "WeighsGroups", "answer_of"]

Array = NDArray[Any]


@runtime_checkable
class NoiseSolver(Solver, Protocol):
    """Capability of a solver that can pull any change of its data back to the model."""

    def noise_gradients(self, shot: int, keys: Sequence[int]) -> ShotResult:
        """Return `J^T w` for each key, `(n_keys, nz, ny, nx)` float64, as gradient.

        `J` is the derivative of the data of `shot` by the model, and `w` random signs, divided
        by the noise sd, that belong to the key and the shot. The covariance of `J^T w` is then
        `J^T W J`, the Gauss-Newton Hessian of the shot's misfit (Tang 2009, Geophysics 74(6)).
        Errors as `simulate`.
        """
        ...


@runtime_checkable
class ProductSolver(Solver, Protocol):
    """Capability of a solver that can linearise its data, and pull changes of them back."""

    def set_direction(self, direction: Array) -> None:
        """Set the change `v` of the model `(nz, ny, nx)`, given on every rank."""
        ...

    def products(self, shots: Sequence[int]) -> ShotResult:
        """Return `J^T W J v`, summed over `shots`, `(nz, ny, nx)` float64, as gradient.

        `J` is the derivative of the data by the model, and `W` the matrix that half of the
        product of residuals with is the misfit: their Gauss-Newton Hessian. Errors as
        `simulate`.
        """
        ...


@runtime_checkable
class WeighsGroups(Protocol):
    """Capability of a solver whose misfit has a precision for each group of data."""

    def set_precisions(self, precisions: Sequence[float]) -> None:
        """Set the factor of the squares of each group `(G,)`; empty: 1 for all."""
        ...


def answer_of(
    solver: Solver, shots: Sequence[int], want: Want, keys: Sequence[int]
) -> ShotResult:
    """Return what a solver is asked for; `keys` of noise are for one shot.

    Raises
    ------
    SolverError
        As `Solver.simulate`; or if the solver has no gradients of noise, or no products.
    """
    if want == "product":
        if not isinstance(solver, ProductSolver):
            raise SolverError(f"{type(solver).__name__} has no Gauss-Newton products.")
        return solver.products(shots)
    if want != "noise":
        return solver.simulate(shots, want)
    if not isinstance(solver, NoiseSolver):
        raise SolverError(f"{type(solver).__name__} has no gradients of noise.")
    (shot,) = shots
    return solver.noise_gradients(shot, keys)
