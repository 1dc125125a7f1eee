"""Independent normal cells (Kucukelbir et al. 2017, JMLR 18)."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import LOCATION, Draw, Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.numerics.reproducible import exp, log, sum_samples
from pvi_hpc.numerics.update_kernels import AdamStep, Moments
from pvi_hpc.plugins import NoOptions, Settings

__all__ = ["MeanField"]


class MeanField(GaussianFamily):
    """Independent normal cells: the cheapest family, without correlations.

    `theta = mu + exp(log_sd) * eps`; parameters `mu`, `log_sd` `(n,)`.
    """

    Options: ClassVar[type[Settings]] = NoOptions

    #: Count of numbers in a column of `L`.
    column_size = 1

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads."""
        return "diagonal"

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: NoOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""
        return cls(int(active.sum()))

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the optimum for `N(mean, precision^{-1})`: `sd = precision_ii^{-1/2}`."""
        log_sd = -0.5 * log(precision.diagonal())
        return {LOCATION: mean.detach().clone(), "log_sd": log_sd.to(mean.dtype)}

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `sd * x`."""
        return self.sd(parameters) * x

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `sd * x`."""
        return self.sd(parameters) * x

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `x / sd`."""
        return x / self.sd(parameters)

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `x / sd`."""
        return x / self.sd(parameters)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * sd * eps)` by `log_sd`."""
        return {"log_sd": self.sd(parameters) * sum_samples(cotangent * eps)}

    def descend_others(
        self, draw: Draw, moments: Mapping[str, Moments], steps: Mapping[str, AdamStep]
    ) -> float:
        """Return 0: there are no parameters but `mu` and `log_sd`."""
        return 0.0

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the inverse Fisher information times `gradients`: `sd^2` and `1/2`."""
        sd = self.sd(parameters)
        natural = {LOCATION: sd * sd * gradients[LOCATION]}
        if "log_sd" in gradients:
            natural["log_sd"] = 0.5 * gradients["log_sd"]
        return natural

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the standard deviations of `theta` `(n,)`."""
        return exp(parameters["log_sd"])
