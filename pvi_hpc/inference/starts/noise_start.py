"""The start from gradients of noise: one simulation a shot, and every coupling at once.

The first sweep over the shots is taken at the mean, each later one at draws, one for each
shot, of the mean field that is known by then: the precision of the best Gaussian is that of the
posterior averaged over itself, `P = I + E_q[J^T W J]`. Couplings are then multiplied by the
share that gives the largest ELBO, from a few simulations of each candidate with the same random
numbers: as estimated they can be nearly singular.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import IndependentStart, InformedStart
from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.settings import HessianSettings
from pvi_hpc.inference.starts.hessian_start import HESSIAN, no_start
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.starts.noise_sums import NoiseSums, root_of_diagonal, sums_of
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import NoiseRows, NoiseTarget, Target
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import log

__all__ = [
    "SHARES",
    "NoiseStart",
    "check_noise",
    "noise_evaluations",
    "noise_info",
    "swept",
]

#: Candidates for the share of the couplings that is believed.
SHARES: Final = (1.0, 0.9, 0.75, 0.5, 0.25, 0.0)
#: Samples of each candidate: one antithetic pair.
PAIR: Final = 2
#: Most bytes of gradients of noise that are held at once.
ROOM: Final = 2 * 2**30


@dataclass(frozen=True)
class NoiseStart:
    """Sets all but the mean of a state whose mean is found.

    Parameters
    ----------
    family, target
        Family that is started, and the density that it approaches.
    settings
        Sweeps, draws, averages and share.
    first
        Iteration of the first sweep.
    seed
        Seed of noise and draws.
    """

    family: Family
    target: Target
    settings: HessianSettings
    first: int
    seed: int

    @cached_property
    def sums(self) -> NoiseSums:
        """Sums that the family reads."""
        target, smooth = self.target, self.settings.smooth_cells
        if not isinstance(target, NoiseTarget):
            raise ConfigError(
                "'start.hessian.kind' must be 'differences' for a log density without noise in "
                f"data, got 'noise' for {type(target).__name__}."
            )
        if target.whitened:
            return sums_of(self.family, target.active, smooth)
        return sums_of(self.family, target.active, smooth, target.prior_precision)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, a sweep or the choice of the share; as `Method.step`."""
        sweep = state.iteration - self.first
        if sweep < self.settings.sweeps:
            return self._sweep(state, sweep)
        return self._choose(state)

    def _sweep(self, state: State, sweep: int) -> tuple[State, Info]:
        memory = dict(state.memory)
        sums = memory.pop(HESSIAN) if sweep else self.sums.fresh()
        target, mu = self.target, state.parameters[LOCATION].double()
        assert isinstance(target, NoiseTarget)  # `sums` has asked for it
        theta = self._draws(mu, sums, sweep) if sweep else lambda _: mu
        count = SimulationCount()
        for found in swept(target, theta, (self.seed, sweep), self.settings.draws):
            sums, count = self.sums.add(sums, found.rows), count + found.count
        memory[HESSIAN] = sums
        state = replace(state, iteration=state.iteration + 1, memory=memory)
        if sweep + 1 == self.settings.sweeps and self.settings.shrink != "auto":
            share = float(self.settings.shrink)
            state = _started(state, self._parameters(state, mu, share))
        return state, noise_info(state.iteration - 1, count)

    def _draws(self, mu: Tensor, sums: Parameters, sweep: int) -> Callable[[int], Tensor]:
        """Return the draw `(n,)` that a shot is simulated at, by the sweeps before.

        Of the family that keeps the gradients; else of the mean field, whose sds many
        gradients are not needed for.
        """
        family, precision = self.family, self._precision(sums, sweep)
        if keeps_gradients(family):
            assert isinstance(family, InformedStart)
            q = family.informed(mu, precision)
            return lambda shot: family.sample(q, self._normal(sweep, shot)[None])[0]
        sd = root_of_diagonal(precision)
        return lambda shot: mu + sd * self._normal(sweep, shot)

    def _choose(self, state: State) -> tuple[State, Info]:
        """Start from the share of the largest ELBO; without couplings there is no choice."""
        i, mu = state.iteration, state.parameters[LOCATION].double()
        if not is_coupled(self.family):
            state = _started(state, self._parameters(state, mu, 1.0))
            return replace(state, iteration=i + 1), noise_info(i)
        pair = [self._normal(self.settings.sweeps, draw) for draw in range(PAIR // 2)]
        eps = torch.stack([sign * x for x in pair for sign in (1, -1)])
        found = [self._parameters(state, mu, share) for share in SHARES]
        theta = torch.cat([self.family.sample(parameters, eps) for parameters in found])
        batch = self.target.batches(i, 1)[0]
        value = self.target.value(theta, [batch] * len(theta))
        check_values(value, i)
        log_q = torch.cat([self.family.log_q(parameters, eps) for parameters in found])
        terms = (value.log_likelihood + value.log_prior - log_q).reshape(len(found), -1)
        best = int(terms.mean(dim=1).argmax())
        state = _started(replace(state, iteration=i + 1), found[best])
        its = torch.arange(best * len(eps), (best + 1) * len(eps))
        info = start_info(HESSIAN, i, value.only(its), SHARES[best])
        return state, info

    def _parameters(self, state: State, mu: Tensor, share: float) -> Parameters:
        """Return the parameters around `mu`, with a share of the couplings."""
        precision = self._precision(state.memory[HESSIAN], self.settings.sweeps, share)
        if isinstance(self.family, InformedStart):
            return self.family.informed(mu, precision)
        assert isinstance(self.family, IndependentStart)  # `check_noise` asks for it
        return self.family.independent(mu, -0.5 * log(precision.diagonal()))

    def _precision(self, sums: Parameters, sweeps: int, share: float = 1.0) -> Precision:
        return self.sums.precision(sums, 1 / (sweeps * self.settings.draws), share)

    def _normal(self, sweep: int, shot: int) -> Tensor:
        """Return the normal numbers `(n,)` of a sweep and a shot."""
        rng = keyed_rng(self.seed, "draw of noise", sweep, shot)
        return torch.from_numpy(rng.standard_normal(self.family.n))


def _started(state: State, parameters: Parameters) -> State:
    """Set the parameters in place, and forget the sums."""
    for name, value in parameters.items():
        state.parameters[name].copy_(value)
    memory = {name: value for name, value in state.memory.items() if name != HESSIAN}
    return replace(state, memory=memory)


def swept(
    target: NoiseTarget, theta: Callable[[int], Tensor], key: tuple[int, int], draws: int
) -> Iterator[NoiseRows]:
    """Yield `draws` gradients of noise of every shot, as many shots at once as there is room.

    `theta` returns the unknowns `(n,)` that a shot is simulated at; `key` is a seed and the
    number of the sweep, which its noise belongs to.
    """
    seed, sweep = key
    keys = [
        int(keyed_rng(seed, "key of noise", sweep, draw).integers(2**53))
        for draw in range(draws)
    ]
    size = max(1, ROOM // (8 * int(target.active.sum()) * (draws + 1)))
    for begin in range(0, target.n_shots, size):
        shots = tuple(range(begin, min(begin + size, target.n_shots)))
        yield target.noise_rows(torch.stack([theta(shot) for shot in shots]), shots, keys)


def check_noise(family: Family, settings: HessianSettings) -> None:
    """Raise ConfigError if a family cannot start from gradients of noise, or not with these."""
    if not isinstance(family, InformedStart | IndependentStart):
        raise no_start(family)
    if keeps_gradients(family) and settings.shrink not in ("auto", 1):
        raise ConfigError(
            "'start.hessian.shrink' must be auto or 1 for a family that keeps gradients of "
            f"noise, whose taper takes the place of a share, got {settings.shrink}."
        )


def noise_evaluations(family: Family, settings: HessianSettings, step: int) -> Evaluations:
    """Return the models of a step of the start: one for each shot of a sweep, or a choice."""
    if step < settings.sweeps:
        return Evaluations(whole=1, sent_back=settings.draws - 1)
    return Evaluations(minibatch=PAIR * len(SHARES) if is_coupled(family) else 0)


def keeps_gradients(family: Family) -> bool:
    """Return whether a family reads the gradients of noise themselves."""
    return isinstance(family, InformedStart) and family.reads == "rows"


def is_coupled(family: Family) -> bool:
    """Return whether a family reads couplings of which a share is to be chosen."""
    return isinstance(family, InformedStart) and family.reads not in ("diagonal", "rows")


def noise_info(iteration: int, count: SimulationCount | None = None) -> Info:
    """Return what a sweep tells the outside: its cost, for it has no density."""
    unknown = np.full(1, np.nan)
    return Info(
        iteration=iteration,
        phase=HESSIAN,
        terms=unknown,
        log_likelihood=unknown,
        log_prior=unknown,
        log_q=unknown,
        chi_squared=float("nan"),
        gradient_norm=float("nan"),
        score_weight=0.0,
        step=0.0,
        count=count or SimulationCount(),
    )
