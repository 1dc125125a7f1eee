"""The unnormalised posterior of a waveform inversion."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.inference.target import NoiseRows, Shots, TargetValue
from pvi_hpc.problem.coordinates import Whitened
from pvi_hpc.problem.likelihood import Likelihood
from pvi_hpc.problem.model_map import ModelMap

__all__ = ["Posterior"]


class Posterior:
    """The posterior of `theta` under a prior that makes `theta` normal.

    In whitened coordinates the log prior is `log p(m(theta)) + log |dm/dtheta| = log N(theta;
    0, I)`, exactly, so that its gradient is `-theta` however far in a tail.
    """

    def __init__(self, model_map: ModelMap, likelihood: Likelihood) -> None:
        self.map, self.likelihood = model_map, likelihood

    def batches(self, iteration: int, n: int) -> Sequence[Shots]:
        """Return the shots that the `n` samples of an iteration are compared with."""
        return [self.likelihood.batch(iteration, i) for i in range(n)]

    @property
    def active(self) -> NDArray[np.bool_]:
        """Grid `(nz, ny, nx)` of the unknown cells."""
        return self.map.active

    @property
    def n_shots(self) -> int:
        """Number of shots; 0 without data."""
        return self.likelihood.n_shots

    def stratum(self, step: int, shots: int) -> Shots:
        """Return the shots of a step; as `ShotTarget`."""
        return self.likelihood.stratum(step, shots)

    def value(self, theta: Tensor, batches: Sequence[Shots] | None = None) -> TargetValue:
        """Evaluate at `theta` `(S, n)`, with a batch each or all shots."""
        rows = theta.detach().double()
        coordinates = self.map.coordinates
        # Of the prior; backward adds that of the data, in place.
        gradient = -coordinates.precision(rows)
        leaves = [row.detach().requires_grad_() for row in rows]
        for leaf, its in zip(leaves, gradient, strict=True):
            leaf.grad = its
        models = (self.map.models(leaf[None])[0] for leaf in leaves)
        fit = self.likelihood.fit(models, batches or [None] * len(leaves))
        fit.log_likelihood.sum().backward()  # type: ignore[no-untyped-call]
        return TargetValue(
            fit.log_likelihood.detach(),
            coordinates.log_prior(rows),
            gradient,
            fit.chi_squared,
            fit.count,
        )

    @property
    def whitened(self) -> bool:
        """True where the prior of `theta` is `N(0, I)`."""
        return isinstance(self.map.coordinates, Whitened)

    def prior_precision(self, theta: Tensor) -> Tensor:
        """Return the prior's precision times `theta` `(S, n)`."""
        return self.map.coordinates.precision(theta)

    def noise_rows(self, theta: Tensor, shots: Shots, keys: Sequence[int]) -> NoiseRows:
        """Return gradients of noise by `theta`, `(S K, n)`; as `NoiseTarget`."""
        leaves = [row.detach().double().requires_grad_() for row in theta]
        models = [self.map.models(leaf[None])[0] for leaf in leaves]
        gradients, count = self.likelihood.noise(models, shots, keys)
        rows = []
        for leaf, model, its in zip(leaves, models, gradients, strict=True):
            for by_model in its:
                rows += torch.autograd.grad(model, leaf, by_model, retain_graph=True)
        return NoiseRows(torch.stack(rows), count)
