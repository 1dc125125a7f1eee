"""Common base of the layers of planar and radial flows, as transforms of torch."""

from abc import abstractmethod

from torch import Tensor
from torch.distributions import Transform, constraints

__all__ = ["LayerTransform"]


class LayerTransform(Transform):
    """A map of all unknowns that gives its log determinant along with the image."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    @abstractmethod
    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image of `x` `(..., n)` and the log determinant `(...)`."""

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the log determinant `(...)` at `x` `(..., n)`."""
        return self.call_and_ladj(x)[1]
