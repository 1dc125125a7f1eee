"""Adam (Kingma & Ba 2015, arXiv 1412.6980)."""

from math import sqrt
from typing import Final

from torch import Tensor

from pvi_hpc import reproducible
from pvi_hpc.config.inference import Optimiser

__all__ = ["adam_update"]

EPSILON: Final = 1e-8


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
    beta1, beta2 = settings.beta1, settings.beta2
    first.mul_(beta1).add_(gradient * (1 - beta1))
    second.mul_(beta2).add_(gradient * gradient * (1 - beta2))
    scale = step / (1 - beta1 ** (i + 1))
    root = reproducible.sqrt(second).mul_(1 / sqrt(1 - beta2 ** (i + 1))).add_(EPSILON)
    x.sub_(first / root * scale)
