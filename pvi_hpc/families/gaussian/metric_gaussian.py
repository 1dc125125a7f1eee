"""A Gaussian whose precision is the prior's plus tapered products of gradients of noise.

The covariance of metric Gaussian variational inference (Knollmüller & Enßlin 2019, arXiv
1901.11033): the inverse of the prior's precision plus the Fisher information of the data, here
estimated by gradients of noise. No entry of it is ever formed, and nothing is cut off at a
neighbourhood, so that draws keep the prior's long wavelengths where the data say nothing.
"""

from collections.abc import Callable
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
from pvi_hpc.families.gaussian.precision import Precision, Product, RowsPrecision, identity
from pvi_hpc.families.gaussian.taper import Taper
from pvi_hpc.numerics.krylov import inverse_roots, log_det
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import exp, log, row_sums, sqrt, sum_samples
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.plugins import Settings

__all__ = ["MetricGaussian", "MetricOptions"]

#: Draws that estimate the sds, with a relative error of 4 %.
SD_DRAWS: Final = 256
#: Probes that estimate `log det`.
PROBES: Final = 24


class MetricOptions(Settings):
    """Options of the Gaussian of the prior's precision and gradients of noise."""

    gradients: Count = Field(
        64,
        description="Number of gradients of noise that are kept; where the start gives more, "
        "some are added to each other with random signs.",
        json_schema_extra={"unit": "gradients"},
    )
    taper_cells: PositiveFloat = Field(
        6.0,
        description="Sd of the Gaussian taper of what distant cells seem to share.",
        json_schema_extra={"unit": "cells"},
    )


class MetricGaussian(GaussianFamily):
    """`N(mu, P^{-1})`, `P = Q + H`, `H = sum_k diag(g_k) R diag(g_k)`, by products alone.

    `Q` is the prior's precision, `R` a taper of the distance between cells. With
    `S = diag(exp(log_sd))` and `M = S P S`, whose diagonal is 1, `L = S M^{-1/2}`. Parameters
    are `mu`, `log_sd`, the gradients `rows` `(k, n)` float32, and `log_det` `(2,)`, that of
    `M^{-1/2}` and its standard error. Before there are gradients, `M` is the identity.

    Only the mean is moved by gradients of the ELBO.
    """

    Options: ClassVar[type[Settings]] = MetricOptions

    #: Count of numbers in a column of `L` that are moved: none.
    column_size = 0
    #: Names of the parameters that no gradient moves.
    fixed: ClassVar[frozenset[str]] = frozenset({"log_sd", "rows", "log_det"})

    def __init__(
        self, active: NDArray[np.bool_], options: MetricOptions, prior: Product = identity
    ) -> None:
        super().__init__(int(active.sum()))
        self.options, self._prior = options, prior
        self._taper = Taper(active, options.taper_cells)

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: MetricOptions) -> Self:
        """Return the family of the `active` cells of a grid, under the prior `N(0, I)`."""
        return cls(active, options)

    def with_prior(self, precision: Product) -> Self:
        """Return the family under a prior, by products of its precision with rows `(S, n)`."""
        return type(self)(self._taper.active, self.options, precision)

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
        """Return `N(mean, P^{-1})` of the gradients of a `precision`.

        Raises
        ------
        ConfigError
            If it is not made of gradients of noise.
        """
        if not isinstance(precision, RowsPrecision):
            raise ConfigError(
                "'start.hessian.kind' must be 'noise' for the family metric_gaussian, which "
                "keeps gradients of noise."
            )
        rows = self._kept(precision.rows)
        # Of the gradients as they are kept, so that the trace below is exact.
        added = sum_samples(rows.double().square()) - sum_samples(precision.rows.square())
        diagonal = precision.diagonal() + added
        log_sd = -0.5 * log(diagonal)
        parameters = {**self.independent(mean, log_sd), "rows": rows}
        trace = float(row_sums((diagonal * self._scale(parameters) ** 2)[None]))
        found = log_det(self._inner(parameters), self.n, trace, 0, PROBES)
        numbers = [-0.5 * found.value, 0.5 * found.standard_error]
        parameters["log_det"] = torch.tensor(numbers, dtype=torch.float64)
        return parameters

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` of the rows of `x` `(S, n)`."""
        return (self._scale(parameters) * self._inverse_root(parameters, x)).to(x.dtype)

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x`."""
        return self._inverse_root(parameters, self._scale(parameters) * x).to(x.dtype)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x`."""
        return self._root(parameters, x / self._scale(parameters)).to(x.dtype)

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x`."""
        return (self._root(parameters, x) / self._scale(parameters)).to(x.dtype)

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
        off = theta.detach().double() - self.mean(parameters).double()
        off = off / self._scale(parameters)
        squares = row_sums(off * self._product(parameters, off))
        return -0.5 * squares - self.n * HALF_LOG_2PI - self.log_det(parameters)

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`, from 256 keyed draws."""
        if not _is_informed(parameters):
            return exp(parameters["log_sd"])
        total = torch.zeros(self.n, dtype=torch.float64)
        for i in range(SD_DRAWS):
            eps = keyed_rng(0, "sd of a metric", i).standard_normal(self.n)
            total += self.apply(parameters, torch.from_numpy(eps)[None])[0].square()
        return sqrt(total / SD_DRAWS).to(parameters["log_sd"].dtype)

    def _kept(self, rows: Tensor) -> Tensor:
        """Return `rows` `(m, n)` as `(gradients, n)`, added with random signs or padded."""
        kept = torch.zeros(self.options.gradients, self.n, dtype=rows.dtype)
        signs = keyed_rng(0, "signs of gradients").integers(0, 2, len(rows)) * 2.0 - 1.0
        for i, (row, sign) in enumerate(zip(rows, signs.tolist(), strict=True)):
            kept[i % len(kept)] += sign * row
        return kept.float()

    def _scale(self, parameters: Parameters) -> Tensor:
        """Return the diagonal of `S` `(n,)`, float64."""
        return exp(parameters["log_sd"].double())

    def _inverse_root(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M^{-1/2} x` of the rows of `x` `(S, n)`, float64."""
        x = x.detach().double()
        if not _is_informed(parameters):
            return x
        return inverse_roots(self._inner(parameters), x)

    def _root(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M^{1/2} x`: the inverse root, and a product."""
        return self._product(parameters, self._inverse_root(parameters, x))

    def _product(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `M x` of the rows of `x` `(S, n)` float64."""
        if not _is_informed(parameters):
            return x
        inner = self._inner(parameters)
        return torch.stack([inner(row) for row in x])

    def _inner(self, parameters: Parameters) -> Callable[[Tensor], Tensor]:
        """Return products of `M` with a vector `(n,)` float64, those of gradients in single."""
        rows, scale = parameters["rows"], self._scale(parameters)

        def product(x: Tensor) -> Tensor:
            inside = scale * x
            ahead = self._prior(inside[None])[0]
            return scale * (ahead + self._taper.couple(rows, inside))

        return product


def _is_informed(parameters: Parameters) -> bool:
    """Return whether there are gradients of noise."""
    return bool(parameters["rows"].any())
