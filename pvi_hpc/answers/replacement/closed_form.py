r"""Prior replacement in closed form, where all is Gaussian.

If the old unknowns are an affine function :math:`A \theta + b` of the new ones, as between
normal priors or between priors that differ in their correlation alone, and the old posterior is
:math:`N(\mu, \Lambda^{-1})`, then the new one has the precision

.. math:: P = \Pi_{new} + A^T (\Lambda - \Pi_{old}) A,

:math:`\Pi` the precisions of the priors in their unknowns, which are ``I`` where these are
whitened.
"""

from dataclasses import dataclass
from math import pi
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.families.family import LOCATION
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import one_thread

__all__ = [
    "MOST_UNKNOWNS",
    "GaussianPosterior",
    "gaussian_posterior",
    "is_affine",
    "location_of",
]

#: Most unknowns for which matrices `(n, n)` are made.
MOST_UNKNOWNS: Final = 2000
#: Largest error of an affine function that is rounding, in units of the unknowns.
ROUNDING: Final = 1e-5


@dataclass(frozen=True)
class GaussianPosterior:
    """`N(mean, precision^{-1})` of the new unknowns, near the point it was expanded at.

    `log_evidence_ratio` is exact where the change of unknowns is affine.
    """

    mean: Tensor
    precision: Tensor
    log_evidence_ratio: float


def is_affine(target: ImpliedTarget, mean: Tensor) -> bool:
    """Return whether old unknowns are an affine function of new ones, as seen near `mean`."""
    change, n = target.change, len(mean)
    back = change.jacobian_back(mean)
    steps = torch.from_numpy(keyed_rng(1, "affine").standard_normal((4, n)))
    at = change.old_unknowns(change.velocities(torch.cat([mean[None], mean + steps])))
    with one_thread():
        expected = at[0] + steps @ back.T
    return bool((at[1:] - expected).abs().max() < ROUNDING)


def gaussian_posterior(target: ImpliedTarget, point: Tensor) -> GaussianPosterior:
    """Return the Gaussian that has the target's value, gradient and curvature at `point`.

    The curvature is that of an affine change of unknowns. Of a Gaussian target it is all.

    Raises
    ------
    ConfigError
        If the precision is not positive definite: the old posterior is wider than its prior in
        a direction that the new prior leaves free, and implies no likelihood there.
    """
    family, parameters, change = target.family, target.parameters, target.change
    assert isinstance(family, Gaussian)
    rows = change.jacobian_back(point)  # row i: gradient of old unknown i
    one = torch.eye(len(point), dtype=torch.float64)
    with one_thread():
        # Rows of `L^{-1}` transposed: of each unit vector its solve.
        whitened = family.solve(parameters, one)
        precision = whitened @ whitened.T - change.old.coordinates.precision(one)
        found = rows.T @ precision @ rows + change.new.coordinates.precision(one)
        found = (found + found.T) / 2
        try:
            root = torch.linalg.cholesky(found)
        except RuntimeError as error:
            raise ConfigError(
                "The old posterior is wider than its prior in a direction that the new prior "
                "leaves free, so that it implies no likelihood there; choose a hypothesis that "
                "is nearer to the run's prior, a family with correlations, or "
                "'inference.coordinates: whitened'."
            ) from error
        value = target.value(point[None])
        step = torch.cholesky_solve(value.gradient[0][:, None], root)[:, 0]
        peak = float(value.log_likelihood + value.log_prior)
        peak += 0.5 * float(step @ value.gradient[0])
        log_det = 2 * float(root.diagonal().log().sum())
    ratio = peak - 0.5 * log_det + 0.5 * len(point) * float(np.log(2 * pi))
    return GaussianPosterior(point + step, found, ratio)


def location_of(target: ImpliedTarget) -> Tensor:
    """Return the new unknowns `(n,)` of the model at the location of the old posterior."""
    location = target.parameters[LOCATION].detach().double()[None]
    velocities = target.change.old.coordinates.velocities(location)
    new = target.change.new
    low, high = (torch.from_numpy(b) for b in (new.prior.lower, new.prior.upper))
    return new.coordinates.start(torch.minimum(torch.maximum(velocities, low), high))[0]
