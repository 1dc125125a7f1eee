"""Descent: from gradients to moved parameters, in place."""

from collections.abc import Mapping
from typing import Final

import torch

from pvi_hpc.config.inference import Optimiser
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.optimisers.adam import adam_update
from pvi_hpc.inference.optimisers.sgd import sgd_update
from pvi_hpc.inference.state import Memory

__all__ = ["descend", "fresh_memory", "restart"]

#: Running means that each kind keeps, by parameter.
MOMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "adam": ("first", "second"),
    "sgd": ("first",),
    "natural": (),
}


def fresh_memory(settings: Optimiser, parameters: Parameters) -> Memory:
    """Return the memory before the first update."""
    names = MOMENTS[settings.kind]
    return {m: {k: torch.zeros_like(v) for k, v in parameters.items()} for m in names}


def restart(settings: Optimiser, memory: Memory) -> None:
    """Forget all gradients seen."""
    for name in MOMENTS[settings.kind]:
        for moment in memory[name].values():
            moment.zero_()


def descend(
    settings: Optimiser,
    parameters: Parameters,
    gradients: Parameters,
    memory: Memory,
    i: int,
    steps: Mapping[str, float],
) -> None:
    """Change `parameters` and `memory` in place by update `i` = 0, 1, ...

    Moves what `gradients` names, by the step of that name in `steps`.
    """
    for name, gradient in gradients.items():
        x, step, first = parameters[name], steps[name], memory["first"][name]
        if settings.kind == "adam":
            adam_update(x, gradient, (first, memory["second"][name]), i, step, settings)
        else:
            sgd_update(x, gradient, first, i, step, settings)
