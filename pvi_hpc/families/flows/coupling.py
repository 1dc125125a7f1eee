"""Coupling flows: one half of the unknowns shapes the transform of the other.

Affine: RealNVP (Dinh et al. 2017, arXiv 1605.08803). Spline: monotonic rational-quadratic
splines (Durkan et al. 2019, arXiv 1906.04032), the identity beyond 5 standard deviations.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import LazyTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

from pvi_hpc.families.flows.flow import Flow
from pvi_hpc.families.flows.layers import normalisation, permutation
from pvi_hpc.families.flows.options import (
    CouplingOptions,
    NetworkOptions,
    SplineOptions,
    check_size,
)
from pvi_hpc.plugins import Settings

__all__ = ["AffineCoupling", "SplineCoupling"]


class AffineCoupling(Flow):
    """RealNVP flow: networks of one half of the unknowns shift and scale the other half."""

    Options: ClassVar[type[Settings]] = CouplingOptions

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: CouplingOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        ConfigError if the networks are too large, or there is nothing to couple.
        """
        n = int(active.sum())
        _check(options, "affine_coupling", n, 2)
        univariate = {"univariate": MonotonicAffineTransform, "shapes": ((), ())}
        return cls(n, _chain(n, options, univariate), options.seed)


class SplineCoupling(Flow):
    """Neural spline flow: networks of one half of the unknowns bend the other half."""

    Options: ClassVar[type[Settings]] = SplineOptions

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: SplineOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        ConfigError if the networks are too large, or there is nothing to couple.
        """
        n, bins = int(active.sum()), options.bins
        _check(options, "spline_coupling", n, 3 * bins - 1)
        univariate = {
            "univariate": partial(MonotonicRQSTransform, bound=5.0),
            "shapes": ((bins,), (bins,), (bins - 1,)),
        }
        return cls(n, _chain(n, options, univariate), options.seed)


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
