"""Adam (Kingma & Ba 2015, arXiv 1412.6980)."""

from math import sqrt
from typing import Final

from torch import Tensor

from pvi_hpc.config.inference import Optimiser
from pvi_hpc.numerics import reproducible
from pvi_hpc.numerics.update_kernels import AdamStep

__all__ = ["adam_step", "adam_update"]

EPSILON: Final = 1e-8


def adam_step(i: int, step: float, settings: Optimiser) -> AdamStep:
    """Return the numbers of update `i` = 0, 1, ...; the moments began at zero."""
    beta1, beta2 = settings.beta1, settings.beta2
    return AdamStep(
        decay1=beta1,
        gain1=1 - beta1,
        decay2=beta2,
        gain2=1 - beta2,
        root_scale=1 / sqrt(1 - beta2 ** (i + 1)),
        epsilon=EPSILON,
        scale=step / (1 - beta1 ** (i + 1)),
    )


def adam_update(
    x: Tensor,
    gradient: Tensor,
    moments: tuple[Tensor, Tensor],
    i: int,
    step: float,
    settings: Optimiser,
) -> None:
    """Descend: change `x` and its two `moments` in place, by update `i` = 0, 1, ...

    Only one rounding an operation, none fused, so that the bits do not depend on threads.
    """
    first, second = moments
    a = adam_step(i, step, settings)
    first.mul_(a.decay1).add_(gradient * a.gain1)
    second.mul_(a.decay2).add_(gradient * gradient * a.gain2)
    root = reproducible.sqrt(second).mul_(a.root_scale).add_(a.epsilon)
    x.sub_(first / root * a.scale)
