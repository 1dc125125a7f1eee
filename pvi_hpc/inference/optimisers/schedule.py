"""How the optimiser's step falls."""

from math import cos, pi, sqrt
from typing import Final

from pvi_hpc.config.inference import Optimiser

__all__ = ["DEFAULT_STEP", "step_of"]

#: Where the settings leave it open.
DEFAULT_STEP: Final = 0.02


def step_of(settings: Optimiser, i: int, n: int) -> float:
    """Return the step of update `i` = 0, 1, ... of `n`.

    Cosine: from `step` down to `step * final`; constant; or `step / sqrt(1 + i)`.
    """
    first = settings.step or DEFAULT_STEP
    if settings.schedule == "constant":
        return first
    if settings.schedule == "inverse_sqrt":
        return first / sqrt(1 + i)
    progress = i / (n - 1) if n > 1 else 0.0
    fraction = settings.final + (1 - settings.final) * 0.5 * (1 + cos(pi * progress))
    return first * fraction
