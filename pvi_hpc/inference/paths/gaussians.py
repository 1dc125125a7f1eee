"""Gaussians along the path of a quasi-Newton search: what Pathfinder chooses from.

Zhang, Carpenter, Gelman & Vehtari (2022), JMLR 23(306), algorithms 3 and 4. The inverse Hessian
at a point of the path is that of L-BFGS in compact form, `diag(alpha) + beta gamma beta^T`
(Byrd, Nocedal & Schnabel 1994), with the diagonal of Gilbert & Lemarechal (1989).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.numerics.reproducible import combine, dot, inner_products, one_thread
from pvi_hpc.numerics.standard_normal import log_density

__all__ = ["PathGaussian", "Point", "gaussians_along"]

Array = NDArray[np.float64]

#: Number of steps whose changes of the gradient make an inverse Hessian.
PAIRS: Final = 6
#: Least curvature `s.z / z.z` of a step that is used.
LEAST_CURVATURE: Final = 1e-12


@dataclass(frozen=True)
class Point:
    """A point of a path: `x` `(n,)`, its log density and the gradient `(n,)`."""

    x: Array
    log_density: float
    gradient: Array


@dataclass(frozen=True)
class PathGaussian:
    """The Gaussian at one point, with covariance `diag(alpha) + beta gamma beta^T`.

    Parameters
    ----------
    mean, alpha
        `(n,)`.
    beta, gamma
        `(r, n)`, the transpose of what the paper has, and `(r, r)`.
    """

    mean: Tensor
    alpha: Tensor
    beta: Tensor
    gamma: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of standard normal numbers `(S, n)`."""
        return self.mean + self._root * self._turned(eps, self._inner)

    def log_prob(self, theta: Tensor) -> Tensor:
        """Return the log density `(S,)` at `theta` `(S, n)`."""
        whole = (theta.detach() - self.mean) / self._root
        with one_thread():
            one = torch.eye(len(self._inner), dtype=torch.float64)
            inverse = torch.linalg.solve_triangular(self._inner, one, upper=False)
        return log_density(self._turned(whole, inverse)) - self.log_det

    @cached_property
    def log_det(self) -> float:
        """Log determinant of the covariance's square root."""
        inner = np.log(self._inner.diagonal().numpy()).sum()
        return float(0.5 * np.log(self.alpha.numpy()).sum() + inner)

    def dense(self) -> Tensor:
        """Return the covariance `(n, n)`."""
        root = self.sample(torch.eye(len(self.mean), dtype=torch.float64)) - self.mean
        return inner_products(root.T.contiguous(), root.T.contiguous())

    @cached_property
    def _root(self) -> Tensor:
        return torch.from_numpy(np.sqrt(self.alpha.numpy()))

    @cached_property
    def _parts(self) -> tuple[Tensor, Tensor]:
        """Return an orthonormal basis `(k, n)` and the triangle `(k, k)` within it.

        Raises
        ------
        torch.linalg.LinAlgError
            If rounding has left no positive definite covariance.
        """
        with one_thread():
            q, r = torch.linalg.qr((self.beta / self._root).T)
            inner = torch.eye(len(r), dtype=torch.float64) + r @ self.gamma @ r.T
            return q.T.contiguous(), torch.linalg.cholesky((inner + inner.T) / 2)

    @property
    def _inner(self) -> Tensor:
        return self._parts[1]

    def _turned(self, x: Tensor, matrix: Tensor) -> Tensor:
        """Return `x + Q (matrix - 1) Q^T x` of the rows of `x`."""
        within = inner_products(x, self._parts[0])
        return x + combine(combine(within, matrix.T) - within, self._parts[0])


def gaussians_along(path: Sequence[Point]) -> Iterator[tuple[int, PathGaussian]]:
    """Yield the Gaussian at each point but the first, with the number of its point.

    A point is passed over where the search has found no curvature yet, or rounding has left no
    positive definite covariance.
    """
    alpha = np.ones(len(path[0].x))
    steps: list[Array] = []
    changes: list[Array] = []
    for i in range(1, len(path)):
        s, z = path[i].x - path[i - 1].x, path[i - 1].gradient - path[i].gradient
        if dot(s, z) > LEAST_CURVATURE * dot(z, z):
            alpha = _diagonal(alpha, s, z)
            steps, changes = [*steps, s][-PAIRS:], [*changes, z][-PAIRS:]
        if not steps or not (np.isfinite(alpha) & (alpha > 0)).all():
            continue
        try:
            found = _gaussian(path[i], alpha, np.array(steps), np.array(changes))
            if np.isfinite(found.log_det) and bool(found.mean.isfinite().all()):
                yield i, found
        except (RuntimeError, np.linalg.LinAlgError):  # torch's is a RuntimeError
            continue


def _gaussian(point: Point, alpha: Array, s: Array, z: Array) -> PathGaussian:
    """Return that with pairs `s`, `z` `(m, n)`, oldest first."""
    m = len(s)
    with one_thread():
        triangle = torch.from_numpy(np.triu(np.einsum("in,jn->ij", s, z)))
        one = torch.eye(m, dtype=torch.float64)
        inverse = torch.linalg.solve_triangular(triangle, one, upper=True)
        middle = torch.from_numpy(np.einsum("in,n,jn->ij", z, alpha, z))
        middle = inverse.T @ (middle + torch.diag(triangle.diagonal())) @ inverse
    gamma = torch.zeros(2 * m, 2 * m, dtype=torch.float64)
    gamma[:m, m:], gamma[m:, :m], gamma[m:, m:] = -inverse, -inverse.T, middle
    beta = torch.from_numpy(np.concatenate([alpha * z, s]))
    gradient = torch.from_numpy(point.gradient)[None]
    variance = torch.from_numpy(alpha)
    newton = variance * gradient + combine(combine(inner_products(gradient, beta), gamma), beta)
    return PathGaussian(torch.from_numpy(point.x) + newton[0], variance, beta, gamma)


def _diagonal(alpha: Array, s: Array, z: Array) -> Array:
    a, b, c = dot(z, alpha * z), dot(z, s), dot(s, s / alpha)
    return np.asarray(1 / (a / (b * alpha) + z * z / b - a * s * s / (b * c * alpha**2)))
