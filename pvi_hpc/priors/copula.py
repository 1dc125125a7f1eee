r"""Priors of any marginal in each cell, of which neighbouring cells are alike.

A Gaussian copula: :math:`m = F^{-1}(\Phi(L \xi))` with :math:`\xi \sim N(0, I)`, :math:`F` the
distribution function of each cell by itself, and :math:`L L^T` a correlation with ones on its
diagonal, so that every cell keeps its marginal exactly.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import Finding
from pvi_hpc.grid import Cells
from pvi_hpc.numerics.reproducible import row_sums
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI, log_density
from pvi_hpc.priors.correlations.correlation import Correlation, near_field
from pvi_hpc.priors.prior import START_THETA_MAX, IndependentPrior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["CopulaPrior"]

Array = NDArray[np.float64]
C = TypeVar("C", bound=Correlation)


class CopulaPrior(Generic[C]):
    """Cells with the distributions of `marginal`, correlated by `correlation`."""

    Options: ClassVar[type[PriorSettings]]

    def __init__(self, marginal: IndependentPrior, correlation: C) -> None:
        self.marginal, self.correlation = marginal, correlation

    def __repr__(self) -> str:
        """Name the prior and that of a cell by itself."""
        return f"<{type(self).__name__} prior, each cell by itself {self.marginal!r}>"

    @classmethod
    @abstractmethod
    def from_options(cls, options: Any, cells: Cells) -> Self:
        """Return the prior of the active cells."""

    @classmethod
    @abstractmethod
    def bounds(cls, options: Any, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""

    @classmethod
    def check(cls, options: Any, cells: Cells) -> Iterable[Finding]:
        """Say nothing."""
        return ()

    @property
    def lower(self) -> Array:
        """Lowest velocity of every cell `(n,)` [m/s]."""
        return self.marginal.lower

    @property
    def upper(self) -> Array:
        """Highest velocity of every cell `(n,)` [m/s]."""
        return self.marginal.upper

    @property
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s]."""
        return self.marginal.mean

    @property
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s]."""
        return self.marginal.sd

    def from_normal(self, theta: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of `theta` `(S, n)`, differentiable once."""
        field: Tensor = _Correlate.apply(theta, self.correlation)  # type: ignore[no-untyped-call]
        return self.marginal.from_normal(field)

    def to_normal(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of velocities `(S, n)` [m/s]; large where they are rough."""
        return self.correlation.whiten(self.marginal.to_normal(m))

    def start(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of a model near `m`, at most `START_THETA_MAX` in size.

        The rougher `m` is for the correlation, the smoother is the model that stands for it.
        """
        field = self.marginal.to_normal(m).clamp(-START_THETA_MAX, START_THETA_MAX)
        return torch.stack([self._start(row[None])[0] for row in field])

    def direction(self, cells: Tensor) -> Tensor:
        """Return the direction `(n,)` of `theta` in which the sum over `cells` grows most."""
        return self.correlation.correlate_back(cells[None])[0]

    def log_prob(self, m: Tensor) -> Tensor:
        """Return the log density `(S,)` of velocities `(S, n)`; -inf outside the bounds."""
        field = self.marginal.to_normal(m)
        copula = log_density(self.correlation.whiten(field)) - log_density(field)
        return self.marginal.log_prob(m) + copula - self.correlation.log_det

    def log_abs_det(self, theta: Tensor) -> Tensor:
        """Return `log |dm/dtheta|` `(S,)` at `theta` `(S, n)`."""
        field = self.correlation.correlate(theta)
        return self.marginal.log_abs_det(field) + self.correlation.log_det

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Return `n` draws `(n, cells)` [m/s]."""
        xi = torch.from_numpy(rng.standard_normal((n, len(self.lower))))
        return self.marginal.value(self.correlation.correlate(xi).numpy())

    def quantile(self, p: float) -> Array:
        """Return the velocity `(n,)` [m/s] that a cell stays below with probability `p`."""
        return self.marginal.quantile(p)

    def to_field(self, theta: Tensor) -> Tensor:
        """Return the field `z = L theta`, without gradient."""
        return self.correlation.correlate(theta)

    def from_field(self, field: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of a field, differentiable once."""
        return self.marginal.from_normal(field)

    def field_of(self, m: Tensor) -> Tensor:
        """Return the field of velocities `(S, n)` [m/s]."""
        return self.marginal.to_normal(m)

    def whiten_field(self, field: Tensor) -> Tensor:
        """Return `theta = L^{-1} z`."""
        return self.correlation.whiten(field)

    @property
    def field_log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        return self.correlation.log_det

    def covariance_product(self, field: Tensor) -> Tensor:
        """Return `C z`."""
        return self.correlation.correlate(self.correlation.correlate_back(field))

    def precision_product(self, field: Tensor) -> Tensor:
        """Return `C^{-1} z`."""
        return self.correlation.precision(field)

    def field_log_prob(self, field: Tensor) -> Tensor:
        """Return `log N(z; 0, C)` `(S,)`, but for the determinant."""
        product = field.detach() * self.correlation.precision(field)
        return -0.5 * row_sums(product) - field.shape[1] * HALF_LOG_2PI

    def _start(self, field: Tensor) -> Tensor:
        return near_field(self.correlation, field[0], START_THETA_MAX)[None]


class _Correlate(torch.autograd.Function):
    """`L xi`, and `L^T` on the way back."""

    @staticmethod
    def forward(ctx: Any, xi: Tensor, correlation: Correlation) -> Tensor:
        ctx.correlation = correlation
        return correlation.correlate(xi)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.correlation.correlate_back(gradients[0]), None
