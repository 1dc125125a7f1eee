"""Mean, standard deviation and entropy of a family: exact where known, else from draws."""

import torch
from torch import Tensor

from pvi_hpc.families.capabilities import ClosedForm
from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["entropy", "mean_and_sd"]


def entropy(family: Family, parameters: Parameters, draws: int = 1000, seed: int = 0) -> float:
    """Return `-E[log q]` in nats; from `draws` samples where the family does not know it."""
    if isinstance(family, ClosedForm):
        return family.entropy(parameters)
    like = next(iter(parameters.values()))
    total = 0.0
    for i in range(draws):
        total -= float(family.log_q(parameters, _normal(family.n, like, seed, i)))
    return total / draws


def mean_and_sd(
    family: Family, parameters: Parameters, draws: int = 1000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return mean and sd of `theta`, `(n,)` each; from `draws` >= 2 where they are unknown.

    One sample is held at a time (Welford's recurrence).
    """
    if isinstance(family, ClosedForm):
        return family.mean(parameters), family.sd(parameters)
    like = next(iter(parameters.values()))
    mean = torch.zeros(family.n, dtype=torch.float64)
    squares = torch.zeros_like(mean)
    for i in range(draws):
        theta = family.sample(parameters, _normal(family.n, like, seed, i))[0].detach()
        difference = theta - mean
        mean += difference / (i + 1)
        squares += difference * (theta - mean)
    return mean, (squares / (draws - 1)).sqrt()


def _normal(n: int, like: Tensor, seed: int, i: int) -> Tensor:
    eps = keyed_rng(seed, "moments", i).standard_normal(n)
    return torch.from_numpy(eps).to(like.dtype)[None]
