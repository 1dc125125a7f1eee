"""Descent: from gradients to moved parameters, in place."""

from collections.abc import Mapping
from math import ceil, cos, pi, sqrt
from typing import Final

import torch
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import Memory
from pvi_hpc.numerics import reproducible
from pvi_hpc.numerics.update_kernels import AdamStep

__all__ = [
    "AVERAGE",
    "DEFAULT_STEP",
    "adam_step",
    "adam_update",
    "average",
    "descend",
    "fresh_memory",
    "restart",
    "sgd_update",
    "step_of",
    "window_start",
]

#: Name of the averages in a state's memory.
AVERAGE = "average"


def window_start(settings: OptimiserSettings, n: int) -> int:
    """Return the first of `n` updates whose result is averaged; `n` where none is."""
    return n - ceil(settings.average * n)


def average(parameters: Parameters, memory: Memory, count: int) -> None:
    """Take the parameters into the average, in place, as its number `count` = 0, 1, ..."""
    means = memory[AVERAGE]
    for name, value in parameters.items():
        if count == 0:
            means[name].copy_(value)
        else:
            means[name].add_((value - means[name]) * (1 / (count + 1)))


#: First step where the settings leave it open.
DEFAULT_STEP: Final = 0.02


def step_of(settings: OptimiserSettings, i: int, n: int) -> float:
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


def sgd_update(
    x: Tensor, gradient: Tensor, mean: Tensor, i: int, step: float, settings: OptimiserSettings
) -> None:
    """Descend along the running `mean` of the gradient, both changed in place.

    The mean forgets by `beta1` and is corrected for its start at zero in update `i` = 0, 1,
    ... Only one rounding an operation, none fused, so that the bits do not depend on threads.
    """
    beta = settings.beta1
    mean.mul_(beta).add_(gradient * (1 - beta))
    x.sub_(mean * (step / (1 - beta ** (i + 1))))


EPSILON: Final = 1e-8


def adam_step(i: int, step: float, settings: OptimiserSettings) -> AdamStep:
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
    settings: OptimiserSettings,
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


#: Running means that each kind keeps, by parameter.
MOMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "adam": ("first", "second"),
    "sgd": ("first",),
    "natural": (),
}


def fresh_memory(settings: OptimiserSettings, parameters: Parameters) -> Memory:
    """Return the memory before the first update."""
    names = MOMENTS[settings.kind]
    return {m: {k: torch.zeros_like(v) for k, v in parameters.items()} for m in names}


def restart(settings: OptimiserSettings, memory: Memory) -> None:
    """Forget all gradients seen."""
    for name in MOMENTS[settings.kind]:
        for moment in memory[name].values():
            moment.zero_()


def descend(
    settings: OptimiserSettings,
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
