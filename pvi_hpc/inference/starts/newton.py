"""Gaussians at a point of a density without noise: by L-BFGS with a line search, then Newton.

For densities in memory whose gradient costs little, in any units: every length is in those of
the curvature found so far. SciPy's L-BFGS-B has the line search (strong Wolfe conditions).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor

from pvi_hpc.inference.paths.gaussians import Point
from pvi_hpc.inference.paths.search import PathSearch, fresh_search
from pvi_hpc.numerics.reproducible import combine, one_thread

__all__ = ["Local", "ValueAndGradient", "climb", "newton"]

Array = NDArray[np.float64]
#: From points `(S, n)` to log densities `(S,)` and gradients `(S, n)`; not finite is allowed.
ValueAndGradient: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

#: Steps of L-BFGS at most, changes of the gradient that it keeps, evaluations of one search.
STEPS: Final = 200
PAIRS: Final = 10
SEARCH: Final = 40
#: Loss that stands for a density that is not finite: the search turns back from it.
NOWHERE: Final = 1e300
#: Length of a difference of gradients, in sds.
DIFFERENCE: Final = 0.01
#: Newton steps at most, and halvings of one.
ROUNDS: Final = 8
HALVINGS: Final = 10
#: Least eigenvalue, in units of the curvature before: an sd grows at most 100-fold a round.
LEAST: Final = 1e-4
#: Length of a step [sds] and range of eigenvalues at which the search is over.
NEAR: Final = 0.05
EVEN: Final = (0.5, 2.0)


@dataclass(frozen=True)
class Local:
    """A Gaussian near a point: `mean` `(n,)` and a factor `L` `(n, n)` of its covariance."""

    mean: Tensor
    factor: Tensor

    @property
    def precision(self) -> Tensor:
        """The inverse of the covariance `(n, n)`."""
        one = torch.eye(len(self.mean), dtype=torch.float64)
        with one_thread():
            inverse = torch.linalg.solve_triangular(self.factor, one, upper=False)
            precision: Tensor = inverse.T @ inverse
        return precision


def climb(density: ValueAndGradient, first: Tensor) -> list[Point]:
    """Return the path of L-BFGS uphill from `first` `(n,)`, where the density is finite.

    Where SciPy's search has met points without a density, which its interpolation cannot use,
    one that only shortens its steps goes on from its last point.
    """
    seen: dict[bytes, Point] = {}
    met = False

    def loss(x: Array) -> tuple[float, Array]:
        nonlocal met
        point = _point(density, x)
        if point is None:
            met = True
            return NOWHERE, np.zeros_like(x)
        seen[x.tobytes()] = point
        return -point.log_density, -point.gradient

    start = first.numpy().astype(np.float64)
    if loss(start)[0] == NOWHERE:
        return []
    path = [seen[start.tobytes()]]

    def step(intermediate_result: OptimizeResult) -> None:
        point = seen.get(intermediate_result.x.tobytes())
        if point is not None:
            path.append(point)

    options = {"maxiter": STEPS, "maxcor": PAIRS, "maxls": SEARCH, "ftol": 1e-12, "gtol": 1e-8}
    minimize(loss, start, jac=True, method="L-BFGS-B", callback=step, options=options)
    return path + _shortened(density, path[-1]) if met else path


def _shortened(density: ValueAndGradient, last: Point) -> list[Point]:
    """Return the points that a search by shortened steps adds after the `last`."""
    search = PathSearch(fresh_search(torch.from_numpy(last.x)[None], STEPS))
    search.take(0, last.log_density, last.gradient)
    while search.active:
        point = _point(density, search.tried(0))
        if point is None:
            search.take(0, np.nan, last.gradient)
        else:
            search.take(0, point.log_density, point.gradient)
    return search.path(0)[1:]


def _point(density: ValueAndGradient, x: Array) -> Point | None:
    """Return the density and its gradient at `x` `(n,)`; None where one is not finite."""
    value, gradient = density(torch.from_numpy(x.copy())[None])
    if not (value.isfinite().all() and gradient.isfinite().all()):
        return None
    return Point(x.copy(), float(value[0]), gradient[0].numpy())


def newton(density: ValueAndGradient, start: Local, *, move: bool = True) -> Local | None:
    """Return the Gaussian of the curvature, after Newton steps of the mean if `move`.

    The curvature comes from differences of gradients along the columns of the factor so far,
    `2 n` gradients a round; eigenvalues below zero count by their size. A step is taken where
    the density grows, halved until it does. None where a density or gradient is not finite.
    """
    now = start
    for _ in range(ROUNDS):
        found = _curved(density, now)
        if found is None:
            return None
        factor, sizes, gradient = found
        even = bool(((sizes > EVEN[0]) & (sizes < EVEN[1])).all())
        mean, near = now.mean, True
        if move:
            back = combine(gradient[None], factor)  # L^T g
            near = float(back.norm()) < NEAR
            mean = _higher(density, now.mean, combine(back, factor.T.contiguous())[0])
            near = near or bool((mean == now.mean).all())
        now = Local(mean, factor)
        if near and even:
            break
    return now


def _curved(density: ValueAndGradient, at: Local) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return the factor of the curvature there, sizes of eigenvalues in the old, and `g`."""
    n, columns = len(at.mean), at.factor.T
    ahead, behind = at.mean + DIFFERENCE * columns, at.mean - DIFFERENCE * columns
    value, gradient = density(torch.cat([at.mean[None], ahead, behind]))
    if not (value.isfinite().all() and gradient.isfinite().all()):
        return None
    with one_thread():
        changes = gradient[n + 1 :] - gradient[1 : n + 1]
        inner = changes @ at.factor / (2 * DIFFERENCE)
        eigenvalues, vectors = torch.linalg.eigh((inner + inner.T) / 2)
        sizes = eigenvalues.abs().clamp(min=LEAST)
        triangle = torch.linalg.qr((at.factor @ vectors / sizes.sqrt()).T)[1]
        factor = (triangle * triangle.diagonal().sign()[:, None]).T.contiguous()
    if not (factor.isfinite().all() and (factor.diagonal() > 0).all()):
        return None
    return factor, sizes, gradient[0]


def _higher(density: ValueAndGradient, mean: Tensor, step: Tensor) -> Tensor:
    """Return the point of largest density among `mean` and ever shorter steps from it."""
    lengths = 0.5 ** torch.arange(HALVINGS, dtype=torch.float64)
    points = torch.cat([mean[None], mean + lengths[:, None] * step])
    values = density(points)[0]
    values = torch.where(values.isfinite(), values, -torch.inf)
    better = torch.nonzero(values > values[0])[:, 0]
    return points[better[0]] if len(better) else mean
