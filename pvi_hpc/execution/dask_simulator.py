"""A simulator that spreads shots over Dask workers, each with its own MPI gang."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.cost import SimulationCount
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import PviError, SimulationError
from pvi_hpc.execution.dispatch.batch import Sample, make_samples
from pvi_hpc.execution.dispatch.dispatcher import Dispatcher
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.dispatch.recovery import Policy
from pvi_hpc.execution.executor import Executor
from pvi_hpc.execution.gang.gang import GangSettings
from pvi_hpc.execution.gang.worker_plugin import GangPlugin
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.forward.problem import Want
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.simulator import BatchResult, NoiseResult, ProductResult

__all__ = ["DaskSimulator"]

Models = Iterable[NDArray[np.float32]]
Shots = Sequence[Sequence[int]]


class DaskSimulator:
    """Implements `Simulator`; used as a context manager, which owns workers and gangs.

    Results are bitwise independent of the number of workers, of the order in which tasks
    finish, and of failures on the way. They depend on `execution.shots_per_task` to
    rounding, because it says where sums are cut.

    Parameters
    ----------
    executor
        Source of workers; started and closed by this object.
    setup
        The forward problem.
    execution
        Workers, ranks, threads, chunk size, retries and time limit.
    ledger
        Ledger in which failures are noted.
    gang_module
        Module that the ranks of a gang run, if not the native solver.
    patience_s
        Time to wait for a worker when all are gone [s]; None: the executor says.
    """

    def __init__(
        self,
        executor: Executor,
        setup: SimulationSetup,
        execution: ExecutionSettings,
        ledger: Ledger | None = None,
        *,
        gang_module: str = "pvi_hpc.execution.gang.ranks",
        patience_s: float | None = None,
    ) -> None:
        self.executor, self.execution = executor, execution
        # Workers have a working directory of their own.
        survey = str(Path(setup.survey).resolve())
        room = setup.scratch + _bytes_of_traces(setup, execution.shots_per_task)
        self.setup = replace(setup, survey=survey, threads=execution.threads, scratch=room)
        self.ledger = ledger if ledger is not None else Ledger()
        self._fingerprint = self.setup.fingerprint()
        self._gang_module, self._patience_s = gang_module, patience_s
        self._client: Any = None
        self._pool: WorkerPool | None = None

    def __enter__(self) -> Self:
        settings = GangSettings(
            ranks=self.execution.ranks,
            threads=self.execution.threads,
            timeout_s=self.execution.timeout_s,
            module=self._gang_module,
            launcher=self.execution.cluster.launcher,
        )
        try:
            self._client = self.executor.start(self.execution.workers)
            self._client.register_plugin(GangPlugin(self.setup, settings))
        except BaseException:
            self.close()
            raise
        self._pool = WorkerPool(
            self._client, self.executor, self.execution.workers, self.ledger, self._patience_s
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def client(self) -> Any:
        """The Dask client of the running workers."""
        return self._client

    @property
    def pool(self) -> WorkerPool:
        """The running workers.

        Raises
        ------
        SimulationError
            If the simulator is not running.
        """
        if self._pool is None:
            raise SimulationError("The simulator is not running: use it in a 'with' block.")
        return self._pool

    def close(self) -> None:
        """End workers and gangs; safe to call twice."""
        self._pool = self._client = None
        try:
            self.ledger.flush()
        finally:  # Also where the disk is full: workers must end.
            self.executor.close()

    def misfit_and_gradient(
        self, models: Models, shots: Shots, precisions: Sequence[float] = ()
    ) -> BatchResult:
        """Simulate models `(nz, ny, nx)` and compare; see `Simulator`.

        Raises
        ------
        SimulationError
            If a task failed more often than `execution.retries` allows, and fewer samples
            than `execution.min_samples` would be left.
        """
        # Zero where a model has no shot. Filled as gradients come: there is one copy of each.
        gradients = np.zeros((len(shots), *self.setup.grid.shape))

        def keep(sample: Sample) -> None:
            gradients[sample.i], sample.answer = sample.answer, None

        samples, count = self._run(
            models, shots, "gradient", keep, precisions=floats(precisions)
        )
        for sample in samples:
            if sample.dropped:
                gradients[sample.i] = np.nan
        squares = tuple(sample.squares for sample in samples)
        return BatchResult(np.array([s.misfit for s in samples]), gradients, count, squares)

    def noise_gradients(
        self,
        models: Models,
        shots: Sequence[int],
        keys: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> NoiseResult:
        """Return the gradients of noise of one shot for each model; see `NoiseSimulator`.

        Raises
        ------
        SimulationError
            If a task failed more often than `execution.retries` allows; none may be missing.
        """
        gradients = np.zeros((len(shots), len(keys), *self.setup.grid.shape))

        def keep(sample: Sample) -> None:
            gradients[sample.i], sample.answer = sample.answer, None

        each, whole = [(shot,) for shot in shots], tuple(int(key) for key in keys)
        _, count = self._run(models, each, "noise", keep, whole, floats(precisions))
        return NoiseResult(gradients, count)

    def products(
        self,
        model: NDArray[np.float32],
        directions: Sequence[NDArray[np.float32]],
        shots: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> ProductResult:
        """Return Gauss-Newton products; see `ProductSimulator`.

        Raises
        ------
        SimulationError
            If a task failed more often than `execution.retries` allows; none may be missing.
        """
        products = np.zeros((len(directions), *self.setup.grid.shape))

        def keep(sample: Sample) -> None:
            products[sample.i], sample.answer = sample.answer, None

        pairs = (np.stack([model, direction]) for direction in directions)
        each = [tuple(shots)] * len(directions)
        _, count = self._run(pairs, each, "product", keep, precisions=floats(precisions))
        return ProductResult(products, count)

    def misfits(
        self, models: Models, shots: Shots, precisions: Sequence[float] = ()
    ) -> NDArray[np.float64]:
        """Return the misfit of each model, summed over its shots, `(n_models,)`.

        `precisions` are those of the groups of data; empty: 1 for all.
        """
        samples, _ = self._run(models, shots, "misfit", precisions=floats(precisions))
        return np.array([sample.misfit for sample in samples])

    def simulate(self, models: Models, shots: Shots) -> list[list[NDArray[np.float32]]]:
        """Return the traces `(n_rec, n_samples)` of each shot of each model."""
        samples, _ = self._run(models, shots, "traces")
        return [sample.answer or [] for sample in samples]

    def _run(
        self,
        models: Models,
        shots: Shots,
        want: Want,
        received: Callable[[Sample], None] | None = None,
        keys: tuple[int, ...] = (),
        precisions: tuple[float, ...] = (),
    ) -> tuple[list[Sample], SimulationCount]:
        pool, size = self.pool, self.execution.shots_per_task
        samples = make_samples(
            self._checked(models, want), shots, size, want, self._fingerprint, keys, precisions
        )
        least = None if want in ("noise", "product") else self.execution.min_samples
        policy = Policy(self.execution.retries, min_samples=least)
        dispatcher = Dispatcher(self._client, pool, self.ledger, policy, want)
        try:
            return dispatcher.run(samples, received), dispatcher.count
        finally:
            self.ledger.add(dispatcher.count)

    def _checked(self, models: Models, want: Want) -> Iterator[NDArray[np.float32]]:
        shape = (2, *self.setup.grid.shape) if want == "product" else self.setup.grid.shape
        for model in models:
            velocity = np.ascontiguousarray(model, dtype=np.float32)
            if velocity.shape != shape:
                raise SimulationError(
                    f"Each of 'models' must have shape {shape}, got {velocity.shape}."
                )
            yield velocity


def floats(values: Sequence[float]) -> tuple[float, ...]:
    """Return numbers as those of Python, which a message holds to the bit."""
    return tuple(float(value) for value in values)


def _bytes_of_traces(setup: SimulationSetup, shots: int) -> int:
    """Return the bytes of the traces that one task may write; 0 where no survey tells."""
    try:
        survey = SurveyFile(setup.survey)
    except (OSError, PviError):
        return 0  # The ranks will say what is wrong with it.
    return 4 * shots * survey.most_receivers * survey.n_samples
