"""The new posterior, fitted to what the old one implies; nothing is simulated."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.answers.replacement.closed_form import (
    MOST_UNKNOWNS,
    GaussianPosterior,
    gaussian_posterior,
    is_affine,
    location_of,
)
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.config.hypotheses import HypothesisSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import (
    Gaussian,
    IndependentStart,
    InformedStart,
    NaturalGradient,
)
from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.inference.method import FitsFamily, load_method
from pvi_hpc.inference.settings import InferenceSettings, OptimiserSettings, StartSettings
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import log

__all__ = ["Replaced", "Terms", "elbo_terms", "replace_prior"]

#: Draws by which starts are compared.
COMPARED: Final = 32
#: Unknowns of a batch of draws.
BATCH: Final = 1_000_000


@dataclass(frozen=True)
class Replaced:
    """The new posterior, a member of the run's family over the new prior's unknowns.

    `log_evidence_ratio` is there where it is known in closed form.
    """

    family: Family
    parameters: Parameters
    iterations: int
    log_evidence_ratio: float | None = None

    def draws(self, n: int, seed: int, purpose: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield new unknowns `(S, n)` and their log densities `(S,)`, `n` draws in batches.

        A draw is the same whatever the size of the batches.
        """
        like, batch = self.parameters[LOCATION], max(1, min(64, BATCH // self.family.n))
        for first in range(0, n, batch):
            normal = [
                keyed_rng(seed, purpose, i).standard_normal(self.family.n)
                for i in range(first, min(first + batch, n))
            ]
            eps = torch.from_numpy(np.stack(normal)).to(like.dtype)
            theta = self.family.sample(self.parameters, eps).detach()
            yield theta, self.family.log_q(self.parameters, eps)


def replace_prior(
    target: ImpliedTarget, settings: HypothesisSettings, seed: int, closed_form: bool = True
) -> Replaced:
    """Return the posterior under the new prior.

    In closed form where all is Gaussian and there are at most `MOST_UNKNOWNS` unknowns, unless
    `closed_form` is False; else the family's member of largest ELBO, by natural gradients where
    the family has them, from the best of several starts.

    Raises
    ------
    ConfigError
        If the implied likelihood and the new prior have no normalisable product.
    NonFiniteError
        If the optimisation meets a density that is not finite.
    """
    family, point, gaussian = target.family, location_of(target), None
    small = family.n <= MOST_UNKNOWNS
    if isinstance(family, Gaussian) and small:
        affine = is_affine(target, point)
        try:
            gaussian = gaussian_posterior(target, point)
        except ConfigError:
            if affine:
                raise
        if closed_form and affine and gaussian is not None:
            assert isinstance(family, InformedStart)  # every Gaussian family is
            precision = DensePrecision(gaussian.precision, target.change.new.active)
            parameters = family.informed(gaussian.mean, precision)
            return Replaced(family, parameters, 0, gaussian.log_evidence_ratio)
    starts = list(_starts(target, point, gaussian))
    elbos = [_elbo(target, Replaced(family, start, 0), seed) for start in starts]
    best = max(range(len(starts)), key=elbos.__getitem__)
    return _fitted(target, settings, seed, starts[best])


@dataclass(frozen=True)
class Terms:
    """Terms of the ELBO at draws of the new posterior, `(S,)` each [nats].

    `likelihood` is the implied log likelihood, `divergence` log `q` over the new prior.
    """

    likelihood: NDArray[np.float64]
    divergence: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Log of target over `q`.

        Their mean is the ELBO, a lower bound of the log evidence ratio; the exponentials are
        the importance weights, whose mean is the ratio.
        """
        return self.likelihood - self.divergence


def elbo_terms(target: ImpliedTarget, replaced: Replaced, n: int, seed: int) -> Terms:
    """Return the terms at `n` draws of the new posterior."""
    likelihood, divergence = [], []
    for theta, log_q in replaced.draws(n, seed, "replaced"):
        value = target.value(theta)
        likelihood.append(value.log_likelihood.numpy())
        divergence.append((log_q - value.log_prior).numpy())
    return Terms(np.concatenate(likelihood), np.concatenate(divergence))


def _elbo(target: ImpliedTarget, replaced: Replaced, seed: int) -> float:
    """Return the ELBO by a few draws; minus infinity where it is not finite."""
    elbo = float(elbo_terms(target, replaced, COMPARED, seed).total.mean())
    return elbo if np.isfinite(elbo) else -np.inf


def _starts(
    target: ImpliedTarget, point: Tensor, gaussian: GaussianPosterior | None
) -> Iterator[Parameters]:
    """Yield members of the family to begin from."""
    family, old = target.family, target.parameters
    yield {**{name: value.clone() for name, value in old.items()}, LOCATION: point.clone()}
    yield family.initial(point, 0.3)
    if gaussian is None:
        return
    around = []
    if isinstance(family, InformedStart):
        precision = DensePrecision(gaussian.precision, target.change.new.active)
        around.append(family.informed(gaussian.mean, precision))
    if isinstance(family, IndependentStart):
        log_sd = -0.5 * log(gaussian.precision.diagonal())
        around.append(family.independent(gaussian.mean, log_sd))
    for parameters in around:
        yield {**parameters, LOCATION: point.clone()}
        yield parameters


def _fitted(
    target: ImpliedTarget, settings: HypothesisSettings, seed: int, start: Parameters
) -> Replaced:
    family, n = target.family, settings.iterations
    kind = "natural" if isinstance(family, NaturalGradient) else "adam"
    inference = InferenceSettings(
        iterations=n,
        samples=settings.samples,
        optimiser=OptimiserSettings.model_validate({"kind": kind, "average": 0.2}),
    )
    method = load_method(family, target, inference, StartSettings(), seed)
    state = method.init(start[LOCATION], 1.0)
    for name, value in start.items():
        state.parameters[name].copy_(value)
    for _ in range(n):
        state, _ = method.step(state)
    assert isinstance(method, FitsFamily)
    return Replaced(family, method.fitted(state), n)
