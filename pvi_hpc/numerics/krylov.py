"""Functions of a symmetric positive definite matrix, from its products with vectors alone.

Lanczos' recurrence gives the matrix on a Krylov space, where a function of it costs little; the
space grows until the result changes no more. Vectors that lose their orthogonality by rounding
only make it grow further.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import PviError
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import combine, dot, in_threads

__all__ = ["LogDet", "inverse_root", "inverse_roots", "log_det"]

Array = NDArray[np.float64]
#: Takes a vector `(n,)` float64 and returns the matrix times it.
Product: TypeAlias = Callable[[Tensor], Tensor]

#: Steps between two looks at the result, and at most.
LOOK: Final = 10
STEPS: Final = 3000
#: Relative change between two looks at which a vector is known; that of a quadratic form, for
#: each unknown, whose error is much less than that of random signs.
VECTOR: Final = 1e-3
FORM: Final = 1e-4


@dataclass
class Tridiagonal:
    """The matrix on a Krylov space of `x`, and the orthonormal vectors that span it."""

    size: float
    diagonal: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    vectors: list[Tensor] = field(default_factory=list)

    def eigen(self) -> tuple[Array, Array]:
        """Return eigenvalues `(k,)` above zero, and eigenvectors `(k, k)` in columns."""
        k = len(self.diagonal)
        couplings = self.beside[: k - 1]
        matrix = np.diag(self.diagonal) + np.diag(couplings, 1) + np.diag(couplings, -1)
        values, vectors = np.linalg.eigh(matrix)
        # Those of a positive definite matrix lie between its own; rounding can leave them.
        return np.maximum(values, np.finfo(float).eps * values[-1]), vectors


@dataclass(frozen=True)
class LogDet:
    """A logarithm of a determinant, and the standard error of its estimate."""

    value: float
    standard_error: float


def inverse_root(product: Product, x: Tensor) -> Tensor:
    """Return `M^{-1/2} x` `(n,)`, the symmetric root, error some tenths of a percent; float64.

    Keeps a vector for each step, some hundred where the largest eigenvalue of `M` is 10^4
    times the smallest.

    Raises
    ------
    PviError
        If 3000 steps do not suffice.
    """
    if not x.any():
        return x.clone()
    before = np.zeros(0)
    for space in _spaces(product, x):
        values, vectors = space.eigen()
        weights = space.size * (vectors @ (vectors[0] / np.sqrt(values)))
        change = weights.copy()
        change[: len(before)] -= before
        if np.linalg.norm(change) <= VECTOR * np.linalg.norm(weights):
            basis = torch.stack(space.vectors[: len(weights)])
            return combine(torch.from_numpy(weights)[None], basis)[0]
        before = weights
    raise _unknown("an inverse root")


def inverse_roots(product: Product, x: Tensor) -> Tensor:
    """Return `M^{-1/2} x` of the rows of `x` `(S, n)`, as many at once as torch has threads.

    Each row is the work of one thread, so that bits do not depend on their number.
    """
    return torch.stack(list(in_threads(partial(inverse_root, product), list(x))))


def log_det(product: Product, n: int, trace: float, seed: int, probes: int) -> LogDet:
    """Estimate `log det M` of `M` `(n, n)` by random signs and Lanczos' quadrature.

    Ubaru, Chen & Saad (2017), SIAM Journal on Matrix Analysis and Applications 38(4). `trace`
    is that of `M`, known exactly: what the products `z . M z` of the signs `z` miss it by tells
    part of the error of `z . log(M) z` (a control variate).

    Raises
    ------
    PviError
        If 3000 steps do not suffice.
    """
    logs, traces = np.empty(probes), np.empty(probes)
    for i in range(probes):
        rng = keyed_rng(seed, "signs of a determinant", i)
        signs = torch.from_numpy(rng.integers(0, 2, n) * 2.0 - 1.0)
        logs[i], traces[i] = _forms(product, signs)
    off = traces - traces.mean()
    slope = float(off @ logs / (off @ off)) if off.any() else 0.0
    errors = logs - logs.mean() - slope * off
    value = logs.mean() - slope * (traces.mean() - trace)
    return LogDet(float(value), float(np.sqrt(errors @ errors / (probes - 2) / probes)))


def _forms(product: Product, x: Tensor) -> tuple[float, float]:
    """Return `x . log(M) x` and `x . M x`."""
    before = np.inf
    for space in _spaces(product, x):
        values, vectors = space.eigen()
        form = space.size**2 * float(vectors[0] ** 2 @ np.log(values))
        if abs(form - before) <= FORM * space.size**2:
            return form, space.size**2 * space.diagonal[0]
        before = form
    raise _unknown("a logarithm of a determinant")


def _spaces(product: Product, x: Tensor) -> Iterator[Tridiagonal]:
    """Yield ever larger Krylov spaces of `x`, not 0, the last one twice if it is complete."""
    size = np.sqrt(dot(x.numpy(), x.numpy()))
    space = Tridiagonal(size)
    space.vectors.append(x / size)
    for k in range(1, STEPS + 1):
        complete = _grow(product, space)
        if k % LOOK == 0 or complete:
            yield space
        if complete:
            yield space
            return


def _grow(product: Product, space: Tridiagonal) -> bool:
    """Take one step; return whether the space is as large as it can be."""
    last = space.vectors[-1]
    ahead = product(last)
    along = dot(ahead.numpy(), last.numpy())
    ahead = ahead - along * last
    if space.beside:
        ahead -= space.beside[-1] * space.vectors[-2]
    beyond = np.sqrt(dot(ahead.numpy(), ahead.numpy()))
    space.diagonal.append(along)
    space.beside.append(beyond)
    if beyond <= np.finfo(float).eps * abs(along):
        return True
    space.vectors.append(ahead / beyond)
    return False


def _unknown(what: str) -> PviError:
    return PviError(
        f"{what} is not known after {STEPS} products: the matrix is nearly singular; give "
        "'start.hessian.draws' more gradients of noise, or take another family."
    )
