r"""Protocol of priors, and the base of priors of independent cells.

A prior maps unknowns :math:`\theta` to velocities, such that the prior of :math:`\theta` is
exactly :math:`N(0, I)`. Only the prior knows the map: correlation between cells is in it, and
nothing else depends on it. Where cells are independent, with :math:`F` the distribution
function of a cell and :math:`\Phi` that of the standard normal,
:math:`m = F^{-1}(\Phi(\theta))` is a velocity inside the bounds, whatever :math:`F` is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from torch import Tensor

from pvi_hpc.errors import ConfigError, Finding
from pvi_hpc.grid import Cells
from pvi_hpc.numerics.reproducible import exp
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["START_THETA_MAX", "THETA_MAX", "IndependentPrior", "Prior"]

Array = NDArray[np.float64]


#: Largest value of `to_normal`: in float64 the bounds themselves lie just beyond it.
THETA_MAX: Final = 8.0

#: A start on a bound of the prior is moved inside, to this many prior sds of `theta`.
START_THETA_MAX: Final = 3.0


class Prior(Protocol):
    """Density of the active cells' velocities `m` `(n,)` [m/s], inside `lower`, `upper`.

    `Options` are the keys of its kind. `lower`, `upper`, `mean` and `sd` are those of each
    cell by itself, `(n,)` [m/s].
    """

    Options: ClassVar[type[PriorSettings]]

    @property
    def lower(self) -> Array: ...
    @property
    def upper(self) -> Array: ...
    @property
    def mean(self) -> Array: ...
    @property
    def sd(self) -> Array: ...

    @classmethod
    def from_options(cls, options: Any, cells: Cells) -> Self:
        """Return the prior of the active cells; ConfigError where that is impossible."""
        ...

    @classmethod
    def bounds(cls, options: Any, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        ...

    @classmethod
    def check(cls, options: Any, cells: Cells) -> Iterable[Finding]:
        """Return what a user should know of the options, on these cells."""
        ...

    def from_normal(self, theta: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of `theta` `(S, n)`, differentiable."""
        ...

    def to_normal(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of velocities `(S, n)` [m/s], the inverse."""
        ...

    def start(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` to start from near velocities `(S, n)` [m/s].

        The prior gives it a fair density, even where `m` itself lies on a bound.
        """
        ...

    def direction(self, cells: Tensor) -> Tensor:
        """Return the direction `(n,)` of `theta` that moves those of the `cells` with a 1."""
        ...

    def log_prob(self, m: Tensor) -> Tensor:
        """Return the log density `(S,)` of velocities `(S, n)` [m/s]."""
        ...

    def log_abs_det(self, theta: Tensor) -> Tensor:
        """Return `log |dm/dtheta|` `(S,)` at `theta` `(S, n)`."""
        ...

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Return `n` draws `(n, cells)` [m/s]."""
        ...

    def quantile(self, p: float) -> Array:
        """Return the velocity `(n,)` [m/s] that a cell stays below with probability `p`."""
        ...


class IndependentPrior(ABC):
    """Base of priors whose cells are independent; a subclass gives one cell's law.

    The four abstract methods are elementwise on `(..., n)`; bounds are `(n,)` [m/s], moved
    inside to the next float32: simulators take models in float32, which then stay inside.
    """

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        self.lower: Array = _as_float32(np.array(lower, dtype=np.float64), np.inf)
        self.upper: Array = _as_float32(np.array(upper, dtype=np.float64), -np.inf)
        if (self.lower >= self.upper).any():
            i = int((self.lower >= self.upper).argmax())
            raise ConfigError(
                "'lower_m_s' must be below 'upper_m_s' by more than a float32 resolves, got "
                f"{self.lower[i]} and {self.upper[i]} m/s in cell {i}."
            )

    def __repr__(self) -> str:
        """Name the prior, its cells and its bounds."""
        span = f"{self.lower.min():.5g} to {self.upper.max():.5g} m/s"
        return f"<{type(self).__name__} prior of {len(self.lower)} cells, {span}>"

    @property
    @abstractmethod
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s]."""

    @property
    @abstractmethod
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s]."""

    @abstractmethod
    def _value(self, theta: Array) -> Array:
        """Return `m`, possibly a rounding error outside the bounds."""

    @abstractmethod
    def _theta(self, m: Array) -> Array:
        """Return `theta`, possibly infinite at the bounds."""

    @abstractmethod
    def _log_density(self, m: Tensor) -> Tensor:
        """Return the log density [s/m] of each cell, not minding the bounds."""

    @abstractmethod
    def _log_slope(self, theta: Tensor, m: Tensor) -> Tensor:
        """Return `log dm/dtheta` of each cell."""

    def value(self, theta: Array) -> Array:
        """Return velocities `(..., n)` [m/s] of `theta` `(..., n)`, inside the bounds."""
        return np.clip(self._value(theta), self.lower, self.upper)

    def from_normal(self, theta: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of `theta` `(S, n)`, differentiable once."""
        values: Tensor = _FromNormal.apply(theta, self)  # type: ignore[no-untyped-call]
        return values

    def to_normal(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)`, at most `THETA_MAX` in size, of velocities `(S, n)`."""
        theta = self._theta(m.detach().numpy())
        return torch.from_numpy(np.clip(theta, -THETA_MAX, THETA_MAX))

    def start(self, m: Tensor) -> Tensor:
        """Return `to_normal`, at most `START_THETA_MAX` in size."""
        return self.to_normal(m).clamp(-START_THETA_MAX, START_THETA_MAX)

    def direction(self, cells: Tensor) -> Tensor:
        """Return `cells` `(n,)`: every `theta` is of one cell."""
        return cells

    def log_prob(self, m: Tensor) -> Tensor:
        """Return the log density `(S,)` of velocities `(S, n)`; -inf outside the bounds."""
        inside = (m >= torch.from_numpy(self.lower)) & (m <= torch.from_numpy(self.upper))
        density = self._log_density(m).sum(dim=-1)
        return torch.where(inside.all(dim=-1), density, -torch.inf)

    def log_abs_det(self, theta: Tensor) -> Tensor:
        """Return `log |dm/dtheta|` `(S,)` at `theta` `(S, n)`."""
        return self._log_slope(theta, self.from_normal(theta)).sum(dim=-1)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Return `n` draws `(n, cells)` [m/s]."""
        return self.value(rng.standard_normal((n, len(self.lower))))

    def quantile(self, p: float) -> Array:
        """Return the velocity `(n,)` [m/s] that a cell stays below with probability `p`."""
        return self.value(np.full(len(self.lower), ndtri(p)))


def _as_float32(bound: Array, inside: float) -> Array:
    """Return the float32 nearest to `bound` that lies on its side of `inside` (+-inf)."""
    rounded = bound.astype(np.float32)
    outside = rounded < bound if inside > 0 else rounded > bound
    return np.where(outside, np.nextafter(rounded, np.float32(inside)), rounded).astype(float)


class _FromNormal(torch.autograd.Function):
    """`m = F^{-1}(Phi(theta))` by SciPy, in one thread, with the slope in closed form."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, prior: IndependentPrior) -> Tensor:
        m = torch.from_numpy(prior.value(theta.detach().numpy()))
        ctx.save_for_backward(exp(prior._log_slope(theta, m)))
        return m

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None
