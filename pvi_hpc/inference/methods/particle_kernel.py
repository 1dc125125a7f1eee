"""Kernels between particles, from matrix products alone: never an `N x N x n` array.

Particles are `(N, n)`; the kernel is `k(x, y) = exp(-|x - y|^2_Q / h)` with a diagonal metric
`Q` `(n,)`, times `Q^{-1}` (Wang et al. 2019, arXiv 1910.12794), or with `Q = 1` the usual RBF
kernel. Distances come from one product of the particles with themselves, a direction from one
product of an `(N, N)` matrix with particles and gradients. Both run over blocks of columns of
fixed width, a block to a thread, and are added in the order of the blocks: the bits do not
depend on the number of threads.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from typing import Final, TypeVar

import torch
from torch import Tensor

from pvi_hpc.numerics.reproducible import in_threads, one_thread

__all__ = ["Kernel", "by_columns", "median_bandwidth", "squared_distances"]

#: Columns of a block: 100 particles of float32 are 1.6 MB, about a core's cache.
BLOCK: Final = 4096

Result = TypeVar("Result")


def by_columns(work: Callable[[slice], Result], n: int) -> Iterator[Result]:
    """Return `work(columns)` for every block of `n` columns, in their order.

    Blocks are worked on by as many threads as torch has, one thread each.
    """
    blocks = [slice(first, min(n, first + BLOCK)) for first in range(0, n, BLOCK)]
    return in_threads(work, blocks)


def squared_distances(x: Tensor, metric: Tensor) -> Tensor:
    """Return the squared distances `(N, N)` float64 of particles `(N, n)`, in a metric."""
    gram = torch.zeros(len(x), len(x), dtype=torch.float64)

    def product(columns: slice) -> Tensor:
        part = _centred(x[:, columns]) * metric[columns].sqrt()
        return (part @ part.T).double()

    for part in by_columns(product, x.shape[1]):
        gram += part
    squares = gram.diagonal()
    distances = squares[:, None] + squares[None] - 2 * gram
    # Symmetric and zero on the diagonal but for rounding: make it so.
    distances = (0.5 * (distances + distances.T)).clamp_(min=0)
    return distances.fill_diagonal_(0)


def median_bandwidth(distances: Tensor) -> float:
    """Return `h = median(d^2) / log(N + 1)`; 1 where all particles are at one place.

    The others then weigh about as much as the particle itself, together (Liu & Wang 2016,
    arXiv 1608.04471).
    """
    n = len(distances)
    rows, columns = torch.triu_indices(n, n, offset=1)
    median = float(distances[rows, columns].median()) if n > 1 else 0.0
    return median / log(n + 1) if median > 0 else 1.0


@dataclass(frozen=True)
class Kernel:
    """The kernel of particles `(N, n)` at one moment.

    Parameters
    ----------
    matrix
        `k(x_i, x_j)` `(N, N)` float64.
    bandwidth
        `h`.
    metric
        Diagonal `Q` `(n,)`, of the particles' precision.
    """

    matrix: Tensor
    bandwidth: float
    metric: Tensor

    @classmethod
    def of(
        cls, x: Tensor, metric: Tensor, bandwidth: float | None = None, nugget: float = 0.0
    ) -> "Kernel":
        """Return the kernel of particles; of the median bandwidth where none is given.

        `nugget` is added to the diagonal: `k(x, y) + nugget [x = y]` is a kernel too, and
        has a Cholesky factor also where particles meet.
        """
        distances = squared_distances(x, metric)
        h = median_bandwidth(distances) if bandwidth is None else bandwidth
        with one_thread():
            matrix = torch.exp(distances / -h)
        matrix.diagonal().add_(nugget)
        return cls(matrix, h, metric)

    def direction(self, x: Tensor, gradient: Tensor, scale: float = 1.0) -> float:
        """Replace `gradient` `(N, n)` in place by `scale` times Stein's direction.

        `sum_j k_ij Q^{-1} g_j + Q^{-1} grad_{x_j} k_ij = K (Q^{-1} g - a x) + a diag(K 1) x`
        with `a = 2 / h`. Returns its Euclidean norm.
        """
        a, k = 2 / self.bandwidth, (scale * self.matrix).to(x.dtype)
        reach = (a * scale * self.matrix.sum(dim=1, keepdim=True)).to(x.dtype)

        def work(columns: slice) -> float:
            part = _centred(x[:, columns])
            attraction = gradient[:, columns] / self.metric[columns]
            moved = k @ (attraction - a * part) + reach * part
            gradient[:, columns] = moved
            return float((moved.double() ** 2).sum())

        squares = sum(by_columns(work, x.shape[1]))
        return float(squares**0.5)

    def colour(self, noise: Tensor) -> None:
        """Replace white noise `(N, n)` in place by noise of covariance `K (x) Q^{-1}`."""
        factor = torch.linalg.cholesky(self.matrix).to(noise.dtype)

        def work(columns: slice) -> None:
            part = noise[:, columns].clone()
            noise[:, columns] = (factor @ part) / self.metric[columns].sqrt()

        for _ in by_columns(work, noise.shape[1]):
            pass

    def log_normal(self, residual: Tensor, scale: float) -> float:
        """Return `log N(residual; 0, scale K (x) Q^{-1})` of `(N, n)`, without constants.

        The neglected part depends on `n`, `N`, `Q` alone.
        """
        factor = torch.linalg.cholesky(self.matrix)

        def work(columns: slice) -> float:
            part = residual[:, columns].double() * self.metric[columns].double().sqrt()
            white = torch.linalg.solve_triangular(factor, part, upper=False)
            return float((white * white).sum())

        squares = sum(by_columns(work, residual.shape[1]))
        n_particles, n = residual.shape
        log_det = float(factor.diagonal().log().sum()) * n
        return -0.5 * squares / scale - log_det - 0.5 * n_particles * n * log(scale)


def _centred(part: Tensor) -> Tensor:
    # Differences are small against the particles' distance from the origin.
    return part - part.mean(dim=0, dtype=torch.float64).to(part.dtype)
