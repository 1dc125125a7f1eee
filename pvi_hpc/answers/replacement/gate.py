r"""The gate: has the old posterior any mass where the new one lives?

The likelihood that an old posterior implies is known only where that has draws. Each cell is
looked at by itself, because jointly importance weights of many unknowns say nothing (see
`pvi_hpc.diagnostics.pareto`). With the mean :math:`\mu` and sd :math:`s` of its velocity under
the old posterior and :math:`\mu', s'` under the new one, the old draws are weighted to the new
posterior as between normals of these moments. A cell fails where too few of them stay in
effect, where the weights have too heavy a tail (k-hat is :math:`1 - s^2/s'^2` for many draws),
or where new draws leave the bounds of the old prior, beyond which nothing is known.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from pvi_hpc.answers.replacement.fit import Replaced
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.diagnostics.pareto import RELIABLE, pareto_k

__all__ = ["Gate", "Moments", "marginals", "open_gate"]

Array = NDArray[np.float64]

#: Old draws, of `DRAWS`, that must stay in effect in a cell.
LEAST_EFFECTIVE: Final = 10.0
#: Least ratio of the sds that is told apart: a narrower new posterior lacks no mass.
NARROWEST: Final = 0.1
#: Share of a cell's new draws that may lie outside the bounds of the old prior.
MOST_OUTSIDE: Final = 0.1
#: Share of the cells that may fail.
MOST_FAILED: Final = 0.01
#: Draws of a cell that are weighted, and cells at a time.
DRAWS: Final = 1000
CHUNK: Final = 4096


class Moments:
    """Running mean and sd of velocities `(n,)` [m/s], and the share that is outside bounds."""

    def __init__(self, n: int) -> None:
        self.n, self.mean, self.squares = 0, np.zeros(n), np.zeros(n)
        self.outside = np.zeros(n)

    def add(self, velocities: torch.Tensor, outside: torch.Tensor) -> None:
        """Take models `(S, n)`, one by one (Welford's recurrence)."""
        self.outside += outside.numpy().sum(axis=0)
        for values in velocities.double().numpy():
            self.n += 1
            difference = values - self.mean
            self.mean += difference / self.n
            self.squares += difference * (values - self.mean)

    @property
    def sd(self) -> Array:
        """Standard deviation of each cell [m/s]."""
        return np.sqrt(self.squares / max(self.n - 1, 1))

    @property
    def share_outside(self) -> Array:
        """Share of the draws of each cell that lie outside."""
        return self.outside / max(self.n, 1)


@dataclass(frozen=True)
class Gate:
    """Result of the test; `cell` is the worst one, in the order of the unknowns.

    Parameters
    ----------
    failed
        Share of the cells that fail.
    outside
        Share of all new velocities that lie outside the bounds of the old prior.
    cell, shift, ratio
        The worst cell; by how many old sds its mean moved, and new over old sd.
    k_hat, effective
        Of `DRAWS` old draws of it with weights to the new posterior: Pareto k-hat, and the
        number of them in effect.
    """

    failed: float
    outside: float
    cell: int
    shift: float
    ratio: float
    k_hat: float
    effective: float

    @property
    def passed(self) -> bool:
        """True where nearly all cells pass."""
        return self.failed <= MOST_FAILED

    def facts(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**asdict(self), "passed": self.passed}

    def refusal(self) -> str:
        """Return why the replacement is refused, and what can be done."""
        return (
            f"the old posterior has no mass where the new one lives: {100 * self.failed:.0f} % "
            f"of the cells fail; in the worst the mean moves by {self.shift:.1f} old sds, the "
            f"sd by a factor of {self.ratio:.2f}, Pareto k-hat is {self.k_hat:.2f} (must be "
            f"below {RELIABLE}), {self.effective:.0f} of {DRAWS} draws are in effect, and "
            f"{100 * self.outside:.0f} % of all new velocities lie outside the old prior's "
            "bounds. Choose a hypothesis nearer to the run's prior, or invert anew with it."
        )


def marginals(
    target: ImpliedTarget, replaced: Replaced, n: int, seed: int
) -> tuple[Moments, Moments]:
    """Return moments of the velocities under the old and the new posterior, by `n` draws."""
    change, old = target.change, Replaced(target.family, target.parameters, 0)
    before, after = Moments(target.family.n), Moments(target.family.n)
    for theta, _ in old.draws(n, seed, "old"):
        velocities = change.old.coordinates.velocities(theta)
        before.add(velocities, torch.zeros_like(velocities, dtype=torch.bool))
    for theta, _ in replaced.draws(n, seed, "replaced"):
        velocities = change.velocities(theta)
        after.add(velocities, change.outside(velocities))
    return before, after


def open_gate(old: Moments, new: Moments) -> Gate:
    """Compare the marginals of the old and the new posterior, cell by cell."""
    sd = np.maximum(old.sd, np.finfo(np.float64).tiny)
    ratio = np.maximum(new.sd / sd, NARROWEST)
    shift = np.abs(new.mean - old.mean) / sd
    effective = np.concatenate(
        [_effective(_log_weights(shift[i : i + CHUNK], ratio[i : i + CHUNK]))
         for i in range(0, len(sd), CHUNK)]
    )  # fmt: skip
    outside = new.share_outside
    fails = (effective < LEAST_EFFECTIVE) | (1 - 1 / ratio**2 > RELIABLE)
    fails |= outside > MOST_OUTSIDE
    worst = int(np.argmin(np.where(fails, effective - DRAWS, effective)))
    found = pareto_k(_log_weights(shift[worst : worst + 1], ratio[worst : worst + 1])[0])
    return Gate(
        failed=float(fails.mean()),
        outside=float(outside.mean()),
        cell=worst,
        shift=float(shift[worst]),
        ratio=float(ratio[worst]),
        k_hat=found.k,
        effective=float(effective[worst]),
    )


def _log_weights(shift: Array, ratio: Array) -> Array:
    """Return the log weights `(cells, DRAWS)` of normal draws to normals moved and widened."""
    z: Array = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
    return 0.5 * z**2 - 0.5 * ((z - shift[:, None]) / ratio[:, None]) ** 2


def _effective(log_weights: Array) -> Array:
    """Return the number of draws in effect of each row (Kish)."""
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return np.asarray(weights.sum(axis=1) ** 2 / np.square(weights).sum(axis=1))
