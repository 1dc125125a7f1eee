"""Natural gradients, bounded where noise would make them run away.

The natural gradient of a log sd is `(1 - sd^2 P_jj) / 2` on a Gaussian target: at most a half
upwards, without bound downwards, and its noise grows with `sd^2`, so that an unlucky large
step makes the next one larger.
"""

from typing import Final

from pvi_hpc.families.family import NaturalGradient, Parameters

__all__ = ["natural_direction"]

#: Largest entry for a log sd: with step 1 an sd changes by a factor e.
BOUND: Final = 1.0


def natural_direction(
    family: NaturalGradient, parameters: Parameters, gradients: Parameters
) -> Parameters:
    """Return the natural gradient of what has the gradients `gradients`."""
    direction = family.natural(parameters, gradients)
    if "log_sd" in direction:
        direction["log_sd"] = direction["log_sd"].clamp(-BOUND, BOUND)
    return direction
