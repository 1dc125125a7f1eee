"""Every correlation (Kucukelbir et al. 2017, JMLR 18); for a few thousand unknowns."""

from typing import ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.options import PLACE, FullRankOptions
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.numerics.reproducible import exp, log, one_thread, sum_samples
from pvi_hpc.plugins import Settings

__all__ = ["FullRank"]

#: Arrays `(n, n)` at once: the factor and a copy, its gradient, two moments, one product.
ARRAYS: Final = 6


class FullRank(GaussianFamily):
    """Gaussian with every correlation, for a few thousand unknowns at most.

    `theta = mu + exp(log_sd) * eps + lower eps`.

    Parameters `mu`, `log_sd` `(n,)` and `lower` `(n, n)`, zero on and above the diagonal.
    """

    Options: ClassVar[type[Settings]] = FullRankOptions

    @property
    def column_size(self) -> int:
        """Numbers in a column of `L`."""
        return self.n

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: FullRankOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        Raises
        ------
        ConfigError
            If the matrices would take more than `memory_gb`.
        """
        bound, n = options.memory_gb, int(active.sum())
        needed = ARRAYS * 8 * n**2 / 1e9
        if needed > bound:
            raise ConfigError(
                f"'inference.family.kind: full_rank' of {n} unknown cells needs {needed:.3g} "
                f"GB, which must be at most '{PLACE}.memory_gb', {bound:g} GB; raise that if "
                "the machine has it, or choose 'kind: structured' or 'kind: low_rank'."
            )
        return cls(n)

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads."""
        return "matrix"

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        lower = torch.zeros(self.n, self.n, dtype=mean.dtype)
        return {**super().independent(mean, log_sd), "lower": lower}

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the parameters of `N(mean, precision^{-1})` itself."""
        # P = (J C J) (J C J)^T with J the reversal of the order, so that L = J C^{-T} J.
        one = torch.eye(self.n, dtype=torch.float64)
        with one_thread():
            root = torch.linalg.cholesky(precision.dense().flip(0, 1))
            factor = torch.linalg.solve_triangular(root.T, one, upper=True).flip(0, 1)
        return {
            LOCATION: mean.detach().clone(),
            "log_sd": log(factor.diagonal()).to(mean.dtype),
            "lower": factor.tril(-1).to(mean.dtype),
        }

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`."""
        with one_thread():
            return x.detach().clone() @ _factor(parameters).T

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`."""
        with one_thread():
            return x.detach().clone() @ _factor(parameters)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        with one_thread():
            columns: Tensor = torch.linalg.solve_triangular(
                _factor(parameters), x.detach().T.contiguous(), upper=False
            )
        return columns.T.contiguous()

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        with one_thread():
            columns: Tensor = torch.linalg.solve_triangular(
                _factor(parameters).T, x.detach().T.contiguous(), upper=True
            )
        return columns.T.contiguous()

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by `log_sd` and `lower`."""
        by_factor = torch.zeros_like(parameters["lower"])
        for c, e in zip(cotangent, eps, strict=True):
            by_factor += c[:, None] * e
        by_log_sd = exp(parameters["log_sd"]) * sum_samples(cotangent * eps)
        return {"log_sd": by_log_sd, "lower": by_factor.tril_(-1)}

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the inverse Fisher information times `gradients`.

        A change `L A` of `L` costs `|A|^2 + |diag A|^2`, so that the answer is `L A` with `A`
        the lower triangle of `L^T G`, its diagonal halved.
        """
        mu = self.natural_mean(parameters, gradients[LOCATION])
        if "log_sd" not in gradients:
            return {LOCATION: mu}
        factor = _factor(parameters)
        by_factor = gradients["lower"] + torch.diag(gradients["log_sd"] / factor.diagonal())
        with one_thread():
            inner = (factor.T @ by_factor).tril_()
            inner.diagonal().mul_(0.5)
            change = factor @ inner
        return {
            LOCATION: mu,
            "log_sd": inner.diagonal().clone(),
            "lower": change.tril_(-1),
        }

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`: the norms of the rows of `L`."""
        lower = parameters["lower"].detach().numpy()
        squares = torch.from_numpy(np.square(lower).sum(axis=1))
        diagonal = exp(parameters["log_sd"])
        return (diagonal * diagonal + squares).sqrt()


def _factor(parameters: Parameters) -> Tensor:
    """Return `L` in memory of its own: how BLAS rounds depends on where an array begins."""
    factor = parameters["lower"].detach().clone()
    factor.diagonal().copy_(exp(parameters["log_sd"]))
    return factor
