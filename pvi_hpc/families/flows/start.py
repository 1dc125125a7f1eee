"""The starting numbers of a flow's layers, the same on every machine.

The last layer of every network is zero, so that the transform it conditions is the identity;
the layers before it are normal, with the variance that keeps the size of what they are given.
All that is not a network's starts at zero: layers are written so that this is the identity.
"""

import torch
from torch import Tensor, nn

from pvi_hpc.numerics.random import keyed_rng

__all__ = ["start_at_identity"]


def start_at_identity(module: nn.Module, seed: int) -> None:
    """Set all parameters of `module`, in place; they then ask for no gradient."""
    module.requires_grad_(False)
    for parameter in module.parameters():
        parameter.zero_()
    networks = [part for part in module.modules() if isinstance(part, nn.Sequential)]
    for i, network in enumerate(networks):
        weighted = [layer for layer in network if hasattr(layer, "weight")]
        for j, layer in enumerate(weighted[:-1]):
            _scatter(layer, seed, i, j)


def _scatter(layer: nn.Module, seed: int, *index: int) -> None:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    draws = torch.from_numpy(keyed_rng(seed, "weights", *index).standard_normal(weight.shape))
    seen = getattr(layer, "mask", torch.ones_like(weight)).to(draws)
    inputs = seen.flatten(1).sum(dim=1).clamp(min=1)
    scale = inputs.rsqrt().reshape(-1, *[1] * (weight.ndim - 1))
    weight.copy_(draws * scale)
