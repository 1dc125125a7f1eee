"""Check of a prior's map against itself: the gradient, the inverse and the bounds."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from pvi_hpc.priors.prior import Prior

__all__ = ["map_faults"]

#: Step of central differences, in units of `theta`, and the error that is still rounding.
STEP: Final = 1e-3
MOST_ERROR: Final = 1e-4
#: Random directions that the gradient is compared in.
DIRECTIONS: Final = 3


def map_faults(prior: Prior, seed: int = 0) -> Iterator[str]:
    r"""Yield a sentence about everything in a prior's map that contradicts the rest of it.

    The derivative of :math:`g \cdot m(\theta)` along a direction :math:`v` by central
    differences is compared with :math:`v \cdot J^T g`, which `from_normal` gives backwards;
    velocities with the bounds; and `to_normal` with what was mapped. About ten maps, of one or
    two models each.

    Parameters
    ----------
    prior
        Prior to check.
    seed
        Seed of the models and directions.
    """
    generator = torch.Generator().manual_seed(seed)
    lower, upper = torch.from_numpy(prior.lower), torch.from_numpy(prior.upper)
    n = len(lower)
    theta = _normal(generator, n)[None].requires_grad_()
    m = prior.from_normal(theta)
    if m.shape != theta.shape or not bool(torch.isfinite(m).all()):
        yield (
            f"'from_normal' must return finite velocities of the shape {tuple(theta.shape)} of "
            f"'theta', got shape {tuple(m.shape)}, {int((~m.isfinite()).sum())} not finite."
        )
        return
    if bool(((m < lower) | (m > upper)).any()):
        yield "'from_normal' must return velocities inside 'lower' and 'upper', but does not."
    yield from _gradient_faults(prior, theta, m, generator)
    back = prior.to_normal(m.detach())
    apart = float((prior.from_normal(back) - m.detach()).abs().max() / (upper - lower).max())
    if apart > MOST_ERROR:
        yield (
            "'to_normal' must be the inverse of 'from_normal', but a model that went both ways "
            f"is off by {apart:.2g} of the widest bounds."
        )


def _gradient_faults(
    prior: Prior, theta: Tensor, m: Tensor, generator: torch.Generator
) -> Iterator[str]:
    # Weights make every cell count alike, whatever its width.
    weights = _normal(generator, m.shape[1]) / torch.from_numpy(prior.sd)
    (m * weights).sum().backward()  # type: ignore[no-untyped-call]
    gradient = theta.grad
    if gradient is None or not bool(torch.isfinite(gradient).all()):
        yield "'from_normal' must have a finite gradient by torch, but has none."
        return
    at = theta.detach()
    for _ in range(DIRECTIONS):
        along = _normal(generator, m.shape[1])
        up, down = (prior.from_normal(at + side * STEP * along).detach() for side in (1, -1))
        measured = float(((up - down) * weights).sum()) / (2 * STEP)
        given = float((gradient * along).sum())
        # The size of the sum, were its terms independent.
        size = float((gradient * along).square().sum().sqrt())
        if abs(measured - given) > MOST_ERROR * max(size, abs(measured)):
            yield (
                "The gradient of 'from_normal' must be that of finite differences, but along "
                f"a random direction it is {given:.6g} instead of {measured:.6g}; 'backward' "
                "must multiply by the transpose of the Jacobian."
            )
            return


def _normal(generator: torch.Generator, n: int) -> Tensor:
    return torch.randn(n, generator=generator, dtype=torch.float64)
