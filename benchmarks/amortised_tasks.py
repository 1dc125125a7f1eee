"""Six small problems of simulation-based inference, and their reference posteriors.

The problems are those of Lueckmann, Boelts, Greenberg, Goncalves & Macke (2021, AISTATS,
arXiv 2101.04653), by their definitions in its appendix T; observations and 10,000 draws of
each reference posterior are read from the wheel of `sbibm` (MIT licence).
"""

import bz2
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import log, pi, sqrt
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch

Array = np.ndarray
Generator = np.random.Generator
#: Steps of the integration of an epidemic in a day.
STEPS_A_DAY = 4
PEOPLE = 1_000_000


@dataclass(frozen=True)
class Box:
    """Uniform prior between `-half` and `half`."""

    half: float

    def from_normal(self, theta):
        return self.half * (2 * torch.special.ndtr(theta) - 1)

    def to_normal(self, m):
        return torch.special.ndtri((m / self.half + 1) / 2)

    def log_abs_det(self, theta):
        each = log(2 * self.half) - 0.5 * theta * theta - 0.5 * log(2 * pi)
        return each.sum(-1)


@dataclass(frozen=True)
class Normal:
    """Normal prior of mean 0."""

    sd: float

    def from_normal(self, theta):
        return self.sd * theta

    def to_normal(self, m):
        return m / self.sd

    def log_abs_det(self, theta):
        return torch.full(theta.shape[:-1], theta.shape[-1] * log(self.sd))


@dataclass(frozen=True)
class LogNormal:
    """Prior of contact and recovery rate [1/day], whose logarithms are normal."""

    mean: tuple[float, ...] = (log(0.4), log(0.125))
    sd: tuple[float, ...] = (0.5, 0.2)

    def from_normal(self, theta):
        return (torch.tensor(self.mean) + torch.tensor(self.sd) * theta).exp()

    def to_normal(self, m):
        return (m.log() - torch.tensor(self.mean)) / torch.tensor(self.sd)

    def log_abs_det(self, theta):
        return (self.from_normal(theta).log() + torch.tensor(self.sd).log()).sum(-1)


def two_moons(m: Array, rng: Generator) -> Array:
    """Return points of a crescent that the unknowns move."""
    angle = rng.uniform(-pi / 2, pi / 2, len(m))
    radius = rng.normal(0.1, 0.01, len(m))
    crescent = np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)
    moved = np.stack([-np.abs(m.sum(axis=1)), m[:, 1] - m[:, 0]], axis=1) / sqrt(2)
    return crescent + moved


def slcp(m: Array, rng: Generator) -> Array:
    """Return four points of a normal density: a simple likelihood, a complex posterior."""
    a, b = m[:, 2] ** 2, m[:, 3] ** 2
    rho = np.tanh(m[:, 4])
    first, second = rng.standard_normal((2, 4, len(m)))
    x = m[:, 0] + a * first
    y = m[:, 1] + b * (rho * first + np.sqrt(1 - rho**2) * second)
    return np.stack([x, y], axis=-1).transpose(1, 0, 2).reshape(len(m), 8)


def linear(m: Array, rng: Generator) -> Array:
    """Return the unknowns with noise."""
    return m + sqrt(0.1) * rng.standard_normal(m.shape)


def mixture(m: Array, rng: Generator) -> Array:
    """Return a draw of two normal densities, one of them narrow, around the unknowns."""
    sd = np.where(rng.random((len(m), 1)) < 0.5, 1.0, 0.1)
    return m + sd * rng.standard_normal(m.shape)


def sir(m: Array, rng: Generator) -> Array:
    """Return the infected among 1000 tested people, on ten days of an epidemic."""
    contact, recovery = m.T
    state = np.stack([np.full(len(m), PEOPLE - 1.0), np.ones(len(m))])

    def slope(s):
        new = contact * s[0] * s[1] / PEOPLE
        return np.stack([-new, new - recovery * s[1]])

    h, told = 1 / STEPS_A_DAY, [state[1]]
    for step in range(1, 153 * STEPS_A_DAY + 1):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(state + h * k3))
        if step % (17 * STEPS_A_DAY) == 0:
            told.append(state[1])
    share = np.clip(np.stack(told, axis=1) / PEOPLE, 0, 1)
    return rng.binomial(1000, share).astype(float)


@dataclass(frozen=True)
class Task:
    """A problem: number of unknowns, map from standard normal numbers, and simulator."""

    folder: str
    n: int
    prior: Box | Normal | LogNormal
    simulate: Callable[[Array, Generator], Array]


TASKS = {
    "two_moons": Task("two_moons", 2, Box(1.0), two_moons),
    "slcp": Task("slcp", 5, Box(3.0), slcp),
    "gaussian_linear": Task("gaussian_linear", 10, Normal(sqrt(0.1)), linear),
    "linear_uniform": Task("gaussian_linear_uniform", 10, Box(1.0), linear),
    "gaussian_mixture": Task("gaussian_mixture", 2, Box(10.0), mixture),
    "sir": Task("sir", 2, LogNormal(), sir),
}


@dataclass(frozen=True)
class References:
    """Observations and reference posteriors in the wheel of sbibm."""

    wheel: Path

    def observation(self, task: Task, number: int) -> Array:
        """Return the observed data `(d,)` of observation 1 to 10."""
        return self._table(task, number, "observation.csv")[0]

    def posterior(self, task: Task, number: int) -> Array:
        """Return 10,000 draws `(10000, n)` of the reference posterior."""
        return self._table(task, number, "reference_posterior_samples.csv.bz2")

    @cached_property
    def _zip(self) -> ZipFile:
        return ZipFile(self.wheel)

    def _table(self, task: Task, number: int, name: str) -> Array:
        path = f"sbibm/tasks/{task.folder}/files/num_observation_{number}/{name}"
        raw = self._zip.read(path)
        text = bz2.decompress(raw) if name.endswith("bz2") else raw
        return np.loadtxt(io.StringIO(text.decode()), delimiter=",", skiprows=1, ndmin=2)
