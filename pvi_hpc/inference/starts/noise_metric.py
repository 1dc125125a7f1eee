r"""The metric of a deterministic search: the prior's precision and gradients of noise.

With :math:`g_k` gradients of noise at one point (`noise_sums`), `Q` the prior's precision and
`R` a Gaussian taper of the distance between cells,

.. math::

    P = Q + \sum_k \mathrm{diag}(g_k) R\, \mathrm{diag}(g_k)
        + \tau\, \mathrm{diag} \sum_k g_k^2

is near the Hessian: few gradients know what neighbours share, and the taper removes what they
only seem to share over long distances (localisation, Houtekamer & Mitchell 2001, Monthly
Weather Review 129). A Schur product of positive semi-definite matrices is one too, so that `P`
is positive definite. :math:`P^{-1} b` is found by conjugate gradients, without a simulation.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import LOCATION
from pvi_hpc.families.gaussian.taper import Taper
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.starts.noise_start import noise_info, swept
from pvi_hpc.inference.starts.settings import PreconditionerSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import NoiseTarget, Target
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import dot

__all__ = ["METRIC", "NoiseMetric"]

Array = NDArray[np.float64]

#: Name in a state's memory.
METRIC: Final = "metric"
#: Number of its sweep over the shots, different from those of the start after it.
SWEEP: Final = 2**31
#: Residual at which conjugate gradients stop, relative to the first, and most steps of them.
TOLERANCE: Final = 1e-3
STEPS: Final = 1000
#: Random signs that estimate the diagonal of `Q`, and its least share of the mean.
PROBES: Final = 16
LEAST: Final = 0.1


@dataclass(frozen=True)
class NoiseMetric:
    """Finds the gradients of noise in one iteration, and then products with `P^{-1}`."""

    target: Target
    settings: PreconditionerSettings
    seed: int

    def step(self, state: State) -> tuple[State, Info]:
        """Take the gradients of noise at the mean into the memory; as `Method.step`."""
        mu, draws = state.parameters[LOCATION].double(), self.settings.draws
        count, rows = SimulationCount(), []
        for found in swept(self._target, lambda _: mu, (self.seed, SWEEP), draws):
            rows.append((found.rows / draws**0.5).float())
            count = count + found.count
        memory = {**state.memory, METRIC: {"rows": torch.cat(rows)}}
        state = replace(state, iteration=state.iteration + 1, memory=memory)
        return state, noise_info(state.iteration - 1, count)

    def solve(self, state: State, b: Tensor) -> Tensor:
        """Return `P^{-1} b` `(n,)`, with the gradients that `state` remembers; float64.

        However far conjugate gradients have come, `b` and the result have a positive product.
        """
        rows = state.memory[METRIC]["rows"]
        own = rows.double().square().sum(dim=0)
        on_diagonal = self._prior_diagonal + (1 + self.settings.damping) * own
        x, r = torch.zeros_like(b), b.clone()
        z = r / on_diagonal
        p, size = z.clone(), dot(r.numpy(), z.numpy())
        enough = TOLERANCE**2 * size
        for _ in range(STEPS):
            if size <= enough:
                break
            ahead = self._target.prior_precision(p[None])[0] + self.settings.damping * own * p
            ahead += self._taper.couple(rows, p)
            step = size / dot(p.numpy(), ahead.numpy())
            x += step * p
            r -= step * ahead
            z = r / on_diagonal
            before, size = size, dot(r.numpy(), z.numpy())
            p = z + (size / before) * p
        return x

    @cached_property
    def _taper(self) -> Taper:
        return Taper(self._target.active, self.settings.taper_cells)

    @cached_property
    def _prior_diagonal(self) -> Tensor:
        """An estimate of the diagonal of `Q`, for the speed of conjugate gradients alone."""
        n = int(self._target.active.sum())
        rng = keyed_rng(self.seed, "diagonal of the prior")
        signs = torch.from_numpy(rng.integers(0, 2, (PROBES, n)) * 2.0 - 1.0)
        found = (signs * self._target.prior_precision(signs)).mean(dim=0)
        return found.clamp_min(LEAST * float(found.mean()))

    @property
    def _target(self) -> NoiseTarget:
        if not isinstance(self.target, NoiseTarget):
            raise ConfigError(
                "'start.preconditioner' must be null for a log density without noise in data, "
                f"got one for {type(self.target).__name__}; remove it."
            )
        return self.target
