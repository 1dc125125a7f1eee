"""Capabilities that a prior may have beyond those of every prior, each a protocol.

Callers ask `isinstance(prior, Capability)`, which looks for the methods named here.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["GaussianPrecision"]


@runtime_checkable
class GaussianPrecision(Protocol):
    """A Gaussian field `z = L theta` of covariance `C = L L^T` under the velocities.

    `z` `(S, n)` is a standard normal in each cell by itself. Its log density needs products
    with the precision `C^{-1}` only, which may be sparse where `L` is not: the mode of a
    posterior is found sooner in `z`, whose prior has no long tail of large eigenvalues.
    """

    def to_field(self, theta: Tensor) -> Tensor:
        """Return `z = L theta`, without gradient."""
        ...

    def from_field(self, field: Tensor) -> Tensor:
        """Return velocities `(S, n)` [m/s] of `z`, differentiable once."""
        ...

    def field_of(self, m: Tensor) -> Tensor:
        """Return `z` of velocities `(S, n)` [m/s], the inverse."""
        ...

    @property
    def field_log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        ...

    def whiten_field(self, field: Tensor) -> Tensor:
        """Return `theta = L^{-1} z`."""
        ...

    def covariance_product(self, field: Tensor) -> Tensor:
        """Return `C z`."""
        ...

    def precision_product(self, field: Tensor) -> Tensor:
        """Return `C^{-1} z`, minus the gradient of `field_log_prob`."""
        ...

    def field_log_prob(self, field: Tensor) -> Tensor:
        """Return `log N(z; 0, C)` `(S,)`, but for the determinant, which is constant."""
        ...
