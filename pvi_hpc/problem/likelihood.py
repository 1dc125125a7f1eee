"""Log-likelihood of models, from all shots or an unbiased minibatch of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.forward.simulator import Simulator
from pvi_hpc.inference.noise import NoiseFactors, NoisePrior
from pvi_hpc.inference.noise_inference import Seen
from pvi_hpc.inference.target import Shots
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.problem.bridge import Bridge

__all__ = ["Fit", "GaussianLikelihood", "Likelihood", "NoData", "NoiseGroups"]


@dataclass(frozen=True)
class Fit:
    """Fit of models to the data.

    Parameters
    ----------
    log_likelihood
        `(S,)`, of all shots (estimated where only some were simulated), without the constant
        `-sum(log(noise_sd) + log(2 pi) / 2)`; differentiable by the models.
    chi_squared
        Reduced chi-squared `(S,)` by the noise sd that is given: 2 misfit / number of data;
        NaN without data.
    count
        Simulations done.
    """

    log_likelihood: Tensor
    chi_squared: Tensor
    count: SimulationCount = field(default_factory=SimulationCount)


@dataclass(frozen=True)
class NoiseGroups:
    """Data of the groups whose noise has a factor, `counts` `(n_shots, G)`, and its prior."""

    counts: NDArray[np.float64]
    prior: NoisePrior

    @property
    def n_data(self) -> NDArray[np.float64]:
        """Number of data of each group, of all shots `(G,)`."""
        return np.asarray(self.counts.sum(axis=0))


class Likelihood(Protocol):
    """The density of the data given models."""

    @property
    def n_shots(self) -> int:
        """Number of shots; 0 without data."""
        ...

    def stratum(self, step: int, shots: int) -> Shots:
        """Return the shots of a step; as `ShotTarget`."""
        ...

    def noise(
        self, models: Sequence[Tensor], shots: Shots, keys: Sequence[int]
    ) -> tuple[Tensor, SimulationCount]:
        """Return gradients of noise `(S, K, nz, ny, nx)`, one shot a model, and their cost."""
        ...

    def batch(self, iteration: int, sample: int) -> Shots:
        """Return the shots that a sample of an iteration is compared with."""
        ...

    def fit(self, models: Iterable[Tensor], batches: Sequence[Shots | None]) -> Fit:
        """Compare models `(nz, ny, nx)` [m/s] with a batch each; None: with all shots."""
        ...


class GaussianLikelihood:
    """Independent normal noise, of the sd given for each trace.

    Parameters
    ----------
    simulator
        Gives misfits and gradients.
    n_shots, n_data
        Shots, and data that count (samples of traces with finite noise, or the sum of their
        weights), in the survey; no data where the forward problem gives the misfit itself.
    shots_per_sample
        Shots in a minibatch; None: all.
    seed
        Seed of the minibatches.
    samples_per_batch
        Number of consecutive samples that share a minibatch: 2 for antithetic pairs, so that
        noise which cancels within a pair still cancels.
    groups
        Data of each shot in each group whose noise has a factor, and the factors' prior; None:
        the noise is as given.
    """

    def __init__(
        self,
        simulator: Simulator,
        n_shots: int,
        n_data: float,
        shots_per_sample: int | None = None,
        seed: int = 1,
        samples_per_batch: int = 1,
        groups: NoiseGroups | None = None,
    ) -> None:
        self.bridge = Bridge(simulator)
        self.n_shots, self.n_data = n_shots, n_data
        self.shots_per_sample = min(shots_per_sample or n_shots, n_shots)
        self.seed, self.samples_per_batch = seed, samples_per_batch
        self.groups = groups or NoiseGroups(np.zeros((n_shots, 0)), NoisePrior())
        self._factors: NoiseFactors | None = None
        self._seen: list[Seen] = []

    def set_factors(self, factors: NoiseFactors | None) -> None:
        """Compare with these factors on the noise sd; None: with the noise as given."""
        self._factors = factors

    def take_seen(self) -> Seen | None:
        """Return the mean sums of squares of the samples since the last call; None: of none."""
        seen, self._seen = self._seen, []
        if not seen:
            return None
        squares, counts = (np.mean(part, axis=0) for part in zip(*seen, strict=True))
        return Seen(squares, counts)

    def batch(self, iteration: int, sample: int) -> Shots:
        """Return distinct shots in increasing order, drawn for `(iteration, sample)`."""
        if self.shots_per_sample == self.n_shots:
            return tuple(range(self.n_shots))
        rng = keyed_rng(self.seed, "shots", iteration, sample // self.samples_per_batch)
        chosen = rng.choice(self.n_shots, self.shots_per_sample, replace=False)
        return tuple(int(i) for i in np.sort(chosen))

    def stratum(self, step: int, shots: int) -> Shots:
        """Return the shots of a step, dealt out of permutations; as `ShotTarget`."""
        size = min(shots, self.n_shots)
        epoch, place = divmod(step, self.n_shots // size)
        order = keyed_rng(self.seed, "epoch of shots", epoch).permutation(self.n_shots)
        return tuple(int(i) for i in np.sort(order[place * size : (place + 1) * size]))

    def fit(self, models: Iterable[Tensor], batches: Sequence[Shots | None]) -> Fit:
        """Compare models `(nz, ny, nx)` [m/s] with a batch each; None: with all shots."""
        shots = [self._all if b is None else b for b in batches]
        scale = torch.tensor([self.n_shots / len(b) for b in shots], dtype=torch.float64)
        factors = self._factors
        if factors is None:
            misfit = scale * self.bridge.misfit(models, shots)
            chi_squared = 2 * misfit.detach() / (self.n_data or torch.nan)
            return Fit(-misfit, chi_squared, self.bridge.count)
        misfit = scale * self.bridge.misfit(models, shots, self._precisions)
        constant = factors.elbo(self.groups.n_data, self.groups.prior)
        chi_squared = scale * self._look(shots) / self.n_data
        return Fit(constant - misfit, chi_squared, self.bridge.count)

    def _look(self, shots: Sequence[Shots]) -> Tensor:
        """Keep the sums of squares of the last batch; return those of each sample `(S,)`."""
        total = torch.full((len(shots),), torch.nan, dtype=torch.float64)
        for i, (squares, its) in enumerate(zip(self.bridge.squares, shots, strict=True)):
            if len(squares):  # the sample was not dropped
                self._seen.append(Seen(squares, self.groups.counts[list(its)].sum(axis=0)))
                total[i] = float(squares.sum())
        return total

    def noise(
        self, models: Sequence[Tensor], shots: Shots, keys: Sequence[int]
    ) -> tuple[Tensor, SimulationCount]:
        """Return gradients of noise `(S, K, nz, ny, nx)`, one shot a model, and their cost."""
        return self.bridge.noise(models, shots, keys, self._precisions), self.bridge.count

    @property
    def _precisions(self) -> list[float]:
        return [] if self._factors is None else list(self._factors.precisions.tolist())

    @property
    def _all(self) -> Shots:
        return tuple(range(self.n_shots))


class NoData:
    """A likelihood that knows nothing: the posterior is the prior."""

    n_shots = 0

    def stratum(self, step: int, shots: int) -> Shots:
        """Return no shot."""
        return ()

    def noise(
        self, models: Sequence[Tensor], shots: Shots, keys: Sequence[int]
    ) -> tuple[Tensor, SimulationCount]:
        """Return no gradient: there is no shot."""
        return torch.zeros(0, len(keys)), SimulationCount()

    def batch(self, iteration: int, sample: int) -> Shots:
        """Return no shot."""
        return ()

    def fit(self, models: Iterable[Tensor], batches: Sequence[Shots | None]) -> Fit:
        """Return zeros; nothing is simulated."""
        zero = torch.stack([0 * model.flatten()[0] for model in models])
        return Fit(zero, torch.full_like(zero.detach(), torch.nan))
