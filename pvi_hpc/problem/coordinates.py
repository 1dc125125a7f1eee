r"""Coordinates of the unknowns: whitened, or the Gaussian field of a correlated prior.

A prior of correlated cells makes velocities of :math:`\xi \sim N(0, I)` by a field
:math:`z = L \xi \sim N(0, C)` of standard normal cells. In :math:`\xi` the prior is as simple
as it can be, but every unknown moves many cells, so that what the data know is on no stencil,
and their largest eigenvalues grow. In :math:`z` each unknown is a cell: data couple neighbours,
and so does the prior's precision :math:`C^{-1}` where it is sparse.
"""

from typing import Protocol

from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.settings import CoordinateName
from pvi_hpc.numerics.standard_normal import log_density
from pvi_hpc.priors.capabilities import GaussianPrecision
from pvi_hpc.priors.prior import START_THETA_MAX, Prior

__all__ = ["Coordinates", "Field", "Whitened", "load_coordinates"]


class Coordinates(Protocol):
    """A one-to-one map of unknowns `theta` `(S, n)` to velocities `(S, n)` [m/s]."""

    def velocities(self, theta: Tensor) -> Tensor:
        """Return velocities, differentiable once."""
        ...

    def unknowns(self, velocities: Tensor) -> Tensor:
        """Return `theta`, the inverse."""
        ...

    def start(self, velocities: Tensor) -> Tensor:
        """Return `theta` to start from near velocities."""
        ...

    def direction(self, cells: Tensor) -> Tensor:
        """Return the direction `(n,)` of `theta` that moves those of the `cells` with a 1."""
        ...

    def log_prior(self, theta: Tensor) -> Tensor:
        """Return the prior's log density of `theta` `(S,)`."""
        ...

    def precision(self, theta: Tensor) -> Tensor:
        """Return the prior's precision times `theta`: minus the gradient of `log_prior`."""
        ...


class Whitened:
    """Independent standard normal unknowns."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior

    def velocities(self, theta: Tensor) -> Tensor:
        """Return velocities, differentiable once."""
        return self.prior.from_normal(theta)

    def unknowns(self, velocities: Tensor) -> Tensor:
        """Return `theta`, the inverse."""
        return self.prior.to_normal(velocities)

    def start(self, velocities: Tensor) -> Tensor:
        """Return `theta` to start from near velocities."""
        return self.prior.start(velocities)

    def direction(self, cells: Tensor) -> Tensor:
        """Return the direction `(n,)` of `theta` that moves those of the `cells` with a 1."""
        return self.prior.direction(cells)

    def log_prior(self, theta: Tensor) -> Tensor:
        """Return `log N(theta; 0, I)`, exact however far in a tail."""
        return log_density(theta)

    def precision(self, theta: Tensor) -> Tensor:
        """Return `theta`."""
        return theta


class Field:
    """Standard normal cells that are correlated: the field of a Gaussian copula."""

    def __init__(self, prior: GaussianPrecision) -> None:
        self.prior = prior

    def velocities(self, theta: Tensor) -> Tensor:
        """Return velocities, differentiable once."""
        return self.prior.from_field(theta)

    def unknowns(self, velocities: Tensor) -> Tensor:
        """Return `theta`, the inverse."""
        return self.prior.field_of(velocities)

    def start(self, velocities: Tensor) -> Tensor:
        """Return `theta` of each cell, at most `START_THETA_MAX` in size."""
        return self.prior.field_of(velocities).clamp(-START_THETA_MAX, START_THETA_MAX)

    def direction(self, cells: Tensor) -> Tensor:
        """Return `C` times the `cells`: the change of the field that is most probable."""
        return self.prior.covariance_product(cells[None])[0]

    def log_prior(self, theta: Tensor) -> Tensor:
        """Return `log N(theta; 0, C)`."""
        return self.prior.field_log_prob(theta) - self.prior.field_log_det

    def precision(self, theta: Tensor) -> Tensor:
        """Return `C^{-1} theta`."""
        return self.prior.precision_product(theta)


def load_coordinates(prior: Prior, name: CoordinateName) -> Coordinates:
    """Return the coordinates of a configuration.

    Raises
    ------
    ConfigError
        If a prior without a field is to have that of its cells.
    """
    if name == "whitened":
        return Whitened(prior)
    if not isinstance(prior, GaussianPrecision):
        raise ConfigError(
            "'inference.coordinates: field' needs a 'prior.kind' of correlated cells, such as "
            f"'whittle_matern' or 'matern', got {type(prior).__name__}; choose 'whitened'."
        )
    return Field(prior)
