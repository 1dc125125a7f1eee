r"""The exact posterior of a linear problem with Gaussian prior and noise, and its evidence.

Data :math:`d = J m + \epsilon` with :math:`m \sim N(m_0, C)` and independent noise of the sds
:math:`\sigma_i`. With the Cholesky factor :math:`C = L L^T` and
:math:`B = I + L^T J^T \Sigma^{-1} J L` the posterior covariance is :math:`L B^{-1} L^T`,
and the evidence [1]_ follows from

.. math:: \log |J C J^T + \Sigma| = \log |B| + \sum_i \log \sigma_i^2 .

Everything is dense in the cells, `O(n^3)` time and three matrices `(n, n)`: minutes for ten
thousand cells on one core. Cells that no datum depends on can be left out: where the prior
covariance is that of the others alone, their posterior is the same.

References
----------
.. [1] Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, sections 2.2, 2.3.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array, diags_array

from pvi_hpc.errors import ConfigError

__all__ = ["LinearGaussian", "Scales", "best_scales"]

Array = NDArray[np.float64]

#: Range of noise over prior sd, as natural logarithms around that of the data, of a search.
SEARCH: Final = 7.0
#: Error of the logarithm of noise over prior sd at which a search ends.
SEARCH_ERROR: Final = 0.01


class Scales(NamedTuple):
    """Factor on the noise sds and on the prior sds of the largest evidence, and that [nats]."""

    noise: float
    prior: float
    log_evidence: float


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """A linear problem; its exact posterior is computed when it is asked for.

    Parameters
    ----------
    jacobian
        Matrix `(n_data, n)`, sparse or dense.
    data, noise_sd
        Data and the sds of their noise `(n_data,)`; NaN and infinity mark a missing datum.
    prior_mean, prior_covariance
        Prior `(n,)`, `(n, n)`.

    Raises
    ------
    ConfigError
        If shapes do not fit, or the covariance is not positive definite.
    """

    jacobian: Any
    data: Array
    noise_sd: Array
    prior_mean: Array
    prior_covariance: Array

    @classmethod
    def of(
        cls,
        jacobian: Any,
        data: ArrayLike,
        noise_sd: ArrayLike,
        prior_mean: ArrayLike,
        prior_covariance: ArrayLike,
    ) -> "LinearGaussian":
        """Return the problem of the data that are not missing; single numbers are spread."""
        rows, n = jacobian.shape
        given = {
            "data": (np.asarray(data, dtype=np.float64), (rows,)),
            "noise_sd": (np.asarray(noise_sd, dtype=np.float64), (rows,)),
            "prior_mean": (np.asarray(prior_mean, dtype=np.float64), (n,)),
            "prior_covariance": (np.asarray(prior_covariance, dtype=np.float64), (n, n)),
        }
        for name, (values, shape) in given.items():
            if values.shape != shape and (values.ndim or name == "prior_covariance"):
                raise ConfigError(
                    f"'{name}' must have shape {shape}, as 'jacobian' of shape "
                    f"{jacobian.shape} says, got {values.shape}."
                )
        its_data, noise, mean, covariance = (
            values if name == "prior_covariance" else np.broadcast_to(values, shape)
            for name, (values, shape) in given.items()
        )
        used = np.isfinite(its_data) & np.isfinite(noise)
        if not (noise[used] > 0).all() or not used.any():
            raise ConfigError(
                "'noise_sd' must be positive and some 'data' must be there; NaN marks a "
                "missing datum."
            )
        matrix = csr_array(jacobian)[np.flatnonzero(used)]
        return cls(matrix, its_data[used], noise[used], mean, covariance)

    @property
    def n(self) -> int:
        """Number of cells."""
        return int(self.prior_mean.size)

    @cached_property
    def mean(self) -> Array:
        """Posterior mean `(n,)`."""
        inner = solve_triangular(self._factor, self._pulled, lower=True)
        inner = solve_triangular(self._factor, inner, lower=True, trans=1)
        return np.asarray(self.prior_mean + self._root @ inner)

    @cached_property
    def sd(self) -> Array:
        """Posterior sds of the cells `(n,)`."""
        return np.asarray(np.sqrt(np.einsum("ij,ij->j", self._half, self._half)))

    def covariance(self, weights: ArrayLike) -> Array:
        """Return the posterior covariance `(k, k)` of weighted sums of cells `(k, n)`."""
        half = self._half @ np.atleast_2d(np.asarray(weights, dtype=np.float64)).T
        return np.asarray(half.T @ half)

    def draws(self, rng: np.random.Generator, n: int) -> Array:
        """Return independent draws of the posterior `(n, cells)`."""
        return np.asarray(self.mean + rng.standard_normal((n, self.n)) @ self._half)

    @cached_property
    def log_evidence(self) -> float:
        """Log density of the data, `log N(d; J m_0, J C J^T + noise)` [nats]."""
        log_noise = float(np.log(self.noise_sd).sum())
        whole = self._misfit + self._log_det + 2 * log_noise
        return -0.5 * (whole + len(self.data) * float(np.log(2 * np.pi)))

    @cached_property
    def _root(self) -> Array:
        """Lower factor of the prior covariance."""
        try:
            return np.asarray(cholesky(self.prior_covariance, lower=True))
        except LinAlgError as fault:
            raise ConfigError(
                f"'prior_covariance' must be positive definite, but: {fault}; is a cell there "
                "twice, or the correlation too smooth for float64?"
            ) from fault

    @cached_property
    def _scaled(self) -> csr_array:
        return csr_array(diags_array(1 / self.noise_sd) @ self.jacobian)

    @cached_property
    def _residual(self) -> Array:
        """Residuals of the prior mean, by the noise sds."""
        return np.asarray((self.data - self.jacobian @ self.prior_mean) / self.noise_sd)

    @cached_property
    def _pulled(self) -> Array:
        return np.asarray(self._root.T @ (self._scaled.T @ self._residual))

    @cached_property
    def _known(self) -> Array:
        """Information of the data on the whitened cells, `B - I`."""
        normal = csr_array(self._scaled.T @ self._scaled)
        return np.asarray(self._root.T @ (normal @ self._root))

    @cached_property
    def _factor(self) -> Array:
        """Lower factor of `B`."""
        return _factor(self._known, 1.0)

    @cached_property
    def _half(self) -> Array:
        """Square root `(n, n)` of the posterior covariance, `half.T @ half`."""
        return np.asarray(solve_triangular(self._factor, self._root.T, lower=True))

    @cached_property
    def _log_det(self) -> float:
        return 2 * float(np.log(np.diag(self._factor)).sum())

    @cached_property
    def _misfit(self) -> float:
        inner = solve_triangular(self._factor, self._pulled, lower=True)
        return float(np.sum(self._residual**2) - np.sum(inner**2))


def best_scales(problem: LinearGaussian) -> Scales:
    r"""Return the factors on all noise sds and on all prior sds of the largest evidence.

    For a ratio :math:`\rho` of the two the data have the covariance
    :math:`s^2 (J C J^T + \rho^2 \Sigma)`, whose best :math:`s^2` is the mean square of the
    whitened residuals; the ratio is searched by Brent's method, one factorisation a step.
    """
    known, pulled = problem._known, problem._pulled
    squares, n_data = float(np.sum(problem._residual**2)), len(problem.data)
    log_noise = float(np.log(problem.noise_sd).sum())

    def at(log_ratio: float) -> Scales:
        # In units of the noise the prior sds are multiplied by 1 / ratio.
        gain = np.exp(-2 * log_ratio)
        factor = _factor(known, gain)
        inner = solve_triangular(factor, pulled, lower=True)
        left = squares - gain * float(np.sum(inner**2))
        noise = left / n_data  # the best squared factor on the noise
        log_det = 2 * float(np.log(np.diag(factor)).sum()) + n_data * float(np.log(noise))
        constant = n_data * (1 + float(np.log(2 * np.pi)))
        evidence = -0.5 * (log_det + 2 * log_noise + constant)
        sd = float(np.sqrt(noise))
        return Scales(sd, sd * float(np.exp(-log_ratio)), evidence)

    found = minimize_scalar(
        lambda r: -at(float(r)).log_evidence,
        bounds=(-SEARCH, SEARCH),
        method="bounded",
        options={"xatol": SEARCH_ERROR},
    )
    return at(float(found.x))


def _factor(known: Array, gain: float) -> Array:
    matrix = gain * known
    matrix.flat[:: len(matrix) + 1] += 1
    return np.asarray(cholesky(matrix, lower=True, overwrite_a=True))
