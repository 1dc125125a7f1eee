"""Descent at the speed of memory: gradients go straight into Adam and are never stored.

For the families whose samples are linear in all parameters but `log_sd`, one compiled pass
makes the gradient of a few cells, updates Adam's moments and moves the parameters while all of
it is in cache. Parameters come out, to the bit, as from `pullback` and `descend`.
"""

from collections.abc import Mapping
from math import sqrt
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.capabilities import StreamedDescent
from pvi_hpc.families.family import LOCATION, Draw, Family
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.reproducible import exp
from pvi_hpc.numerics.update_kernels import AdamStep, Moments, compare, descend_cells

__all__ = ["stream_descent", "streams"]


def streams(family: Family, settings: OptimiserSettings) -> TypeGuard[StreamedDescent]:
    """Return whether `stream_descent` serves for this family and optimiser."""
    return settings.kind == "adam" and isinstance(family, StreamedDescent)


def stream_descent(
    family: StreamedDescent,
    state: State,
    draw: Draw,
    entropy: float,
    steps: Mapping[str, AdamStep],
) -> float:
    """Change parameters and moments in place; return the norm of the gradient.

    Parameters
    ----------
    family, state
        Family whose parameters the state holds, with the two moments of Adam.
    draw
        Samples, and the derivative of the loss by them.
    entropy
        Weight of the entropy's gradient, by `log_sd`, in that of the loss.
    steps
        Step of each parameter.

    Raises
    ------
    NonFiniteError
        If a gradient, or its square, may not be finite; nothing is then changed.
    """
    draw = Draw(draw.eps.contiguous(), draw.cotangent.contiguous())
    sd = exp(state.parameters["log_sd"])
    _check(draw, sd, state.iteration)
    moments = {name: _moments(state, name) for name in state.parameters}
    names = LOCATION, "log_sd"
    cells, of_cells = [moments[name] for name in names], [steps[name] for name in names]
    squares = sum(descend_cells(draw.eps, draw.cotangent, sd, cells, of_cells, entropy))
    squares += family.descend_others(draw, moments, steps)
    return sqrt(squares)


def _moments(state: State, name: str) -> Moments:
    first, second = state.memory["first"], state.memory["second"]
    return state.parameters[name], first[name], second[name]


def _check(draw: Draw, sd: Tensor, iteration: int) -> None:
    """Bound all gradients before the first is made."""
    eps, found = draw.eps, compare(draw.eps, draw.cotangent)
    largest_sd = max(1.0, compare(sd, sd).largest_a)
    bound = len(eps) * found.largest_a * found.largest_b * largest_sd
    # Adam squares it.
    if not np.isfinite(found.bb) or not bound < sqrt(torch.finfo(eps.dtype).max):
        raise NonFiniteError(
            f"Iteration {iteration}, all samples together: the gradient of the parameters is "
            f"not finite (bound {bound:.3g}); lower the optimiser's 'step'."
        )
