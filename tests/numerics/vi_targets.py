"""Targets and simulators with known answers for the tests of variational inference."""

import numpy as np
import torch

from pvi_hpc.cost import SimulationCount
from pvi_hpc.forward.simulator import BatchResult
from pvi_hpc.inference.target import TargetValue


class GaussianTarget:
    """`log p(theta) = -(theta - mean) P (theta - mean) / 2`, given as the prior term."""

    def __init__(self, precision, mean):
        self.precision, self.mean = precision, mean

    def batches(self, iteration, n):
        return [()] * n

    def value(self, theta, batches=None):
        x = theta.detach().numpy() - self.mean
        gradient = -x @ self.precision
        log_density = torch.from_numpy(0.5 * (x * gradient).sum(axis=1))
        zero = torch.zeros_like(log_density)
        gradient = torch.from_numpy(np.ascontiguousarray(gradient))
        return TargetValue(zero, log_density, gradient, zero, SimulationCount())


class QuadraticSimulator:
    """Shot `i` measures `a_i . (m / 1000)^2`, with noise of sd 1 and data of a true model."""

    def __init__(self, rng, shape, n_shots):
        self.operator = rng.standard_normal((n_shots, *shape)) / np.sqrt(np.prod(shape))
        truth = rng.uniform(1.8, 2.2, shape)
        self.data = np.tensordot(self.operator, truth**2, axes=3)
        self.calls, self.dtype = 0, None

    def misfit_and_gradient(self, models, shots):
        self.calls += 1
        misfits, gradients = [], []
        for given, chosen in zip(models, shots, strict=True):
            self.dtype, model = given.dtype, given.astype(np.float64) / 1000
            rows = self.operator[list(chosen)]
            residual = np.tensordot(rows, model**2, axes=3) - self.data[list(chosen)]
            misfits.append(0.5 * residual @ residual)
            gradients.append(np.tensordot(residual, rows, axes=1) * 2 * model / 1000)
        count = SimulationCount(done=sum(len(chosen) for chosen in shots))
        return BatchResult(np.array(misfits), np.array(gradients), count)


def precision_of(rng, n):
    """Return a well conditioned, dense precision matrix `(n, n)`."""
    factor = rng.standard_normal((n, n)) / np.sqrt(n)
    return np.diag(rng.uniform(0.8, 2.0, n)) + 0.5 * factor @ factor.T
