"""The optimal answer: the one whose expected cost under the posterior is the least.

Arnold & Curtis (2018), Interrogation theory, Geophys. J. Int. 214(3), 1830-1846: an answer is a
decision, and which one is best depends on what an error costs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.questions import UtilitySettings

__all__ = ["Decision", "best_answer"]

Array = NDArray[np.float64]


class Decision(NamedTuple):
    """An answer and its expected cost under the posterior."""

    answer: float
    cost: float


def best_answer(values: Array, utility: UtilitySettings) -> Decision:
    """Return the optimal answer, given posterior draws of the true one `(S,)`.

    The mean minimises the squared error; the quantile at `low / (low + high)` an absolute error
    that costs `high` for each unit too high and `low` for each too low; an interval of twice
    the tolerance that holds most draws has its best answer in the middle.
    """
    if utility.kind == "squared":
        mean = float(values.mean())
        return Decision(mean, float(np.square(values - mean).mean()))
    if utility.kind == "absolute":
        high, low = utility.cost_too_high, utility.cost_too_low
        answer = float(np.quantile(values, low / (low + high), method="inverted_cdf"))
        error = answer - values
        return Decision(answer, float(np.where(error > 0, high * error, -low * error).mean()))
    assert utility.tolerance is not None  # the settings see to it
    return _most_within(np.sort(values), utility.tolerance)


def _most_within(ordered: Array, tolerance: float) -> Decision:
    """Return the middle of the draws of the fullest window, and the share outside it."""
    ends = np.searchsorted(ordered, ordered + 2 * tolerance, side="right")
    held = ends - np.arange(len(ordered))
    fullest = np.flatnonzero(held == held.max())
    first = int(fullest[len(fullest) // 2])
    last = int(ends[first]) - 1
    answer = 0.5 * float(ordered[first] + ordered[last])
    return Decision(answer, 1 - float(held[first]) / len(ordered))
