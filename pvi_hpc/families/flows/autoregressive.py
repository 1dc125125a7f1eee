"""Autoregressive flows: each unknown is shaped by those before it.

IAF (Kingma et al. 2016, arXiv 1606.04934) samples in one pass and inverts in `n`; MAF
(Papamakarios et al. 2017, arXiv 1705.07057) is its inverse: exact densities in one pass,
samples in `n`. Variational inference samples: prefer IAF, or coupling where `n` is large.
"""

from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyTransform

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.flows.flow import Flow
from pvi_hpc.families.flows.layers import normalisation, permutation
from pvi_hpc.families.flows.options import (
    MAX_AUTOREGRESSIVE,
    NetworkOptions,
    check_size,
)
from pvi_hpc.plugins import Settings

__all__ = ["InverseAutoregressive", "MaskedAutoregressive"]


class _Autoregressive(Flow):
    """Masked layers, applied forwards or backwards."""

    Options: ClassVar[type[Settings]] = NetworkOptions
    kind: ClassVar[str]
    inverse: ClassVar[bool]

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: NetworkOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        ConfigError if there are too many unknowns, or fewer than two.
        """
        n = _check(options, cls.kind, active)
        return cls(n, _chain(n, options, inverse=cls.inverse), options.seed)


class InverseAutoregressive(_Autoregressive):
    """Inverse autoregressive flow: fast samples, for up to 4096 unknowns.

    `theta_i` is affine in `eps_i`, with networks of the `eps` before it.
    """

    kind = "iaf"
    inverse = False


class MaskedAutoregressive(_Autoregressive):
    """Masked autoregressive flow: fast densities, for up to 4096 unknowns.

    `eps_i` is affine in `theta_i`, with networks of the `theta` before it.
    """

    kind = "maf"
    inverse = True


def _check(options: NetworkOptions, kind: str, active: NDArray[np.bool_]) -> int:
    n = int(active.sum())
    if n > MAX_AUTOREGRESSIVE:
        raise ConfigError(
            f"'inference.family.kind: {kind}' builds matrices of (n, n) numbers, "
            f"{8 * n * n / 1e9:.3g} GB each for n = {n} unknowns; it must have at most "
            f"{MAX_AUTOREGRESSIVE}. Choose 'convolutional', 'affine_coupling' or "
            "'structured', or invert in reduced coordinates."
        )
    check_size(kind, n, (n, *options.hidden, 2 * n), options.layers)
    return n


def _chain(n: int, options: NetworkOptions, *, inverse: bool) -> list[LazyTransform]:
    """Masked layers in one order and in its reverse, then in another; actnorm between."""
    layers: list[LazyTransform] = []
    for i in range(options.layers):
        place = torch.arange(n) if i < 2 else permutation(n, options.seed, i // 2)
        order = place if i % 2 == 0 else n - 1 - place
        network = {"hidden_features": options.hidden, "activation": nn.SiLU}
        layer = MaskedAutoregressiveTransform(n, order=order, **network)
        layers.append(layer.inv if inverse else layer)
        if i + 1 < options.layers:
            layers.append(normalisation(n))
    return layers
