"""A Gaussian whose precision is the prior's plus tapered products of gradients of noise.

The covariance of metric Gaussian variational inference (Knollmüller & Enßlin 2019, arXiv
1901.11033): the inverse of the prior's precision plus the Fisher information of the data, here
estimated by gradients of noise. No entry of it is ever formed, and nothing is cut off at a
neighbourhood, so that draws keep the prior's long wavelengths where the data say nothing.
"""

from typing import ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.options import Count
from pvi_hpc.families.gaussian.precision import Precision, Product, RowsPrecision
from pvi_hpc.families.gaussian.taper import Taper
from pvi_hpc.numerics.krylov import inverse_root, log_det
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import exp, log, row_sums, sum_samples
from pvi_hpc.plugins import Settings

__all__ = ["MetricGaussian", "MetricOptions"]

#: Draws that estimate the sds, with a relative error of 4 %.
SD_DRAWS: Final = 256
#: Probes that estimate `log det`.
PROBES: Final = 32


class MetricOptions(Settings):
    """Options of the Gaussian of the prior's precision and gradients of noise."""

    gradients: Count = Field(
        64,
        description="Number of gradients of noise that are kept; where the start gives more, "
        "some are added to each other with random signs.",
        json_schema_extra={"unit": "gradients"},
    )
    taper_cells: PositiveFloat = Field(
        3.0,
        description="Sd of the Gaussian taper of what distant cells seem to share.",
        json_schema_extra={"unit": "cells"},
    )


class MetricGaussian(GaussianFamily):
    """`N(mu, P^{-1})`, `P = Q + sum_k diag(g_k) R diag(g_k)`, by products with `P` alone.

    `Q` is the prior's precision, `R` a taper of the distance between cells. With
    `S = diag(exp(log_sd))` and `M = S P S`, whose diagonal is 1, `L = S M^{-1/2}`. Parameters
    are `mu`, `log_sd`, the gradients `rows` `(K, n)` float32, and `log_det` `(2,)`, that of
    `M^{-1/2}` and its standard error. Before there are gradients, `M` is the identity.

    Only the mean is moved by gradients of the ELBO.
    """

    Options: ClassVar[type[Settings]] = MetricOptions

    #: Count of numbers in a column of `L` that are moved: none.
    column_size = 0
    #: Names of the parameters that no gradient moves.
    fixed: ClassVar[frozenset[str]] = frozenset({"log_sd", "rows", "log_det"})

    def __init__(self, active: NDArray[np.bool_], options: MetricOptions) -> None:
        super().__init__(int(active.sum()))
        self.options = options
        self._taper = Taper(active, options.taper_cells)
        self._prior: Product | None = None

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: MetricOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""
        return cls(active, options)

    def with_prior(self, precision: Product) -> Self:
        """Return the family under a prior, by products of its precision with rows `(S, n)`."""
        family = type(self)(self._taper.active, self.options)
        family._prior = precision
        return family

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads."""
        return "rows"

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        return {
            **super().independent(mean, log_sd),
            "rows": torch.zeros(self.options.gradients, self.n, dtype=torch.float32),
            "log_det": torch.zeros(2, dtype=torch.float64),
        }

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return `N(mean, P^{-1})`, `P` the tapered `precision`.

        Raises
        ------
        ConfigError
            If the precision is not known by gradients of noise.
        """
        if not isinstance(precision, RowsPrecision):
            raise ConfigError(
                "'start.hessian.kind' must be 'noise' for the family metric_gaussian, whose "
                "precision is made of gradients of noise."
            )
        diagonal = precision.diagonal()
        parameters = {
            LOCATION: mean.detach().clone(),
            "log_sd": (-0.5 * log(diagonal)).to(mean.dtype),
            "rows": self._kept(precision.rows).float(),
        }
        sd = self._scale(parameters)
        # The diagonal of `M`, which is 1 but for the rounding of what is kept.
        on_diagonal = sd * sd * (diagonal - precision.own + _own(parameters["rows"]))
        trace = float(row_sums(on_diagonal[None]))
        found = log_det(lambda x: self._scaled(parameters, x), self.n, trace, 0, PROBES)
        numbers = [-0.5 * found.value, 0.5 * found.standard_error]
        parameters["log_det"] = torch.tensor(numbers, dtype=torch.float64)
        return parameters

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` of the rows of `x` `(S, n)`."""
        return self._scale(parameters).to(x.dtype) * self._inverse_root(parameters, x)

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x`."""
        return self._inverse_root(parameters, self._scale(parameters).to(x.dtype) * x)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x`."""
        return self._root(parameters, x / self._scale(parameters).to(x.dtype))

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x`."""
        return self._root(parameters, x) / self._scale(parameters).to(x.dtype)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return zeros: gradients of the ELBO do not move the factor."""
        return {name: torch.zeros_like(parameters[name]) for name in sorted(self.fixed)}

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return `P^{-1}` times the gradient by the mean, the only one that moves it."""
        return {LOCATION: self.natural_mean(parameters, gradients[LOCATION])}

    def log_det(self, parameters: Parameters) -> float:
        """Return `log det L`."""
        return super().log_det(parameters) + float(parameters["log_det"][0])

    def log_det_error(self, parameters: Parameters) -> float:
        """Return the standard error of `log_det`."""
        return float(parameters["log_det"][1])

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`, by one product with `P` each."""
        scale = self._scale(parameters)
        off = (theta.detach().double() - self.mean(parameters).double()) / scale
        products = torch.stack([self._scaled(parameters, row) for row in off])
        square = row_sums(off * products)
        nothing = torch.zeros(1, self.n, dtype=torch.float64)
        return self.log_q(parameters, nothing) - 0.5 * square

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`, from 256 keyed draws."""
        if not parameters["rows"].any():
            return exp(parameters["log_sd"])
        total = torch.zeros(self.n, dtype=torch.float64)
        for i in range(SD_DRAWS):
            eps = keyed_rng(0, "sd of a metric", i).standard_normal(self.n)
            total += self.apply(parameters, torch.from_numpy(eps)[None])[0].square()
        return (total / SD_DRAWS).sqrt().to(parameters["log_sd"].dtype)

    def _kept(self, rows: Tensor) -> Tensor:
        """Return `rows` `(m, n)` as `(gradients, n)`, added with random signs or padded."""
        kept = torch.zeros(self.options.gradients, self.n, dtype=rows.dtype)
        signs = keyed_rng(0, "signs of gradients").integers(0, 2, len(rows)) * 2.0 - 1.0
        for i, (row, sign) in enumerate(zip(rows, signs.tolist(), strict=True)):
            kept[i % len(kept)] += sign * row
        return kept

    def _scale(self, parameters: Parameters) -> Tensor:
        """Return the diagonal of `S` `(n,)`, float64."""
        return exp(parameters["log_sd"].double())

    def _inverse_root(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M^{-1/2} x` of the rows of `x` `(S, n)`."""
        x = x.detach()
        if not parameters["rows"].any():
            return x
        found = [inverse_root(lambda v: self._scaled(parameters, v), row.double()) for row in x]
        return torch.stack(found).to(x.dtype)

    def _root(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M^{1/2} x`: the inverse root, and a product."""
        x = x.detach()
        if not parameters["rows"].any():
            return x
        inside = self._inverse_root(parameters, x.double())
        return torch.stack([self._scaled(parameters, row) for row in inside]).to(x.dtype)

    def _scaled(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M x` `(n,)`, float64."""
        if not parameters["rows"].any():
            return x
        if self._prior is None:
            raise ConfigError(
                "The family metric_gaussian needs the precision of its prior; give it by "
                "'with_prior'."
            )
        scale = self._scale(parameters)
        inside = scale * x
        ahead = self._prior(inside[None])[0]
        return scale * (ahead + self._taper.couple(parameters["rows"].double(), inside))


def _own(rows: Tensor) -> Tensor:
    """Return the diagonal `(n,)` of the products of `rows` `(K, n)`, float64."""
    return sum_samples(rows.double().square())
