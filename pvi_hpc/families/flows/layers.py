"""Steps between the layers of a flow: normalisation, and permutations of the unknowns."""

import torch
from torch import Tensor
from zuko.flows.gaussianization import ElementWiseTransform
from zuko.lazy import LazyTransform

from pvi_hpc.numerics.random import keyed_rng

__all__ = ["normalisation", "permutation"]


def normalisation(n: int) -> LazyTransform:
    """Return a shift and a scale of every unknown (actnorm; Kingma & Dhariwal 2018).

    The draws that a flow is fitted with start standard normal, so that it starts at the
    identity and needs no data.
    """
    return ElementWiseTransform(n)


def permutation(n: int, seed: int, index: int) -> Tensor:
    """Return the place `(n,)` of every unknown in the order of the `index`-th layer.

    A layer takes it as its order instead of moving the unknowns, so that a chain that starts
    at the identity leaves every unknown where it is.
    """
    return torch.from_numpy(keyed_rng(seed, "permutation", index).permutation(n))
