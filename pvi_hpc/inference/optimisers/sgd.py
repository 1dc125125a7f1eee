"""Stochastic gradient descent with momentum."""

from torch import Tensor

from pvi_hpc.config.inference import Optimiser

__all__ = ["sgd_update"]


def sgd_update(
    x: Tensor, gradient: Tensor, mean: Tensor, i: int, step: float, settings: Optimiser
) -> None:
    """Descend along the running `mean` of the gradient, both changed in place.

    The mean forgets by `beta1` and is corrected for its start at zero in update `i` = 0, 1,
    ... Only one rounding an operation, none fused, so that the bits do not depend on threads.
    """
    beta = settings.beta1
    mean.mul_(beta).add_(gradient * (1 - beta))
    x.sub_(mean * (step / (1 - beta ** (i + 1))))
