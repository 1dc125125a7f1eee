"""Pareto k-hat of a run, block by block: are the tails of `q` as heavy as the posterior's?

A block is a box of cells; what is looked at is the line through the mean of `q` along which all
of them change alike, so that the answer is about the block's mean velocity.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.config.project import BlockTailsSettings
from pvi_hpc.diagnostics.pareto import k_hat_along
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.families.family import LOCATION
from pvi_hpc.inference.method import FitsFamily, Method
from pvi_hpc.inference.state import State
from pvi_hpc.problem.problem import Problem

__all__ = ["block_k_hats", "is_gaussian"]

#: Maps models `(n, nz, ny, nx)` [m/s] to their log-likelihoods `(n,)` of all shots.
LogLikelihood = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def is_gaussian(method: Method) -> bool:
    """Return whether what is fitted is one Gaussian, which k-hat is computed for."""
    return isinstance(method, FitsFamily) and isinstance(method.family, Gaussian)


def block_k_hats(
    problem: Problem, state: State, settings: BlockTailsSettings, log_likelihood: LogLikelihood
) -> dict[str, float]:
    """Return k-hat of every block that holds an unknown, by the block's place.

    `log_likelihood` is called once for each block, with `settings.draws` models.
    """
    method = problem.method(None)
    assert isinstance(method, FitsFamily)  # `pvi check` sees to it
    family, parameters = method.family, method.fitted(state)
    mean = parameters[LOCATION].double()

    def log_p(theta: torch.Tensor) -> torch.Tensor:
        found = torch.from_numpy(log_likelihood(problem.models(theta)))
        return found + problem.model_map.coordinates.log_prior(theta)

    def log_q(theta: torch.Tensor) -> torch.Tensor:
        return family.log_prob(parameters, theta)

    active, found = problem.model_map.active, {}
    for name, box in problem.run.grid.grid.boxes(settings.blocks):
        inside = np.zeros(active.shape, bool)
        inside[box] = True
        block = torch.from_numpy(inside[active].astype(np.float64))
        if block.any():
            direction = problem.model_map.coordinates.direction(block)
            k_hat = k_hat_along(log_p, log_q, mean, direction[None], draws=settings.draws)
            found[name] = k_hat.k
    return found
