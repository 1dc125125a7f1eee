"""Map of the unknowns that networks see to values with a meaning."""

from typing import Protocol

from torch import Tensor

__all__ = ["Unknowns"]


class Unknowns(Protocol):
    """Map of unconstrained unknowns `theta` to values with a meaning; a `Prior` is one."""

    def from_normal(self, theta: Tensor) -> Tensor:
        """Return values `(S, n)` of `theta` `(S, n)` float64."""
        ...

    def to_normal(self, m: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of values `(S, n)`."""
        ...

    def log_abs_det(self, theta: Tensor) -> Tensor:
        """Return `log |dm/dtheta|` `(S,)`."""
        ...
