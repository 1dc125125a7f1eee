"""The gradient of a family's samples by its parameters, by automatic differentiation."""

import torch
from torch import Tensor

from pvi_hpc.families.family import Family, Parameters

__all__ = ["autograd_pullback"]


def autograd_pullback(
    family: Family, parameters: Parameters, eps: Tensor, cotangent: Tensor
) -> Parameters:
    """Return `Family.pullback` by running `sample` forwards and backwards."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    theta = family.sample(leaves, eps)
    gradients = torch.autograd.grad(theta, list(leaves.values()), cotangent)
    return dict(zip(leaves, gradients, strict=True))
