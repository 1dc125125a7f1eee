"""Is a learnt posterior calibrated? Its draws for held-out pairs, ranked against the truths.

Ranks of each unknown must be uniform (SBC), as must be the share of draws nearer to a random
point than the truth (TARP), and the share of draws with a higher density than the truth: the
expected coverage of highest-density regions (Hermans et al. 2022, TMLR, arXiv 2110.06581).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pvi_hpc.diagnostics.calibration import Calibration
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["HeldOut", "Verdict", "verdict_on", "well_inside"]

Array = NDArray[np.float64]

#: A p-value above this counts as calibrated.
RIGHT: Final = 0.01
#: Error of sds below which a network that fails is called neither too wide nor too narrow.
NEAR: Final = 0.03
#: Levels of central intervals that are told.
TOLD: Final = np.array([0.5, 0.9])
#: Pairs whose posteriors are drawn together.
PART: Final = 50


@dataclass(frozen=True)
class HeldOut:
    """Pairs that no network has seen: `theta` `(N, n)` and noisy data `(N, d)`."""

    theta: Array
    data: NDArray[Any]


@dataclass(frozen=True)
class Verdict:
    """Verdict of held-out pairs on a network.

    Parameters
    ----------
    calibration
        Ranks of the unknowns, and TARP. Where the network knows correlations, the mean of all
        unknowns is ranked too, last of all.
    density_ranks
        Share of the draws of each pair with a higher density than the truth `(N,)`; empty
        where the network knows no joint density.
    """

    calibration: Calibration
    density_ranks: Array

    @property
    def joint(self) -> bool:
        """True where joint densities were judged, not only those of each unknown by itself."""
        return bool(len(self.density_ranks))

    @property
    def sbc_p_value(self) -> float:
        """Probability of a least SBC p-value as small, of so many, if calibrated."""
        p_values = self.calibration.sbc_p_values
        return float(-np.expm1(len(p_values) * np.log1p(-min(p_values.min(), 1 - 1e-16))))

    @property
    def p_values(self) -> dict[str, float]:
        """The p-values of all tests, by name."""
        found = {"SBC": self.sbc_p_value}
        if self.joint:
            found["TARP"] = self.calibration.tarp_p_value
            found["highest density"] = float(stats.kstest(self.density_ranks, "uniform").pvalue)
        return found

    @property
    def worst(self) -> str:
        """The quantity with the smallest SBC p-value, in words."""
        i = int(np.argmin(self.calibration.sbc_p_values))
        of_all = self.joint and i == self.calibration.ranks.shape[1] - 1
        return "the mean of all unknowns" if of_all else f"unknown {i + 1}"

    @property
    def passed(self) -> bool:
        """True where no test speaks against the network."""
        return min(self.p_values.values()) > RIGHT

    @property
    def facts(self) -> dict[str, Any]:
        """All figures, for a file."""
        spread = self.calibration.coverage(TOLD)
        return {
            "passed": self.passed,
            "sentence": self.sentence,
            "pairs": len(self.calibration.tarp),
            "p-values": self.p_values,
            "coverage of 50 %": float(spread[0]),
            "coverage of 90 %": float(spread[1]),
            "estimated over right sd": float(np.median(self.calibration.sd_ratio)),
            "smallest of the SBC p-values": float(self.calibration.sbc_p_values.min()),
        }

    @property
    def sentence(self) -> str:
        """The verdict in words: what fails, in which direction, and by how much."""
        half, most = self.calibration.coverage(TOLD)
        held = (
            f"its 50 and 90 % intervals hold {100 * half:.1f} and {100 * most:.1f} % of truths"
        )
        told = ", ".join(f"{name} {p:.2g}" for name, p in self.p_values.items())
        n = len(self.calibration.tarp)
        if self.passed:
            what = "" if self.joint else " of each unknown by itself, without correlations,"
            return f"CALIBRATED{what} by {n} held-out pairs (p: {told}); {held}."
        ratio = float(np.median(self.calibration.sd_ratio))
        side = "over-confident" if ratio < 1 else "under-confident"
        if abs(ratio - 1) < NEAR:
            side = f"biased rather than too wide or too narrow, most in {self.worst}"
        return (
            f"NOT CALIBRATED: {n} held-out pairs refuse it (p: {told}); {held}, and its sds "
            f"are {ratio:.2f} times the right ones ({side}). Do not use its error bars: "
            "simulate more draws, or train longer, with more members or a larger network."
        )


def verdict_on(network: Amortised, pairs: HeldOut, draws: int, seed: int = 1) -> Verdict:
    """Return the verdict of held-out pairs, from `draws` of the posterior of each."""
    results, ranks = [], []
    joint = all(member.joint for member in network.members)
    for first in range(0, len(pairs.theta), PART):
        rows = slice(first, first + PART)
        x = network.summary.features(pairs.data[rows])
        theta = network.theta(x, draws, seed, first)
        truths = np.asarray(pairs.theta[rows], dtype=np.float64)[:, None]
        values, right = network.values(theta), network.values(truths)[:, 0]
        results += [_ranked(*pair, joint=joint) for pair in zip(right, values, strict=True)]
        if joint:
            above = network.log_prob(theta, x) > network.log_prob(truths, x)
            ties = keyed_rng(seed, "density ranks", first).uniform(size=len(above))
            ranks.append((above.sum(axis=1) + ties) / (draws + 1))
    density = np.concatenate(ranks) if ranks else np.empty(0)
    return Verdict(Calibration.of(results, seed), density)


def well_inside(network: Amortised, pairs: HeldOut, part: float = 1 / 3) -> HeldOut:
    """Return the part of held-out pairs whose posteriors lie most inside the network's region.

    Posteriors that the border of the region cuts have an edge that a network blurs, unlike that
    of the data which the region was made for. Pairs are chosen by their data alone, so that
    ranks of their truths are uniform as before.
    """
    x = network.summary.features(pairs.data)
    shares = [network.share_inside(x[i : i + PART]) for i in range(0, len(x), PART)]
    order = np.argsort(-np.concatenate(shares), kind="stable")
    rows = np.sort(order[: max(1, round(part * len(order)))])
    return HeldOut(pairs.theta[rows], pairs.data[rows])


def _ranked(truth: Array, draws: Array, *, joint: bool) -> tuple[Array, Array]:
    """Return truth and draws of what is ranked."""
    if not joint:
        return truth, draws
    mean = draws.mean(axis=1, keepdims=True)
    return np.append(truth, truth.mean()), np.append(draws, mean, axis=1)
