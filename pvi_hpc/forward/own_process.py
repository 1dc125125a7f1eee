"""A simulator whose only solver lives in this process: for problems that take milliseconds."""

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import SolverError
from pvi_hpc.forward.problem import ShotResult, Solver, Want
from pvi_hpc.forward.simulator import BatchResult, NoiseResult, ProductResult
from pvi_hpc.forward.solver_capabilities import ProductSolver, WeighsGroups, answer_of

__all__ = ["OwnProcessSimulator"]

Models = Iterable[NDArray[np.float32]]


class OwnProcessSimulator:
    """A `NoiseSimulator` that asks one solver, model by model; nothing is tried twice."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver

    def misfit_and_gradient(
        self, models: Models, shots: Sequence[Sequence[int]], precisions: Sequence[float] = ()
    ) -> BatchResult:
        """Simulate models `(nz, ny, nx)` [m/s] and compare; as `Simulator`.

        Raises
        ------
        SolverError
            If a simulation fails.
        """
        misfits, gradients, squares, start = [], [], [], time.perf_counter()
        for model, its in zip(models, shots, strict=True):
            found = self._ask(model, its, "gradient", (), precisions)
            misfits.append(found.misfit)
            gradient = found.gradient  # None without shots
            gradients.append(np.zeros(model.shape) if gradient is None else gradient)
            squares.append(np.array(found.squares))
        count = _count(sum(len(its) for its in shots), start)
        return BatchResult(np.array(misfits), np.stack(gradients), count, tuple(squares))

    def noise_gradients(
        self,
        models: Models,
        shots: Sequence[int],
        keys: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> NoiseResult:
        """Return gradients of noise of one shot for each model; as `NoiseSimulator`."""
        found, start = [], time.perf_counter()
        for model, shot in zip(models, shots, strict=True):
            gradient = self._ask(model, [shot], "noise", keys, precisions).gradient
            assert gradient is not None  # there is one rank
            found.append(gradient)
        return NoiseResult(np.stack(found), _count(len(shots), start))

    def products(
        self,
        model: NDArray[np.float32],
        directions: Sequence[NDArray[np.float32]],
        shots: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> ProductResult:
        """Return Gauss-Newton products; as `ProductSimulator`."""
        if not isinstance(self.solver, ProductSolver):
            raise SolverError(f"{type(self.solver).__name__} has no Gauss-Newton products.")
        found, start = [], time.perf_counter()
        for direction in directions:
            self.solver.set_direction(np.ascontiguousarray(direction, dtype=np.float32))
            product = self._ask(model, shots, "product", (), precisions).gradient
            found.append(np.zeros(model.shape) if product is None else product)
        count = _count(len(directions) * len(shots), start)
        return ProductResult(np.stack(found), count)

    def misfits(
        self, models: Models, shots: Sequence[Sequence[int]], precisions: Sequence[float] = ()
    ) -> NDArray[np.float64]:
        """Return the misfit of each model, summed over its shots, `(n_models,)`."""
        pairs = zip(models, shots, strict=True)
        found = [self._ask(m, its, "misfit", (), precisions).misfit for m, its in pairs]
        return np.array(found)

    def traces(
        self, model: NDArray[np.float32], shots: Sequence[int]
    ) -> tuple[NDArray[np.float32], ...]:
        """Return the data of a model, `(n_receivers, n_samples)` a shot."""
        return self._ask(model, shots, "traces").traces

    def _ask(
        self,
        model: NDArray[np.float32],
        shots: Sequence[int],
        want: Want,
        keys: Sequence[int] = (),
        precisions: Sequence[float] = (),
    ) -> ShotResult:
        self.solver.set_model(np.ascontiguousarray(model, dtype=np.float32))
        if isinstance(self.solver, WeighsGroups):
            self.solver.set_precisions(precisions)
        elif len(precisions):
            raise SolverError(f"{type(self.solver).__name__} cannot weigh groups of data.")
        return answer_of(self.solver, shots, want, keys) if len(shots) else ShotResult()


def _count(simulations: int, start: float) -> SimulationCount:
    return SimulationCount(done=simulations, seconds=time.perf_counter() - start)
