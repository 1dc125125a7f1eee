"""Functions of a run's unknowns that are served: log densities, data, and models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.forward.simulator import ProductSimulator
from pvi_hpc.problem.curvature import PosteriorCurvature
from pvi_hpc.problem.likelihood import GaussianLikelihood, NoData
from pvi_hpc.problem.posterior import Posterior
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.serving.served import Array, Served

__all__ = ["Misfits", "served_models"]

Traces = Sequence[NDArray[np.float32]]
Simulate = Callable[[NDArray[np.float32]], Traces]


class Misfits(ProductSimulator, Protocol):
    """A simulator that also gives misfits alone, which cost less."""

    def misfits(
        self, models: NDArray[np.float32], shots: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """Return the misfit of each model, summed over its shots, `(n_models,)`."""
        ...


def served_models(
    problem: Problem,
    simulator: Misfits | None,
    simulate: Simulate | None,
    n_values: int,
    *,
    products: bool,
) -> list[Served]:
    """Return what is served of a run.

    Parameters
    ----------
    problem
        The run.
    simulator
        Gives misfits, gradients and products; None: a run that uses no data.
    simulate
        Gives the data of a model, one array a shot; None: simulations give none.
    n_values
        Number of these values, of all shots.
    products
        True where simulations have Gauss-Newton products.
    """
    kind = Density if products or simulator is None else FirstOrderDensity
    found: list[Served] = [
        kind("posterior", problem, simulator, with_prior=True),
        kind("likelihood", problem, simulator, with_prior=False),
    ]
    if simulate is not None:
        found.append(Data(problem, simulate, n_values))
    return [*found, Velocities(problem)]


@dataclass(frozen=True)
class FirstOrderDensity:
    """A log density of `theta`, with its gradient: the posterior's, or the likelihood alone."""

    name: str
    problem: Problem
    simulator: Misfits | None
    with_prior: bool

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in, and that come out."""
        return self.problem.model_map.n, 1

    def evaluate(self, x: Array) -> Array:
        """Return the log density, up to a constant `(1,)`."""
        theta = torch.from_numpy(x)[None]
        value = 0.0
        if self.simulator is not None:
            models, shots = self.problem.models(theta), [range(self.problem.n_shots)]
            value = -float(self.simulator.misfits(models, shots)[0])
        if self.with_prior:
            value += float(self.problem.model_map.coordinates.log_prior(theta)[0])
        return np.array([value])

    def gradient(self, x: Array, sens: Array) -> Array:
        """Return `sens` times the derivative of the log density `(n,)`."""
        its, theta = self.problem, torch.from_numpy(x)[None]
        likelihood = (
            NoData()
            if self.simulator is None
            else GaussianLikelihood(self.simulator, its.n_shots, its.n_data)
        )
        found = Posterior(its.model_map, likelihood).value(theta).gradient
        if not self.with_prior:
            found = found + its.model_map.coordinates.precision(theta)
        return np.asarray(sens[0] * found[0].numpy())


@dataclass(frozen=True)
class Density(FirstOrderDensity):
    """A log density of `theta` that has Gauss-Newton products too."""

    def apply_hessian(self, x: Array, sens: Array, vec: Array) -> Array:
        """Return minus the precision times `vec`: the Hessian by Gauss-Newton, `(n,)`."""
        its, row = self.problem, torch.from_numpy(vec)[None]
        theta = torch.from_numpy(x)
        curvature = PosteriorCurvature(its.model_map, theta, self.simulator, its.n_shots)
        found = curvature.products(row)
        if not self.with_prior:
            found = found - its.model_map.coordinates.precision(row)
        return np.asarray(-sens[0] * found[0].numpy())


@dataclass(frozen=True)
class Data:
    """The simulated data of `theta`: all shots one after another, receiver by receiver."""

    problem: Problem
    simulate: Simulate
    n_values: int
    name: str = "forward"

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in, and that come out."""
        return self.problem.model_map.n, self.n_values

    def evaluate(self, x: Array) -> Array:
        """Return the data, in the units of the survey."""
        (model,) = self.problem.models(torch.from_numpy(x)[None])
        return np.concatenate([shot.ravel() for shot in self.simulate(model)]).astype(float)


@dataclass(frozen=True)
class Velocities:
    """The model of `theta`: all cells of the grid, fixed ones too, x fastest."""

    problem: Problem
    name: str = "model"

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that go in, and that come out."""
        return self.problem.model_map.n, self.problem.model_map.active.size

    def evaluate(self, x: Array) -> Array:
        """Return the model [m/s]."""
        return self._at(x).model.ravel()

    def gradient(self, x: Array, sens: Array) -> Array:
        """Return a derivative by the model pulled back to `theta`."""
        rows = sens.reshape(1, *self.problem.model_map.active.shape)
        return np.asarray(self._at(x).pulled(rows)[0].numpy())

    def apply_jacobian(self, x: Array, vec: Array) -> Array:
        """Return the change of the model along `vec`, by a central difference."""
        return self._at(x).pushed(torch.from_numpy(vec)).ravel()

    def _at(self, x: Array) -> PosteriorCurvature:
        return PosteriorCurvature(self.problem.model_map, torch.from_numpy(x), None, 0)
