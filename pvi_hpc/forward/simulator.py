"""The one interface every forward problem implements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.cost import SimulationCount

__all__ = [
    "BatchResult",
    "NoiseResult",
    "NoiseSimulator",
    "ProductResult",
    "ProductSimulator",
    "Simulator",
]


@dataclass(frozen=True)
class BatchResult:
    """Misfits and gradients of a batch of models.

    Parameters
    ----------
    misfits
        ``0.5 * sum(((simulated - observed) / noise_sd)**2)`` over the shots asked for,
        `(n_models,)` float64, dimensionless. Not scaled by the number of shots. NaN for a
        sample that was dropped, as its gradient; `count` says how many were.
    gradients
        Derivative of each misfit by velocity, `(n_models, nz, ny, nx)` float64 [s/m].
    count
        Simulations done, failed and retried, and their worker seconds.
    squares
        Sums of squared residuals, by the given noise sd, of each group of data, one array
        `(G,)` a model; empty where there are no groups, or the sample was dropped.
    """

    misfits: NDArray[np.float64]
    gradients: NDArray[np.float64]
    count: SimulationCount = field(default_factory=SimulationCount)
    squares: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True)
class NoiseResult:
    """Gradients of noise `(n_models, n_keys, nz, ny, nx)` float64 [s/m], and their cost."""

    gradients: NDArray[np.float64]
    count: SimulationCount = field(default_factory=SimulationCount)


@dataclass(frozen=True)
class ProductResult:
    """Gauss-Newton products `(n_directions, nz, ny, nx)` float64 [s2/m2], and their cost."""

    products: NDArray[np.float64]
    count: SimulationCount = field(default_factory=SimulationCount)


class Simulator(Protocol):
    """Turns a batch of models into misfits and gradients."""

    def misfit_and_gradient(
        self,
        models: Iterable[NDArray[np.float32]],
        shots: Sequence[Sequence[int]],
        precisions: Sequence[float] = (),
    ) -> BatchResult:
        """Simulate `models`, each `(nz, ny, nx)` [m/s], taken one by one.

        `shots[i]` are the indices into the survey's shots that model `i` is compared with;
        `precisions` multiply the squares of each group of data in the misfit, empty: 1.
        """
        ...


@runtime_checkable
class NoiseSimulator(Simulator, Protocol):
    """Capability of a simulator whose solvers have gradients of noise."""

    def noise_gradients(
        self,
        models: Iterable[NDArray[np.float32]],
        shots: Sequence[int],
        keys: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> NoiseResult:
        """Return `J^T w` of one shot for each model, for every key of random signs `w`.

        See `pvi_hpc.forward.solver_capabilities.NoiseSolver`. Counts one simulation for each
        model, whatever the number of keys.
        """
        ...


@runtime_checkable
class ProductSimulator(Simulator, Protocol):
    """Capability of a simulator whose solvers have Gauss-Newton products."""

    def products(
        self,
        model: NDArray[np.float32],
        directions: Sequence[NDArray[np.float32]],
        shots: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> ProductResult:
        """Return `J^T W J v`, summed over `shots`, for each of `directions` `v`.

        See `pvi_hpc.forward.solver_capabilities.ProductSolver`; model and directions are
        `(nz, ny, nx)` [m/s]. Counts one simulation, a Born run and an adjoint one, for each
        direction and shot.
        """
        ...
