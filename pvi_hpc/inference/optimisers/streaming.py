"""Descent at the speed of memory: gradients go straight into Adam and are never stored.

For the families whose samples are linear in all parameters but `log_sd`, one compiled pass
makes the gradient of a few cells, updates Adam's moments and moves the parameters while all of
it is in cache. Parameters come out, to the bit, as from `pullback` and `descend`.
"""

from collections.abc import Mapping
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.family import LOCATION, Family
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.reproducible import exp
from pvi_hpc.numerics.update_kernels import AdamStep, Moments, compare, descend_cells

__all__ = ["stream_descent", "streams"]


def streams(family: Family, settings: OptimiserSettings) -> bool:
    """Return whether `stream_descent` knows this family and optimiser."""
    return settings.kind == "adam" and type(family) in (MeanField, Structured)


def stream_descent(
    family: Family,
    state: State,
    draws: tuple[Tensor, Tensor],
    entropy: float,
    steps: Mapping[str, AdamStep],
) -> float:
    """Change parameters and moments in place; return the norm of the gradient.

    Parameters
    ----------
    draws
        `eps` and the derivative of the loss by `theta`, `(S, n)` each.
    entropy
        Weight of the entropy's gradient, by `log_sd`, in that of the loss.
    steps
        Of each parameter.

    Raises
    ------
    NonFiniteError
        If a gradient, or its square, may not be finite; nothing is then changed.
    """
    eps, cotangent = (x.contiguous() for x in draws)
    sd = exp(state.parameters["log_sd"])
    _check(eps, cotangent, sd, state.iteration)
    names = LOCATION, "log_sd"
    cells = [_moments(state, name) for name in names]
    squares = sum(
        descend_cells(eps, cotangent, sd, cells, [steps[name] for name in names], entropy)
    )
    if isinstance(family, Structured):
        c = "coefficients"
        squares += family.stencil.descend(eps, cotangent, _moments(state, c), steps[c])
    return sqrt(squares)


def _moments(state: State, name: str) -> Moments:
    first, second = state.memory["first"], state.memory["second"]
    return state.parameters[name], first[name], second[name]


def _check(eps: Tensor, cotangent: Tensor, sd: Tensor, iteration: int) -> None:
    """Bound all gradients before the first is made."""
    found = compare(eps, cotangent)
    largest_sd = max(1.0, compare(sd, sd).largest_a)
    bound = len(eps) * found.largest_a * found.largest_b * largest_sd
    # Adam squares it.
    if not np.isfinite(found.bb) or not bound < sqrt(torch.finfo(eps.dtype).max):
        raise NonFiniteError(
            f"Iteration {iteration}, all samples together: the gradient of the parameters is "
            f"not finite (bound {bound:.3g}); lower the optimiser's 'step'."
        )
