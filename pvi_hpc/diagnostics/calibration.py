"""Is the whole procedure calibrated? Draw a truth from the prior, invert its data, repeat.

Over many such inversions the truth must look like one more draw of the posterior: its ranks
are uniform (simulation-based calibration: Talts et al. 2018, arXiv 1804.06788), the fitted
mean is neither too high nor too low more often than by chance (VSBC: Yao et al. 2018, arXiv
1802.02538), and a credible region of level `a` holds it in a share `a` of the cases (TARP:
Lemos et al. 2023, arXiv 2302.03026).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pvi_hpc.numerics.random import keyed_rng

__all__ = ["LEAST", "Calibration", "CalibrationProblem", "Inversion", "bins"]

Array = NDArray[np.float64]
#: Most bins of a rank histogram, and inversions that SBC wants in each.
BINS: Final = 10
PER_BIN: Final = 5
#: Fewest bins, of any number of inversions: with fewer a posterior too narrow goes unseen.
FEWEST: Final = 4
#: Fewest inversions; of fewer than 20 the p-values are rough.
LEAST: Final = 10
#: Longest time without a result before the state of the work is looked at again [s].
TICK_S: Final = 0.1
LEVELS: Final = np.linspace(0.05, 0.95, 19)


class Inversion(NamedTuple):
    """One inversion: truth `(n,)`, posterior draws `(D, n)`, and numbers to be told by name."""

    truth: NDArray[np.floating]
    draws: NDArray[np.floating]
    facts: Mapping[str, float] = {}


class CalibrationProblem(Protocol):
    """A prior, a simulator and an inversion; workers must be able to import it."""

    def invert(self, index: int) -> tuple[Array, Array] | Inversion:
        """Draw truth `index` and its data, fit; return truth `(n,)` and draws `(D, n)`.

        All random numbers must be keyed by `index`.
        """
        ...


def bins(inversions: int) -> int:
    """Return the number of bins of the rank histograms of so many inversions."""
    return min(BINS, max(FEWEST, inversions // PER_BIN))


@dataclass(frozen=True)
class Calibration:
    """Calibration of a posterior, from a few hundred inversions.

    Parameters
    ----------
    ranks
        Share of the posterior draws below the truth `(N, n)`.
    tarp
        Share of the draws closer to a random reference point than the truth is `(N,)`.
    """

    ranks: Array
    tarp: Array

    @classmethod
    def of(
        cls,
        results: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]],
        seed: int = 1,
    ) -> "Calibration":
        """Put the results of all inversions together."""
        ranks, tarp = [], []
        truths = np.stack([truth for truth, _ in results])
        centre, spread = truths.mean(axis=0), truths.std(axis=0) + 1e-300
        for i, (truth, draws) in enumerate(results):
            rng = keyed_rng(seed, "calibration", i)
            ties = rng.uniform(size=len(truth))
            # Of draws that equal the truth, such as empty volumes, any share may count.
            equal = (draws == truth).sum(axis=0)
            below = (draws < truth).sum(axis=0) + ties * (equal + 1)
            ranks.append(below / (len(draws) + 1))
            reference = centre + 2 * spread * rng.uniform(-1, 1, len(truth))
            distance = np.linalg.norm((draws - reference) / spread, axis=1)
            own = np.linalg.norm((truth - reference) / spread)
            tarp.append((np.sum(distance < own) + rng.uniform()) / (len(draws) + 1))
        return cls(np.stack(ranks), np.array(tarp))

    @property
    def sbc_p_values(self) -> Array:
        """Probability `(n,)` of rank histograms at least as uneven, if calibrated."""
        counts = np.stack([np.histogram(r, bins(len(r)), (0, 1))[0] for r in self.ranks.T])
        return np.asarray(stats.chisquare(counts, axis=1).pvalue)

    @property
    def vsbc_p_values(self) -> Array:
        """Probability `(n,)` of ranks at least as asymmetric about a half, if unbiased."""
        return np.array([stats.ks_2samp(r, 1 - r).pvalue for r in self.ranks.T])

    @property
    def sd_ratio(self) -> Array:
        """Estimated posterior sd over the right one `(n,)`; below 1 is over-confident.

        For a normal posterior whose sd is too small by `c` the ranks' normal scores have the
        sd `1 / c`.
        """
        inside = np.clip(self.ranks, 1e-3, 1 - 1e-3)
        return np.asarray(1 / stats.norm.ppf(inside).std(axis=0))

    def coverage(self, levels: Array = LEVELS) -> Array:
        """Return the share of truths in central intervals of each level, all unknowns."""
        return np.asarray(self.coverage_by_inversion(levels).mean(axis=1))

    def coverage_by_inversion(self, levels: Array = LEVELS) -> Array:
        """Return the share of the unknowns of each inversion in central intervals, `(L, N)`.

        Its spread over inversions tells how well `coverage` is known: unknowns of one inversion
        depend on each other.
        """
        distance = 2 * np.abs(self.ranks - 0.5)
        return np.array([np.mean(distance <= level, axis=1) for level in levels])

    def tarp_coverage(self, levels: Array = LEVELS) -> Array:
        """Return the share of truths in TARP regions of each credibility."""
        return np.array([float(np.mean(self.tarp <= level)) for level in levels])

    @property
    def tarp_p_value(self) -> float:
        """Probability of a TARP curve at least as far from the diagonal, if calibrated."""
        return float(stats.kstest(self.tarp, "uniform").pvalue)
