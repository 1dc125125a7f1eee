"""Natural gradient descent with steps that noise and distance cannot make run away.

Two bounds make it so. The gradient of a factor `L` is `E[e eps^T]` with `e` linear in `eps`:
its estimate from `S` samples is of rank `S`, so that a step `r` multiplies the error by
`I - r eps eps^T / S`, whose square is on average least at `r = S / (S + k + 1)` with `k` the
numbers in a column of `L`; from twice that on errors grow. And a step may not change any
standardised vector by more than half its length, `|L^{-1} L_new - I| <= 1/2`: far from the
optimum the first order of what a step does says nothing.
"""

from math import sqrt
from typing import Final

import numpy as np
from torch import Tensor

from pvi_hpc.families.capabilities import NaturalGradient
from pvi_hpc.families.family import LOCATION, Draw, Parameters
from pvi_hpc.inference.finite import norm
from pvi_hpc.inference.settings import EstimatorSettings
from pvi_hpc.numerics.reproducible import inner_products

__all__ = ["natural_descent", "natural_step"]

#: Largest entry of the direction of a log sd: with step 1 an sd changes by a factor e.
LOG_SD: Final = 1.0
#: Largest relative change of a standardised vector by one step.
CHANGE: Final = 0.5
#: Power iterations that estimate this change.
POWERS: Final = 4


def natural_step(family: NaturalGradient, estimator: EstimatorSettings, samples: int) -> float:
    """Return the step at which errors of `family` shrink fastest; pairs count as one sample."""
    independent = samples / 2 if estimator.draws == "pairs" else samples
    return independent / (independent + family.column_size + 1)


def natural_descent(
    family: NaturalGradient,
    parameters: Parameters,
    gradients: Parameters,
    step: float,
    draw: Draw,
) -> None:
    """Move `parameters` in place, by `step` or less along the natural gradient."""
    direction, steps = family.natural(parameters, gradients), {}
    if "log_sd" in direction:
        direction["log_sd"].clamp_(-LOG_SD, LOG_SD)
        moved = {name: value - step * direction[name] for name, value in parameters.items()}
        change = relative_change(family, parameters, moved, draw.eps[:1])
        factor = step * min(1.0, CHANGE / change) if change > 0 else step
        steps = dict.fromkeys(parameters, factor)
    steps[LOCATION] = min(step, 1 / (1 + curvature_error(family, parameters, draw.cotangent)))
    for name, size in steps.items():
        parameters[name].sub_(direction[name] * size)


def curvature_error(
    family: NaturalGradient, parameters: Parameters, cotangent: Tensor
) -> float:
    """Return a bound of the norm of `E = L^T P L - w I`, `P` the target's negative Hessian.

    `S L^T` times the cotangent is `e = b + E eps` of each sample, `w` the weight of the score
    and `b` the whitened gradient at the mean. Of independent samples `(e_i . e_j)^2` is on
    average `tr E^4 + 2 |E b|^2 + |b|^4`: at the mean's optimum no less than the fourth power
    of the norm, and elsewhere so much more that a step moves the mean by about one
    standardised length at most. The two of a pair give `(|b|^2 - |E eps|^2)^2`, more than
    `tr E^4` at the optimum; far from it, little where both terms are alike, and with one pair
    there is no other. Of one sample `|e|^2` is `|b|^2 + tr E^2`.
    """
    e = family.apply_transposed(parameters, cotangent) * len(cotangent)
    products = inner_products(e, e).numpy()
    if len(products) == 1:
        return sqrt(float(products[0, 0]))
    squares = products[np.triu_indices(len(products), 1)] ** 2
    return sqrt(sqrt(float(squares.mean())))


def relative_change(
    family: NaturalGradient, old: Parameters, new: Parameters, probe: Tensor
) -> float:
    """Return the norm of `L_old^{-1} L_new - I`, from below, by power iteration."""
    x, size = probe, 0.0
    for _ in range(POWERS):
        length = norm({"x": x})
        if length == 0:
            break
        x = x / length
        y = family.solve(old, family.apply(new, x)) - x
        size = norm({"y": y})
        x = family.apply_transposed(new, family.solve_transposed(old, y)) - y
    return size
