"""The check of a prior's map finds a wrong gradient, a wrong inverse and wrong bounds."""

import numpy as np
import pytest
import torch

from pvi_hpc.priors.uniform import Uniform
from pvi_hpc.priors.verify import map_faults

N = 40


class Scaled(torch.autograd.Function):
    """Twice the velocities, with a gradient of another factor."""

    @staticmethod
    def forward(ctx, m, factor):
        ctx.factor = factor
        return 1.0 * m

    @staticmethod
    def backward(ctx, *gradients):
        return ctx.factor * gradients[0], None


class Wrong(Uniform):
    """A uniform prior with one fault."""

    def __init__(self, fault):
        super().__init__(np.full(N, 1500.0), np.linspace(1600, 5000, N))
        self.fault = fault

    def from_normal(self, theta):
        if self.fault == "shape":
            return super().from_normal(theta)[:, 1:]
        if self.fault == "graph":
            return super().from_normal(theta).detach() + 0 * theta.sum() * torch.inf
        m = super().from_normal(theta)
        if self.fault == "bounds":
            return m + 4000
        if isinstance(self.fault, float):
            return Scaled.apply(m, self.fault)
        if self.fault == "one cell":
            weights = torch.ones(N)
            weights[7] = 0
            return m * weights + (m * (1 - weights)).detach()
        return m

    def to_normal(self, m):
        return super().to_normal(m) + (0.1 if self.fault == "inverse" else 0)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "must return finite velocities of the shape"),
        ("graph", "must return finite velocities"),
        ("bounds", "inside 'lower' and 'upper'"),
        (-1.0, "must be that of finite differences"),
        (1.01, "must be that of finite differences"),
        ("one cell", "must be that of finite differences"),
        ("inverse", "'to_normal' must be the inverse"),
    ],
)
def test_every_fault_is_found(fault, message):
    assert any(message in sentence for sentence in map_faults(Wrong(fault)))


def test_a_right_prior_has_none():
    assert list(map_faults(Wrong(None))) == []
