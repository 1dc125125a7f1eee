"""A small hierarchical model: groups with their own means, which share a mean and an sd."""

import numpy as np
import torch

GROUPS = 8
_RNG = np.random.default_rng(8)
SIGMA = torch.from_numpy(_RNG.uniform(9, 18, GROUPS))
Y = torch.from_numpy(8 + np.hypot(6, SIGMA.numpy()) * _RNG.standard_normal(GROUPS))
N = GROUPS + 2


def non_centred(x):
    """Log density of standardised effects, their mean, and the log of their sd."""
    z, mu, log_tau = x[:, :-2], x[:, -2], x[:, -1]
    effect = mu[:, None] + log_tau.exp()[:, None] * z
    fit = ((Y - effect) / SIGMA).square().sum(dim=1) + z.square().sum(dim=1)
    tails = -torch.log1p((log_tau.exp() / 5).square()) + log_tau
    return -0.5 * fit - 0.5 * (mu / 5).square() + tails
