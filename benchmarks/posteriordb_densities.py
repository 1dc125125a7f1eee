"""Log densities of posteriordb's models, written for torch in unbounded unknowns.

Models are those of posteriordb (Magnusson et al. 2024, arXiv 2407.04967), without constants.
Positive unknowns are logarithms and shares are logits, with the change of volume. Functions
take the data of a posterior and return a log density `(S, n) -> (S,)`.
"""

from collections.abc import Callable, Mapping
from math import log
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = [
    "Data",
    "LogProb",
    "ar",
    "banana",
    "blr",
    "centred_schools",
    "correlated",
    "diamonds",
    "funnel",
    "garch",
    "gp_functions",
    "gp_poisson",
    "linear",
    "mixture",
    "non_centred_schools",
    "rosenbrock",
    "student",
]

Data = Mapping[str, Any]
LogProb = Callable[[Tensor], Tensor]
JITTER: Final = 1e-10


def tensor(values: Any) -> Tensor:
    """Return float64 values."""
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def _normal(residual: Tensor, log_sd: Tensor) -> Tensor:
    """Return the log density of residuals `(S, N)` with one log sd `(S,)` each."""
    squares = (residual / log_sd.exp()[:, None]).square().sum(dim=1)
    return -0.5 * squares - residual.shape[1] * log_sd


def _cauchy(log_x: Tensor, scale: float) -> Tensor:
    """Return the half-Cauchy log density of `x`, by its logarithm."""
    return -torch.log1p((log_x.exp() / scale).square()) + log_x


def non_centred_schools(data: Data) -> LogProb:
    """Return that of standardised effects, their mean, and the log of their sd."""
    y, sigma = tensor(data["y"]), tensor(data["sigma"])

    def log_prob(x: Tensor) -> Tensor:
        z, mu, log_tau = x[:, :-2], x[:, -2], x[:, -1]
        effect = mu[:, None] + log_tau.exp()[:, None] * z
        fit = ((y - effect) / sigma).square().sum(dim=1) + z.square().sum(dim=1)
        return -0.5 * fit - 0.5 * (mu / 5).square() + _cauchy(log_tau, 5.0)

    return log_prob


def centred_schools(data: Data) -> LogProb:
    """Return that of effects, their mean, and the log of their sd."""
    y, sigma = tensor(data["y"]), tensor(data["sigma"])

    def log_prob(x: Tensor) -> Tensor:
        effect, mu, log_tau = x[:, :-2], x[:, -2], x[:, -1]
        prior = _normal(effect - mu[:, None], log_tau)
        fit = ((y - effect) / sigma).square().sum(dim=1)
        return prior - 0.5 * fit - 0.5 * (mu / 5).square() + _cauchy(log_tau, 5.0)

    return log_prob


def garch(data: Data) -> LogProb:
    """Return that of `mu`, log `alpha0`, logit `alpha1`, logit `beta1 / (1 - alpha1)`."""
    y, first = tensor(data["y"]), float(data["sigma1"]) ** 2

    def log_prob(x: Tensor) -> Tensor:
        alpha0, alpha1 = x[:, 1].exp(), x[:, 2].sigmoid()
        beta1 = (1 - alpha1) * x[:, 3].sigmoid()
        residual = y - x[:, :1]
        squares = residual.square()
        variances = [torch.full_like(alpha0, first)]
        for t in range(1, len(y)):
            variances.append(alpha0 + alpha1 * squares[:, t - 1] + beta1 * variances[-1])
        variance = torch.stack(variances, dim=1)
        volume = x[:, 1] + logsigmoid(x[:, 2]) + 2 * logsigmoid(-x[:, 2])
        volume = volume + logsigmoid(x[:, 3]) + logsigmoid(-x[:, 3])
        return -0.5 * (squares / variance + variance.log()).sum(dim=1) + volume

    return log_prob


def linear(design: NDArray[np.float64], y: Any, scale: float | None = None) -> LogProb:
    """Return that of weights and log sd; `scale` is of a half-Cauchy prior of the sd."""
    columns, seen = tensor(design), tensor(y)

    def log_prob(x: Tensor) -> Tensor:
        log_sd = x[:, -1]
        prior = log_sd if scale is None else _cauchy(log_sd, scale)
        return _normal(seen - x[:, :-1] @ columns.T, log_sd) + prior

    return log_prob


def blr(data: Data) -> LogProb:
    """Return that of weights and log sd, both with normal priors of sd 10."""
    plain = linear(np.asarray(data["X"], dtype=np.float64), data["y"])

    def log_prob(x: Tensor) -> Tensor:
        weights = x[:, :-1].square().sum(dim=1) + (2 * x[:, -1]).exp()
        return plain(x) - 0.5 * weights / 100

    return log_prob


def ar(data: Data) -> LogProb:
    """Return that of an autoregression: constant, weights of earlier values, log sd."""
    y, k = np.asarray(data["y"], dtype=np.float64), int(data["K"])
    lags = [y[k - 1 - lag : len(y) - 1 - lag] for lag in range(k)]
    plain = linear(np.stack([np.ones(len(y) - k), *lags], axis=1), y[k:], scale=2.5)
    return lambda x: plain(x) - 0.5 * x[:, :-1].square().sum(dim=1) / 100


def diamonds(data: Data) -> LogProb:
    """Return that of weights, intercept and log sd, with priors of brms."""
    design = np.asarray(data["X"], dtype=np.float64)[:, 1:]
    ones = np.ones((len(design), 1))
    plain = linear(np.hstack([design - design.mean(axis=0), ones]), data["Y"])

    def log_prob(x: Tensor) -> Tensor:
        prior = -0.5 * x[:, :-2].square().sum(dim=1)
        for z in ((x[:, -2] - 8) / 10, x[:, -1].exp() / 10):
            prior = prior - 2 * torch.log1p(z.square() / 3)
        return plain(x) + prior

    return log_prob


def mixture(data: Data) -> LogProb:
    """Return that of the first mean, log distance of the second, two log sds, logit weight."""
    y = tensor(data["y"])

    def log_prob(x: Tensor) -> Tensor:
        first, log_gap, log_sds, logit = x[:, 0], x[:, 1], x[:, 2:4], x[:, 4]
        means = torch.stack([first, first + log_gap.exp()], dim=1)
        weights = torch.stack([logsigmoid(logit), logsigmoid(-logit)], dim=1)
        sds = log_sds.exp()
        z = (y - means[:, :, None]) / sds[:, :, None]
        parts = weights[:, :, None] - 0.5 * z.square() - log_sds[:, :, None]
        prior = -0.5 * (means.square() + sds.square()).sum(dim=1) / 4
        volume = log_gap + log_sds.sum(dim=1) + 5 * weights.sum(dim=1)
        return torch.logsumexp(parts, dim=1).sum(dim=1) + prior + volume

    return log_prob


def gp_functions(data: Data) -> Callable[[Tensor], Tensor]:
    """Return the map from log length, log sd and white values to the function's values."""
    x = tensor(data["x"])
    squares = (x[:, None] - x).square()
    jitter = JITTER * torch.eye(len(x), dtype=torch.float64)

    def functions(theta: Tensor) -> Tensor:
        length, sd = theta[:, 0].exp(), theta[:, 1].exp()
        root = torch.linalg.cholesky(
            sd[:, None, None].square() * torch.exp(-0.5 * squares / length[:, None, None] ** 2)
            + jitter
        )
        return (root @ theta[:, 2:, None])[:, :, 0]

    return functions


def gp_poisson(data: Data) -> LogProb:
    """Return that of a Gaussian process whose exponential is a rate of counts."""
    counts, functions = tensor(data["k"]), gp_functions(data)

    def log_prob(x: Tensor) -> Tensor:
        rho, alpha, f = x[:, 0].exp(), x[:, 1].exp(), functions(x)
        prior = 25 * x[:, 0] - 4 * rho - alpha.square() / 8 + x[:, 1]
        prior = prior - 0.5 * x[:, 2:].square().sum(dim=1)
        return prior + (counts * f - f.exp()).sum(dim=1)

    return log_prob


def funnel(x: Tensor) -> Tensor:
    """Return Neal's funnel: `v ~ N(0, 3)`, the others `N(0, exp(v / 2))`."""
    v, others = x[:, 0], x[:, 1:]
    return -v.square() / 18 + _normal(others, v / 2)


def banana(x: Tensor) -> Tensor:
    """Return the bent Gaussian of Haario et al. (1999), of sds 10 and 1, bent by 0.03."""
    bent = x[:, 1] + 0.03 * (x[:, 0].square() - 100)
    return -0.5 * ((x[:, 0] / 10).square() + bent.square())


def rosenbrock(x: Tensor) -> Tensor:
    """Return the density of Goodman & Weare (2010), section 4."""
    return -(100 * (x[:, 1] - x[:, 0].square()).square() + (1 - x[:, 0]).square()) / 20


def student(x: Tensor) -> Tensor:
    """Return the multivariate t density with 4 degrees of freedom."""
    return -0.5 * (4 + x.shape[1]) * torch.log1p(x.square().sum(dim=1) / 4)


def correlated(sds: NDArray[np.float64], seed: int) -> tuple[LogProb, NDArray[np.float64]]:
    """Return a Gaussian with given sds `(n,)` and random correlations, and its mean `(n,)`."""
    n, rng = len(sds), np.random.default_rng(seed)
    loose = rng.standard_normal((n, n)) + 2 * np.eye(n)
    covariance = loose @ loose.T
    to_unit = sds / np.sqrt(np.diag(covariance))
    covariance *= np.outer(to_unit, to_unit)
    mean = sds * rng.standard_normal(n)
    precision, centre = tensor(np.linalg.inv(covariance)), tensor(mean)
    constant = -0.5 * float(np.linalg.slogdet(covariance)[1]) - 0.5 * n * log(2 * np.pi)

    def log_prob(x: Tensor) -> Tensor:
        y = x - centre
        return constant - 0.5 * ((y @ precision) * y).sum(dim=1)

    return log_prob, mean
