"""Sparse systems on boxes of cells, solved by PETSc: conjugate gradients with multigrid.

PETSc is no dependency: what needs it asks for it here, and says so where it is missing.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.errors import ConfigError, SolverError

__all__ = ["BoxSolver", "has_petsc", "load_petsc"]

Array = NDArray[np.float64]
Box = tuple[slice, slice, slice]

#: Smoothed aggregation whose parts are symmetric, as conjugate gradients want it. Aggregates
#: are pairs along heavy edges, which follow layers however they dip: with larger ones the
#: iterations grow with the grid.
OPTIONS: Final = {
    "pc_type": "gamg",
    "pc_gamg_mat_coarsen_type": "hem",
    "pc_gamg_threshold": 0.05,
    "pc_gamg_repartition": False,
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_max_it": 2,
    "mg_levels_pc_type": "jacobi",
}
#: On several ranks PETSc finds pairs slowly: small aggregates and more smoothing instead.
ON_RANKS: Final = {
    **OPTIONS,
    "pc_gamg_mat_coarsen_type": "misk",
    "pc_gamg_aggressive_coarsening": 0,
    "pc_gamg_threshold": 0.01,
    "mg_levels_ksp_max_it": 3,
}
MOST_ITERATIONS: Final = 500
_NUMBER = count()


def has_petsc() -> bool:
    """Tell whether petsc4py is installed."""
    return find_spec("petsc4py") is not None


def load_petsc(setting: str) -> Any:
    """Return the module `petsc4py.PETSc`, for a setting that needs it.

    Raises
    ------
    ConfigError
        If it is not installed, or does not load.
    """
    remedy = (
        "install it with 'PVI_EXTRAS=mpi,cluster,dev,docs,petsc make setup', or take the "
        "petsc4py of conda-forge or of your site"
    )
    if not has_petsc():
        raise ConfigError(f"{setting} needs PETSc, but petsc4py is not installed; {remedy}.")
    try:
        return _initialised()
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"{setting} needs PETSc, but petsc4py cannot be loaded ({error}); {remedy}."
        ) from error


class BoxSolver:
    """Solves `A x = b` on a box of cells, again and again, on this rank or on those of `comm`.

    Vectors are the cells that this rank owns, `(n,)` in the order of its box; the matrix, the
    multigrid and the solver are made once.

    Parameters
    ----------
    shape
        Cells `(nz, ny, nx)`.
    matrix
        Function from a part of the box to its symmetric positive definite matrix. Rows of
        cells that have all their neighbours in the part must be those of the whole.
    tolerance
        Size of the residual at the end, over that of `b`.
    setting
        What needs PETSc, for the message where it is missing.
    comm
        Communicator of mpi4py; None: this process alone.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        matrix: Callable[[Box], csr_array],
        tolerance: float,
        setting: str,
        comm: Any = None,
    ) -> None:
        petsc = load_petsc(setting)
        self.tolerance, self.iterations = tolerance, 0
        grid = petsc.DMDA().create(
            dim=3,
            dof=1,
            sizes=shape[::-1],
            stencil_type=petsc.DMDA.StencilType.BOX,
            stencil_width=1,
            comm=petsc.COMM_SELF if comm is None else comm,
        )
        self.own, around = _box(*grid.getCorners()), _box(*grid.getGhostCorners())
        self._matrix = _assembled(petsc, grid, matrix(around), self.own, around)
        self._right, self._left = self._matrix.createVecs()
        self._solver = petsc.KSP().create(comm=grid.comm)
        self._solver.setOperators(self._matrix)
        self._solver.setType("cg")
        self._solver.setNormType(petsc.KSP.NormType.UNPRECONDITIONED)
        prefix = f"pvi_box_{next(_NUMBER)}_"
        self._solver.setOptionsPrefix(prefix)
        options = petsc.Options(prefix)
        for name, value in (OPTIONS if grid.comm.size == 1 else ON_RANKS).items():
            options[name] = value
        self._solver.setTolerances(rtol=tolerance, atol=0.0, max_it=MOST_ITERATIONS)
        self._solver.setFromOptions()
        self._solver.setUp()

    def solve(self, right: Array, tolerance: float | None = None) -> Array:
        """Return `A^{-1} right`, to the tolerance or another one.

        Raises
        ------
        SolverError
            If the iteration does not converge.
        """
        self._right.array[:] = right
        self._solver.setTolerances(rtol=self.tolerance if tolerance is None else tolerance)
        self._solver.solve(self._right, self._left)
        self.iterations = self._solver.getIterationNumber()
        reason = self._solver.getConvergedReason()
        if reason <= 0:
            raise SolverError(
                f"PETSc's conjugate gradients ended after {self.iterations} iterations without "
                f"an answer (reason {reason}); choose lengths that vary less."
            )
        return np.array(self._left.array)

    def multiply(self, x: Array) -> Array:
        """Return `A x`."""
        self._left.array[:] = x
        self._matrix.mult(self._left, self._right)
        return np.array(self._right.array)


@cache
def _initialised() -> Any:
    with _one_blas_thread():
        import petsc4py

        # Signals are ours: a run that is to stop writes its checkpoint first.
        petsc4py.init(["pvi", "-no_signal_handler"])
        from petsc4py import PETSc

        # Whoever has begun MPI before ends it at exit, after what is registered later.
        atexit.register(PETSc._finalize)
        return PETSc


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let a BLAS that is loaded now use one thread: the bits of its sums depend on that."""
    names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _box(first: tuple[int, int, int], size: tuple[int, int, int]) -> Box:
    """Return the cells (z, y, x) of corners that PETSc gives as (x, y, z)."""
    x, y, z = (slice(a, a + n) for a, n in zip(first, size, strict=True))
    return z, y, x


def _assembled(petsc: Any, grid: Any, part: csr_array, own: Box, around: Box) -> Any:
    """Return the matrix of which each rank has the rows of its cells."""
    numbers = np.arange(part.shape[0]).reshape([s.stop - s.start for s in around])
    inside = tuple(
        slice(o.start - a.start, o.stop - a.start) for o, a in zip(own, around, strict=True)
    )
    rows = part[numbers[inside].reshape(-1)]
    index = petsc.IntType
    columns = grid.getLGMap().getIndices()[rows.indices].astype(index)
    sizes = (rows.shape[0], petsc.DECIDE), (rows.shape[0], petsc.DECIDE)
    return petsc.Mat().createAIJ(
        sizes, csr=(rows.indptr.astype(index), columns, rows.data), comm=grid.comm
    )
