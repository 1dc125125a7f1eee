"""The native acoustic solver as a Python object: one plan on one communicator."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Component
from pvi_hpc.errors import SolverError
from pvi_hpc.forward.acoustic.component import integrate, integrate_adjoint
from pvi_hpc.forward.acoustic.history.storage import Storage, native_storage
from pvi_hpc.forward.acoustic.native_run import NativeArrays, Run
from pvi_hpc.forward.acoustic.solver_settings import (
    SolverSettings,
    decomposition,
    native_config,
)
from pvi_hpc.forward.collective import on_every_rank
from pvi_hpc.forward.mpi import this_process

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["AcousticSolver", "BornTraces", "SolverSettings", "Timers", "decomposition"]

Array = NDArray[Any]
T = TypeVar("T")


class Timers(NamedTuple):
    """Seconds of computing, and of waiting for cells of other ranks, in so many steps."""

    compute: float
    wait: float
    steps: int


class BornTraces(NamedTuple):
    """Traces `(n_rec, nt)` and their derivative along a direction of the model."""

    traces: Array
    linearised: Array


class AcousticSolver:
    """Forward runs, their linearisation and exact gradients; every method is collective.

    Parameters
    ----------
    settings
        Grid, time step and absorbing layer; the same on every rank.
    comm
        Ranks that share the grid. None: this process alone.
    storage
        Storage of runs with `store=True`; the default is exact and takes most memory.

    Raises
    ------
    SolverError
        On every rank, if any rank was given something unusable.
    """

    def __init__(
        self,
        settings: SolverSettings,
        comm: "MPI.Comm | None" = None,
        storage: Storage | None = None,
    ) -> None:
        self._plan: Any = None
        self.settings = settings
        self.storage = Storage() if storage is None else storage
        self.comm = this_process() if comm is None else comm
        self._native = settings.native
        self._arrays = NativeArrays(self._native, settings)
        self._stored: Run | None = None
        self._reserved = 0  # time samples that the storage is made for
        if self.comm.size > 1:
            mine = (settings, self.storage)
            if len(set(self.comm.allgather(mine))) > 1:
                raise SolverError("the ranks were given different settings.")
        # Names the largest usable number of ranks if this one is not.
        decomposition(settings, self.comm.size)
        plan = self._native.ffi.new("pvi_plan **")
        self._native.call("create", native_config(settings), self.comm.py2f(), plan)
        self._plan = plan[0]

    def set_model(self, velocity: Array) -> None:
        """Set the speed `(nz, ny, nx)` [m/s], given on every rank."""
        self._stored = None
        v = self._local(self._arrays.as_real, velocity, self.settings.shape, "velocity")
        self._native.call("set_model", self._plan, self._arrays.pointer(v))

    def forward(
        self,
        source: Array,
        wavelet: Array,
        receivers: Array,
        *,
        store: bool = False,
        component: Component = "pressure",
    ) -> Array:
        """Return what the receivers record `(n_rec, nt)`, on every rank.

        Parameters
        ----------
        source, receivers
            Points `(3,)` and `(n_rec, 3)`: z, y, x relative to cell `(0, 0, 0)` [m].
        wavelet
            Source time function `(nt,)`, sampled at `dt`.
        store
            Keep what `gradient` needs.
        component
            Pressure, or particle velocity along an axis.
        """
        self._stored = None
        run = self._local(self._arrays.run, source, wavelet, receivers, component)
        self._reserve(run.nt, store)
        traces = np.empty((run.nt, run.n_rec), self.settings.dtype)
        self._native.call(
            "forward", self._plan, run.c, int(store), self._arrays.pointer(traces)
        )
        self._stored = run if store else None
        return self._recorded(traces, component)

    def born(
        self,
        source: Array,
        wavelet: Array,
        receivers: Array,
        direction: Array,
        *,
        store: bool = False,
        component: Component = "pressure",
    ) -> BornTraces:
        """Return traces and J v, their exact derivative along `direction`, on every rank.

        Wavefield and derivative advance together, so no history is needed.

        Parameters
        ----------
        direction
            Change v of the speed `(nz, ny, nx)` [m/s], given on every rank.
        source, wavelet, receivers, store, component
            As for `forward`; with `store`, `gradient` applies the transpose of J.
        """
        self._stored = None
        run = self._local(self._arrays.run, source, wavelet, receivers, component)
        v = self._local(self._arrays.as_real, direction, self.settings.shape, "direction")
        self._reserve(run.nt, store)
        both = np.empty((2, run.nt, run.n_rec), self.settings.dtype)
        arrays = self._arrays.pointer(both[0]), self._arrays.pointer(both[1])
        self._native.call(
            "born", self._plan, run.c, self._arrays.pointer(v), int(store), *arrays
        )
        self._stored = run if store else None
        return BornTraces(*(self._recorded(part, component) for part in both))

    def gauss_newton(
        self,
        source: Array,
        wavelet: Array,
        receivers: Array,
        direction: Array,
        *,
        weights: Array | float = 1.0,
        component: Component = "pressure",
    ) -> NDArray[np.float64] | None:
        """Return J^T W J v `(nz, ny, nx)` on rank 0, None elsewhere.

        `weights` is the diagonal of W, broadcast to `(n_rec, nt)`; the rest as for `born`.
        It costs about two forward runs and an adjoint one.
        """
        born = self.born(source, wavelet, receivers, direction, store=True, component=component)
        return self.gradient(weights * born.linearised)

    def gradient(self, adjoint_source: Array) -> NDArray[np.float64] | None:
        """Return d/dc of `sum(adjoint_source * traces)`, `(nz, ny, nx)`; None off rank 0.

        It belongs to the last run with `store=True`; `adjoint_source` is `(n_rec, nt)`.
        """
        return self.gradients(adjoint_source)[0]

    def gradients(self, adjoint_source: Array) -> tuple[NDArray[np.float64] | None, Array]:
        """Return the gradient by speed, as `gradient` does, and by wavelet `(nt,)`."""
        residual, run = self._local(self._residual, adjoint_source)
        by_speed = np.empty(self.settings.shape, np.float64)
        by_wavelet = np.empty(run.nt, self.settings.dtype)
        results = (
            self._native.ffi.from_buffer("double[]", by_speed),
            self._arrays.pointer(by_wavelet),
        )
        self._native.call(
            "adjoint", self._plan, run.c, self._arrays.pointer(residual), *results
        )
        return (by_speed if self.comm.rank == 0 else None), by_wavelet

    def timers(self) -> Timers:
        """Return where the time of all steps so far went, on this rank."""
        timers = self._native.ffi.new("pvi_timers *")
        self._native.lib.pvi_get_timers(self._plan, timers)
        return Timers(float(timers.compute), float(timers.wait), int(timers.steps))

    def close(self) -> None:
        """Release all memory; safe to call twice."""
        if self._plan is not None:
            self._native.lib.pvi_destroy(self._plan)
            self._plan = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _reserve(self, nt: int, store: bool) -> None:
        """Make the storage for runs of this length, unless it is there."""
        if store and nt != self._reserved:
            self._reserved = 0
            kept = native_storage(
                self._native, self.storage, nt
            )  # alive until the call is over
            self._native.call("set_storage", self._plan, kept.c)
            self._reserved = nt

    def _recorded(self, traces: Array, component: Component) -> Array:
        by_receiver = np.ascontiguousarray(traces.T)
        if component == "pressure":
            return by_receiver
        return integrate(by_receiver, self.settings.dt / self.settings.density)

    def _residual(self, adjoint_source: Array) -> tuple[Array, Run]:
        run = self._stored
        if run is None:
            raise SolverError("a gradient needs a run with store=True on the same model.")
        shape = run.n_rec, run.nt
        residual = self._arrays.as_real(adjoint_source, shape, "adjoint_source")
        if run.component != "pressure":
            residual = integrate_adjoint(residual, self.settings.dt / self.settings.density)
        return np.ascontiguousarray(residual.T), run

    def _local(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call what may fail on this rank only; then fail on all of them."""

        def step() -> T:
            if self._plan is None:
                raise SolverError("the solver is closed.")
            return function(*arguments)

        return on_every_rank(self.comm, step)
