"""From the unknowns of one prior to those of another, through the velocities of a model."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.priors.capabilities import GaussianPrecision
from pvi_hpc.priors.prior import THETA_MAX, IndependentPrior
from pvi_hpc.problem.coordinates import Whitened
from pvi_hpc.problem.model_map import ModelMap

__all__ = ["PriorChange"]


@dataclass(frozen=True)
class PriorChange:
    """Two priors of the same cells: `new` unknowns to velocities to `old` unknowns.

    Velocities outside the bounds of the old prior have the unknowns of the bound itself, which
    do not change there.

    Raises
    ------
    ConfigError
        If the cells are others, or the old prior is one whose map cannot be inverted here.
    """

    old: ModelMap
    new: ModelMap

    def __post_init__(self) -> None:
        """Check that the priors are of the same cells."""
        if (self.old.active != self.new.active).any():
            raise ConfigError(
                "'prior.fixed_above_m' of a hypothesis must leave the same unknown cells as "
                f"the run's own, {self.old.n} of them, got {self.new.n}; leave it out."
            )
        if not isinstance(self.old.prior, (IndependentPrior, GaussianPrecision)):
            raise ConfigError(
                "'prior.kind' of the run must be one of independent cells or of a Gaussian "
                f"copula for its prior to be replaced, got {type(self.old.prior).__name__}."
            )

    def velocities(self, theta: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of new unknowns, differentiable once."""
        return self.new.coordinates.velocities(theta)

    def old_unknowns(self, velocities: Tensor) -> Tensor:
        """Return the old unknowns `(S, n)` of velocities `(S, n)` [m/s]."""
        return self.old.coordinates.unknowns(velocities.detach())

    def pull_back(self, velocities: Tensor, by_old: Tensor) -> Tensor:
        """Return derivatives by velocities `(S, n)`, given those by the old unknowns there.

        With `theta = L^{-1} z` and `z` the normal score of each cell, `L^{-T} = C^{-1} L`.
        Outside the bounds of the old prior they are zero.
        """
        prior, by_score = self.old.prior, by_old
        value_of: Callable[[Tensor], Tensor]
        if isinstance(prior, GaussianPrecision):
            if isinstance(self.old.coordinates, Whitened):
                by_score = prior.precision_product(prior.to_field(by_old))
            scores, value_of = prior.field_of(velocities.detach()), prior.from_field
        else:
            scores, value_of = prior.to_normal(velocities.detach()), prior.from_normal
        inside = scores.abs() < THETA_MAX
        with torch.enable_grad():
            leaf = scores.detach().requires_grad_()
            (slope,) = torch.autograd.grad(value_of(leaf).sum(), leaf)
        return torch.where(inside, by_score / slope, torch.zeros_like(by_score))

    def jacobian_back(self, theta: Tensor) -> Tensor:
        """Return `J^T` `(n, n)`, `J` the derivative of the old unknowns by the new ones.

        `theta` `(n,)` are the new unknowns; row `i` is the gradient of old unknown `i`.
        """
        one = torch.eye(len(theta), dtype=torch.float64)
        with torch.enable_grad():
            leaf = theta.detach().expand(len(theta), -1).clone().requires_grad_()
            values = self.velocities(leaf)
            by_velocity = self.pull_back(values.detach(), one)
            (rows,) = torch.autograd.grad(values, leaf, by_velocity)
        return rows

    def outside(self, velocities: Tensor) -> Tensor:
        """Return which velocities `(S, n)` lie outside the bounds of the old prior."""
        lower, upper = (
            torch.from_numpy(b) for b in (self.old.prior.lower, self.old.prior.upper)
        )
        return (velocities < lower) | (velocities > upper)
