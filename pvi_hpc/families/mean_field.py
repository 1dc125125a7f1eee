"""Independent normal cells (Kucukelbir et al. 2017, JMLR 18)."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian import GaussianFamily, location_scale
from pvi_hpc.reproducible import exp

__all__ = ["MeanField"]


class MeanField(GaussianFamily):
    """`theta = mu + exp(log_sd) * eps`; parameters `mu`, `log_sd` `(n,)`."""

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        Raises
        ------
        ConfigError
            If there is any option.
        """
        if options:
            raise ConfigError(
                f"'inference.family.options' of 'mean_field' must be empty, got "
                f"{sorted(options)}; remove them, or choose 'kind: structured'."
            )
        return cls(int(active.sum()))

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""
        return location_scale(parameters, eps)

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""
        return (theta.detach() - self.mean(parameters)) / self.sd(parameters)

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `-eps / sd` `(S, n)`."""
        return -eps.detach() / self.sd(parameters)

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the standard deviations of `theta` `(n,)`."""
        return exp(parameters["log_sd"])
