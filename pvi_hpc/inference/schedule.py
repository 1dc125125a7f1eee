"""How the optimiser's step falls."""

from math import cos, pi, sqrt

from pvi_hpc.config.inference import Optimiser

__all__ = ["step_of"]


def step_of(settings: Optimiser, i: int, n: int) -> float:
    """Return the step of update `i` = 0, 1, ... of `n`.

    Cosine: from `step` down to `step * final`; constant; or `step / sqrt(1 + i)`.
    """
    if settings.schedule == "constant":
        return settings.step
    if settings.schedule == "inverse_sqrt":
        return settings.step / sqrt(1 + i)
    progress = i / (n - 1) if n > 1 else 0.0
    fraction = settings.final + (1 - settings.final) * 0.5 * (1 + cos(pi * progress))
    return settings.step * fraction
