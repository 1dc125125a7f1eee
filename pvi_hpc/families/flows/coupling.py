"""Coupling flows: one half of the unknowns shapes the transform of the other.

Affine: RealNVP (Dinh et al. 2017, arXiv 1605.08803). Spline: monotonic rational-quadratic
splines (Durkan et al. 2019, arXiv 1906.04032), the identity beyond 5 standard deviations.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import LazyTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from pvi_hpc.families.flows.flow import Flow
from pvi_hpc.families.flows.layers import normalisation, permutation
from pvi_hpc.families.flows.options import (
    SETTING,
    CouplingOptions,
    NetworkOptions,
    SplineOptions,
    check_size,
)
from pvi_hpc.plugins import read_options

__all__ = ["AffineCoupling", "SplineCoupling"]


class AffineCoupling(Flow):
    """RealNVP: shift and scale of one half by networks of the other half."""

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells; options `layers`, `hidden`, `seed`.

        ConfigError if one is unknown or impossible, or the networks are too large.
        """
        chosen = read_options(CouplingOptions, SETTING, "affine_coupling", options)
        n = int(active.sum())
        _check(chosen, "affine_coupling", n, 2)
        univariate = {"univariate": MonotonicAffineTransform, "shapes": ((), ())}
        return cls(n, _chain(n, chosen, univariate), chosen.seed)


class SplineCoupling(Flow):
    """A spline for each unknown of one half, its knots by networks of the other half."""

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells.

        Options `layers`, `hidden`, `bins`, `seed`. ConfigError if one is unknown or
        impossible, or the networks are too large.
        """
        chosen = read_options(SplineOptions, SETTING, "spline_coupling", options)
        n, bins = int(active.sum()), chosen.bins
        _check(chosen, "spline_coupling", n, 3 * bins - 1)
        univariate = {
            "univariate": partial(MonotonicRQSTransform, bound=5.0),
            "shapes": ((bins,), (bins,), (bins - 1,)),
        }
        return cls(n, _chain(n, chosen, univariate), chosen.seed)


def _check(options: NetworkOptions, kind: str, n: int, outputs: int) -> None:
    check_size(kind, n, (n // 2, *options.hidden, (n - n // 2) * outputs), options.layers)


def _chain(
    n: int, options: NetworkOptions, univariate: Mapping[str, Any]
) -> list[LazyTransform]:
    """Couplings of two random halves in both directions, then of two others; actnorm."""
    layers: list[LazyTransform] = []
    for i in range(options.layers):
        half = permutation(n, options.seed, i // 2) % 2 == i % 2
        network = {"hidden_features": options.hidden, "activation": nn.SiLU}
        layers.append(GeneralCouplingTransform(n, 0, half, **univariate, **network))
        if i % 2 and i + 1 < options.layers:
            layers.append(normalisation(n))
    return layers
