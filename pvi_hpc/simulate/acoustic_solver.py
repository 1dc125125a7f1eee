"""The native acoustic solver as a Python object: one plan on one communicator."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError, NonFiniteError, PviError, SolverError
from pvi_hpc.simulate.hicks import point_weights
from pvi_hpc.simulate.native import load

__all__ = ["AcousticSolver", "SolverSettings", "decomposition", "estimate_memory"]

Array = NDArray[Any]

WHAT_FAILED = {
    "PVI_BAD_SHAPE": "every axis needs at least 8 cells, and a run one sample and one receiver",
    "PVI_BAD_VALUE": "spacings, speeds, frequencies and the time step must be positive",
    "PVI_BAD_POINTER": "a required array is missing",
    "PVI_NO_MEMORY": "there is not enough memory; use more ranks or fewer stored time steps",
    "PVI_NO_DECOMPOSITION": "the grid cannot be cut into that many blocks",
    "PVI_UNSTABLE": "the time step is too long for the fastest speed of the model",
    "PVI_NOT_FINITE": "the wavefield is not finite",
    "PVI_NO_FORWARD": "a gradient needs a forward run with store=True on the same model",
    "PVI_RANKS_DISAGREE": "the ranks were called with different arguments",
}


@dataclass(frozen=True)
class SolverSettings:
    """What stays the same for the life of a solver.

    Parameters
    ----------
    shape, spacing
        Physical cells and their distances [m], as z, y, x.
    dt
        Time step [s].
    pml_velocity, pml_frequency
        Fixed reference speed [m/s] and frequency [Hz] of the absorbing layer; they do not
        follow the model, so the gradient is exact.
    n_pml
        Cells of the absorbing layer, outside the physical box.
    free_surface
        Whether p = 0 at z = 0, with no layer above it.
    dtype
        'float32' or 'float64'.
    threads
        OpenMP threads of each rank.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    dt: float
    pml_velocity: float
    pml_frequency: float
    n_pml: int = 10
    free_surface: bool = False
    dtype: str = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise ConfigError(f"'dtype' must be 'float32' or 'float64', got '{self.dtype}'.")


class Points(NamedTuple):
    """A `pvi_points` and the arrays it points to."""

    c: Any
    start: NDArray[np.int32]
    weights: NDArray[np.float64]


class StoredRun(NamedTuple):
    """What the gradient must know of the forward it belongs to."""

    source: Points
    receivers: Points
    nt: int


class AcousticSolver:
    """Forward runs and exact gradients of one grid; every method is collective.

    Parameters
    ----------
    settings
        Grid, time step and absorbing layer; the same on every rank.
    comm
        Ranks that share the grid. None: this process alone.

    Raises
    ------
    SolverError
        On every rank, if any rank was given something unusable.
    """

    def __init__(self, settings: SolverSettings, comm: MPI.Comm | None = None) -> None:
        self._plan: Any = None
        self.settings = settings
        self.comm = MPI.COMM_SELF if comm is None else comm
        self._native = load()
        self._suffix = "f64" if settings.dtype == "float64" else "f32"
        self._real = "double" if settings.dtype == "float64" else "float"
        self._stored: StoredRun | None = None
        if self.comm.size > 1 and len(set(self.comm.allgather(settings))) > 1:
            raise SolverError("the ranks were given different settings.")
        # Names the largest usable number of ranks if this one is not.
        decomposition(settings, self.comm.size)
        plan = self._native.ffi.new(f"pvi_plan_{self._suffix} **")
        self._call("create", _config(settings), self.comm.py2f(), plan)
        self._plan = plan[0]

    def set_model(self, velocity: Array) -> None:
        """Set the speed `(nz, ny, nx)` [m/s], given on every rank."""
        self._stored = None
        v = self._local(self._as_real, velocity, self.settings.shape, "velocity")
        self._call("set_model", self._plan, self._pointer(v))

    def forward(
        self, source: Array, wavelet: Array, receivers: Array, *, store: bool = False
    ) -> Array:
        """Return the pressure at the receivers `(n_rec, nt)`, on every rank.

        Parameters
        ----------
        source, receivers
            Points `(3,)` and `(n_rec, 3)`: z, y, x relative to cell `(0, 0, 0)` [m].
        wavelet
            Source time function `(nt,)`, sampled at `dt`.
        store
            Keep what `gradient` needs.
        """
        self._stored = None
        run, s = self._local(self._prepare, source, wavelet, receivers)
        traces = np.empty((run.nt, run.receivers.c.n), self.settings.dtype)
        arguments = (run.nt, run.source.c, self._pointer(s), run.receivers.c, int(store))
        self._call("forward", self._plan, *arguments, self._pointer(traces))
        self._stored = run if store else None
        return np.ascontiguousarray(traces.T)

    def gradient(self, adjoint_source: Array) -> NDArray[np.float64] | None:
        """Return d/dc of `sum(adjoint_source * traces)`, `(nz, ny, nx)`; None off rank 0.

        It belongs to the last forward with `store=True`; `adjoint_source` is `(n_rec, nt)`.
        """
        return self.gradients(adjoint_source)[0]

    def gradients(self, adjoint_source: Array) -> tuple[NDArray[np.float64] | None, Array]:
        """Return the gradient by speed, as `gradient` does, and by wavelet `(nt,)`."""
        residual, run = self._local(self._residual, adjoint_source)
        by_speed = np.empty(self.settings.shape, np.float64)
        by_wavelet = np.empty(run.nt, self.settings.dtype)
        arguments = (run.nt, run.source.c, run.receivers.c, self._pointer(residual))
        results = self._native.ffi.from_buffer("double[]", by_speed), self._pointer(by_wavelet)
        self._call("adjoint", self._plan, *arguments, *results)
        return (by_speed if self.comm.rank == 0 else None), by_wavelet

    def close(self) -> None:
        """Release all memory; safe to call twice."""
        if self._plan is not None:
            self._function("destroy")(self._plan)
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

    def _prepare(
        self, source: Array, wavelet: Array, receivers: Array
    ) -> tuple[StoredRun, Array]:
        s = self._as_real(wavelet, (np.size(wavelet),), "wavelet")
        at = self._points(np.reshape(source, (1, -1)))
        return StoredRun(at, self._points(receivers), len(s)), s

    def _residual(self, adjoint_source: Array) -> tuple[Array, StoredRun]:
        run = self._stored
        if run is None:
            raise SolverError(f"{WHAT_FAILED['PVI_NO_FORWARD']}.")
        n_rec = int(run.receivers.c.n)
        residual = self._as_real(adjoint_source, (n_rec, run.nt), "adjoint_source")
        return np.ascontiguousarray(residual.T), run

    def _points(self, positions: Array) -> Points:
        grid = self.settings
        start, weights = point_weights(
            positions, grid.shape, grid.spacing, free_surface=grid.free_surface
        )
        ffi = self._native.ffi
        c = ffi.new("pvi_points *")
        c.n = len(start)
        c.start = ffi.cast("int32_t *", ffi.from_buffer(start))
        c.weight = ffi.cast("double *", ffi.from_buffer(weights))
        return Points(c, start, weights)

    def _as_real(self, values: Array, shape: tuple[int, ...], name: str) -> Array:
        array = np.ascontiguousarray(values, dtype=self.settings.dtype)
        if array.shape != shape or array.size == 0:
            raise ConfigError(f"'{name}' must have shape {shape}, got {array.shape}.")
        if not np.isfinite(array).all():
            raise NonFiniteError(f"'{name}' holds NaN or infinite values.")
        return array

    def _pointer(self, array: Array) -> Any:
        return self._native.ffi.from_buffer(f"{self._real}[]", array)

    def _function(self, name: str) -> Any:
        return getattr(self._native.lib, f"pvi_{name}_{self._suffix}")

    def _local(self, function: Any, *arguments: Any) -> Any:
        """Call what may fail on this rank only; then fail on all of them."""
        error: PviError | None = None
        result = None
        try:
            if self._plan is None:
                raise SolverError("the solver is closed.")
            result = function(*arguments)
        except PviError as problem:
            error = problem
        if self.comm.size > 1:
            failed = self.comm.allgather(None if error is None else str(error))
            others = [f"rank {i}: {text}" for i, text in enumerate(failed) if text is not None]
            if error is None and others:
                raise SolverError("; ".join(others))
        if error is not None:
            raise error
        return result

    def _call(self, name: str, *arguments: Any) -> None:
        _raise_for(self._function(name)(*arguments), name)


def decomposition(settings: SolverSettings, n_ranks: int) -> tuple[int, int, int]:
    """Return the blocks along z, y, x that `n_ranks` ranks would use.

    Raises
    ------
    SolverError
        If the grid cannot be cut that way; the message names the most ranks that can.
    """
    ffi, lib, _ = load()
    config, dims = _config(settings), ffi.new("int32_t[3]")
    for n in range(n_ranks, 0, -1):
        if lib.pvi_decompose(config, n, dims) == lib.PVI_OK:
            if n == n_ranks:
                return int(dims[0]), int(dims[1]), int(dims[2])
            raise SolverError(
                f"a grid of {settings.shape} cells with a layer of {settings.n_pml} cannot be "
                f"cut into {n_ranks} blocks; use at most {n} ranks."
            )
    raise SolverError(f"'n_ranks' must be at least 1, got {n_ranks}.")


def estimate_memory(settings: SolverSettings, nt: int, n_ranks: int, n_rec: int) -> int:
    """Return the bytes of the largest rank, with `nt` steps stored for the gradient."""
    decomposition(settings, n_ranks)
    lib = load().lib
    memory = lib.pvi_memory_f64 if settings.dtype == "float64" else lib.pvi_memory_f32
    return int(memory(_config(settings), n_ranks, nt, n_rec))


def _config(settings: SolverSettings) -> Any:
    fields = {
        "shape": settings.shape,
        "n_pml": settings.n_pml,
        "free_surface": int(settings.free_surface),
        "n_threads": settings.threads,
        "spacing": settings.spacing,
        "dt": settings.dt,
        "pml_velocity": settings.pml_velocity,
        "pml_frequency": settings.pml_frequency,
    }
    return load().ffi.new("pvi_config *", fields)


def _raise_for(status: int, name: str) -> None:
    ffi, lib, _ = load()
    if status == lib.PVI_OK:
        return
    code = str(ffi.string(ffi.cast("pvi_status", status)))
    kind = NonFiniteError if status == lib.PVI_NOT_FINITE else SolverError
    error = kind(f"acoustic {name}: {WHAT_FAILED.get(code, code)} ({code}).")
    error.status = code  # type: ignore[attr-defined]
    raise error
