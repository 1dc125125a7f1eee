r"""Whittle-Matern correlation of any coefficients and unknown cells, solved by PETSc.

:math:`L = D A^{-\alpha/2}` with the matrix `A` of `operator_matrix` and `D` the inverse sds of
:math:`A^{-\alpha}`. Few cells have theirs from a factorisation. For many they are estimated
from draws: the mean of their squares, over the variance of the nearest layers. Draws of these
layers from the same random numbers, whose variance is known exactly, take most of the noise
away (a control variate; Owen 2013, Monte Carlo Theory, Methods and Examples, section 8.9).
"""

from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import splu
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.petsc import BoxSolver, load_petsc
from pvi_hpc.priors.correlations.correlation import by_rows
from pvi_hpc.priors.correlations.layered import LayeredCorrelation
from pvi_hpc.priors.correlations.operator import operator_matrix

__all__ = ["SpdeCorrelation", "sparse_factor"]

Array = NDArray[np.float64]
Box = tuple[slice, slice, slice]

SETTING: Final = "'prior.kind: whittle_matern' with these lengths, angles or fixed cells"
#: Variances of up to this many cells are exact.
EXACT_CELLS: Final = 4000
#: Largest number of cells whose determinant is computed.
DENSITY_CELLS: Final = 100_000
#: Draws that variances are estimated from, their seed and the tolerance of their solves.
DRAWS: Final = 128
SEED: Final = 20130
ROUGH: Final = 1e-5


class SpdeCorrelation:
    r"""Correlation of :math:`A^{-\alpha}` on the active cells of a box; `alpha` is 2 or 4.

    Parameters
    ----------
    tensor
        Tensor of each cell `(3, 3, nz, ny, nx)`, as `operator_matrix` takes it.
    active
        Active cells `(nz, ny, nx)`.
    alpha
        Power of the operator.
    tolerance
        Relative residual of every solve.

    Raises
    ------
    ConfigError
        If PETSc is missing.
    """

    def __init__(
        self, tensor: Array, active: NDArray[np.bool_], alpha: int, tolerance: float
    ) -> None:
        load_petsc(SETTING)
        self._tensor, self._active = tensor, active
        self._times, self._tolerance = alpha // 2, tolerance
        inside = np.flatnonzero(active.reshape(-1))
        self._matrix = csr_array(operator_matrix(tensor, active)[inside][:, inside])
        self.scale: Array = 1 / np.sqrt(self._variances())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out PETSc's solver, which is made again where it is needed."""
        return {k: v for k, v in self.__dict__.items() if k != "_solver"}

    @cached_property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`, by a sparse factorisation.

        Raises
        ------
        ConfigError
            If there are too many cells for it.
        """
        n = self._matrix.shape[0]
        if n > DENSITY_CELLS:
            raise ConfigError(
                f"The density of 'prior.kind: whittle_matern' needs at most {DENSITY_CELLS} "
                f"cells where its coefficients vary, got {n}; draws and gradients need no "
                "density."
            )
        whole = np.log(np.abs(sparse_factor(self._matrix).U.diagonal())).sum()
        return float(np.log(self.scale).sum() - self._times * whole)

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return by_rows(lambda v: self.scale * self._solve(v), xi)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return by_rows(lambda v: self._solve(self.scale * v), gradient)

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return by_rows(lambda v: self._multiply(v / self.scale, self._times), field)

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        twice = 2 * self._times
        return by_rows(lambda v: self._multiply(v / self.scale, twice) / self.scale, field)

    @cached_property
    def _solver(self) -> BoxSolver:
        def matrix(part: Box) -> csr_array:
            return operator_matrix(self._tensor[(..., *part)], self._active[part])

        return BoxSolver(self._active.shape, matrix, self._tolerance, SETTING)

    def _solve(
        self, right: Array, times: int | None = None, tolerance: float | None = None
    ) -> Array:
        box = np.zeros(self._active.size)
        inside = self._active.reshape(-1)
        box[inside] = right
        for _ in range(self._times if times is None else times):
            box = self._solver.solve(box, tolerance)
        return box[inside]

    def _multiply(self, x: Array, times: int) -> Array:
        for _ in range(times):
            x = self._matrix @ x
        return x

    def _variances(self) -> Array:
        """Return the diagonal of the inverse of the operator's power `(n,)`."""
        n = self._matrix.shape[0]
        if n <= EXACT_CELLS:
            return _exact_variances(self._matrix, self._times)
        near = NearestLayers(self._tensor, self._active, 2 * self._times)
        rng, sums, products = np.random.default_rng(SEED), np.zeros((2, n)), np.zeros((2, 2))
        for _ in range(DRAWS):
            xi = rng.standard_normal(n)
            squares = np.stack([self._solve(xi, tolerance=ROUGH), near.draw(xi, rng)]) ** 2
            squares[0] /= near.variances
            sums += squares
            products += [[float((a * b).sum()) for b in squares] for a in squares]
        own, other = sums / DRAWS
        means = [[float((a * b).sum()) for b in (own, other)] for a in (own, other)]
        (_, covariance), (_, variance) = products / DRAWS - means
        # Control variate: the error of the same draws is known where layers are. A power
        # rather than a difference, so that no variance is negative.
        return np.asarray(near.variances * own * other ** (-covariance / variance))


class NearestLayers:
    """Layers nearest to a tensor, whose variances are known.

    `variances` `(n,)` are theirs, scaled to the determinant of the tensor of each cell: the
    variance of a constant tensor is proportional to one over the root of its determinant.
    """

    def __init__(self, tensor: Array, active: NDArray[np.bool_], alpha: int) -> None:
        self._active, shape = active, active.shape
        weight = np.maximum(active.sum(axis=(1, 2)), 1)
        logs = np.log(np.stack([tensor[a, a] for a in range(3)]))
        layers = np.exp((logs * active).sum(axis=(2, 3)) / weight)
        extended = [a for a in range(3) if shape[a] > 1]
        local = np.moveaxis(tensor[np.ix_(extended, extended)], (0, 1), (-2, -1))
        ratio = np.linalg.det(local) / np.prod(layers[extended], axis=0)[:, None, None]
        self._correlation = LayeredCorrelation(shape, layers, alpha)
        found = 1 / self._correlation.scale**2 / np.sqrt(ratio)
        self.variances: Array = found[active]

    def draw(self, xi: Array, rng: np.random.Generator) -> Array:
        """Return a field of unit variance of the layers `(n,)`, of `xi` `(n,)`."""
        box = rng.standard_normal(self._active.shape)
        box[self._active] = xi
        field = self._correlation.correlate(torch.from_numpy(box.reshape(1, -1)))[0]
        return np.asarray(field.numpy().reshape(box.shape)[self._active])


def sparse_factor(matrix: csr_array) -> Any:
    """Return SuperLU's factors of a symmetric positive definite matrix, without pivoting."""
    return splu(
        matrix.tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def _exact_variances(matrix: csr_array, times: int) -> Array:
    n, factor = matrix.shape[0], sparse_factor(matrix)
    found = np.zeros(n)
    for first in range(0, n, 256):
        block = np.eye(n, min(256, n - first), -first)
        for _ in range(times):
            block = factor.solve(block)
        found[first : first + 256] = (block * block).sum(axis=0)
    return found
