"""Variational inference: path gradients that stick the landing, keyed draws, descent.

Roeder, Wu & Duvenaud (2017), arXiv 1703.09194. All memory is in the state; every random
number is that of `(seed, purpose, iteration, sample)`, so an iteration can be repeated to
the bit.
"""

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.families.capabilities import FixedFactor, NaturalGradient
from pvi_hpc.families.family import Draw, Parameters
from pvi_hpc.families.moments import mean_and_sd
from pvi_hpc.inference.configured import DRAWS, ConfiguredMethod
from pvi_hpc.inference.draws import Draws
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.methods.control_variate import stick_landing
from pvi_hpc.inference.optimisers.guard import Guard, fresh_guard
from pvi_hpc.inference.optimisers.natural import natural_step
from pvi_hpc.inference.optimisers.optimiser import (
    AVERAGE,
    average,
    fresh_memory,
    step_of,
    window_start,
)
from pvi_hpc.inference.optimisers.update import Update
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.starts.stages import Stages
from pvi_hpc.inference.state import State
from pvi_hpc.inference.stopping import fresh_trace, has_converged
from pvi_hpc.inference.target import TargetValue, surviving

__all__ = ["VariationalInference"]

DTYPES = {"double": torch.float64, "single": torch.float32}


class VariationalInference(ConfiguredMethod):
    """Variational inference: the family's member of largest ELBO, by its gradients."""

    def check(self) -> None:
        """Raise ConfigError where optimiser or start ask for what the family has not."""
        self.check_family()
        if not self.n_iterations:
            raise ConfigError(
                "'inference.iterations' must be at least 1 without a start, got 0; or give "
                "'start.map_iterations' or 'start.hessian'."
            )
        if not self.settings.iterations and self.settings.optimiser.average:
            raise ConfigError(
                "'inference.optimiser.average' must be 0 without iterations to average, got "
                f"{self.settings.optimiser.average:g}; remove it."
            )

    @cached_property
    def draws(self) -> Draws:
        """The random numbers."""
        settings = self.settings
        dtype = DTYPES[settings.precision]
        return Draws(self.family.n, settings.samples, settings.estimator, self.seed, dtype)

    def phase(self, iteration: int) -> str:
        """Return "map", "hessian" or "vi"."""
        return "vi" if iteration >= self.start.iterations else self._stages.phase(iteration)

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: independent cells with `mean` `(n,)` and one sd."""
        parameters = self.family.initial(mean.to(DTYPES[self.settings.precision]), sd)
        fixed = self.family.fixed if isinstance(self.family, FixedFactor) else ()
        moved = {name: value for name, value in parameters.items() if name not in fixed}
        memory = fresh_memory(self._optimiser, moved)
        if self._optimiser.kind == "natural":
            memory |= fresh_guard(parameters)
        if self._optimiser.average:
            memory[AVERAGE] = {k: torch.zeros_like(v) for k, v in parameters.items()}
        for name, value in self._stages.memory(mean, parameters).items():
            memory.setdefault(name, value)  # Adam's are there where it is the optimiser, too
        if self.settings.stop is not None:
            memory["elbo"] = {"trace": fresh_trace(self.settings.stop)}
        return State(0, parameters, memory)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite; `state` is then unchanged. Natural
            gradients go back to where it was finite, at first.
        """
        if state.iteration < self.start.iterations:
            return self._stages.of(state.iteration).step(state)
        guard = Guard(state.memory)
        if state.iteration == self.start.iterations:
            guard.begin(state.parameters)
        try:
            return self._move(state, guard)
        except NonFiniteError:
            if not guard.recover(state.parameters):
                raise
            return self._move(state, guard)

    def _move(self, state: State, guard: Guard) -> tuple[State, Info]:
        iteration, parameters = state.iteration, state.parameters
        eps = self.draws.epsilon(iteration)
        theta = self.family.sample(parameters, eps)
        value = self.target.value(theta, self.target.batches(iteration, len(eps)))
        if value.count.dropped:
            kept = surviving(value, paired=self.settings.estimator.draws == "pairs")
            eps, value = eps[kept], value.only(kept)
        check_values(value, iteration)
        log_q = self.family.log_q(parameters, eps)
        cotangent, weight = self._cotangent(parameters, eps, value)
        i, n = iteration - self.start.iterations, self.settings.iterations
        step = step_of(self._optimiser, i, n) * guard.scale
        update = Update(self.family, self._optimiser, i, step)
        gradient_norm = update.apply(state, Draw(eps, cotangent), 1 - weight)
        numbers = {"gradient_norm": gradient_norm, "score_weight": weight, "step": step}
        info = _info(iteration, value, log_q, numbers)
        guard.watch(state.parameters, (i, n), info.elbo)
        return self._advance(state, info)

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`.

        Draw `i` is the same however many are asked for at once.
        """
        eps = self.draws.normal("posterior", first, n)
        return self.family.sample(self.fitted(state), eps).detach()

    def log_prob(self, state: State, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        return self.family.log_prob(self.fitted(state), theta)

    def fitted(self, state: State) -> Parameters:
        """Return the result: the averages, where the settings ask for them, once done."""
        done = state.converged or state.iteration >= self.n_iterations
        return state.memory[AVERAGE] if done and AVERAGE in state.memory else state.parameters

    def first_member(self, state: State) -> Parameters:
        """Return the parameters of the family, sharing memory."""
        return state.parameters

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns, `(n,)` each, float64; of draws where unknown."""
        mean, sd = mean_and_sd(self.family, self.fitted(state), DRAWS)
        return mean.double(), sd.double()

    @cached_property
    def _stages(self) -> Stages:
        """The iterations before the variational ones."""
        return Stages(self.family, self.target, self.start, self.settings.optimiser, self.seed)

    @cached_property
    def _optimiser(self) -> OptimiserSettings:
        """The settings, with the step that natural gradients take where none is given."""
        settings, family = self.settings.optimiser, self.family
        if settings.kind != "natural" or settings.step is not None:
            return settings
        assert isinstance(family, NaturalGradient)  # `from_settings` asks for it
        step = natural_step(family, self.settings.estimator, self.settings.samples)
        return settings.model_copy(update={"step": step})

    def _cotangent(
        self, parameters: Parameters, eps: Tensor, value: TargetValue
    ) -> tuple[Tensor, float]:
        """Return the derivative of `-ELBO` by the samples and the weight of the score in it."""
        landing, ascent, weight = self.settings.estimator.landing, value.gradient, 0.0
        if landing != "never":
            score = self.family.score(parameters, eps)
            ascent, weight = stick_landing(ascent, score, landing)
        return (ascent * (-1 / len(eps))).to(eps.dtype), weight

    def _advance(self, state: State, info: Info) -> tuple[State, Info]:
        """Count the iteration, average the parameters, and see whether to stop."""
        settings, memory = self._optimiser, state.memory
        i, n = state.iteration - self.start.iterations, self.settings.iterations
        stop, converged = self.settings.stop, False
        first = window_start(settings, n)
        if stop is not None:
            trace = memory["elbo"]["trace"]
            trace[i % len(trace)] = info.elbo
            converged = has_converged(stop, trace, i)
            first = i - i % stop.window
        if AVERAGE in memory and i >= first:
            average(state.parameters, memory, i - first)
        state = replace(state, iteration=state.iteration + 1, converged=converged)
        return state, info


def _info(iteration: int, value: TargetValue, log_q: Tensor, numbers: dict[str, float]) -> Info:
    terms = value.log_likelihood + value.log_prior
    return Info(
        iteration=iteration,
        phase="vi",
        terms=(terms - log_q).numpy(),
        log_likelihood=value.log_likelihood.numpy(),
        log_prior=value.log_prior.numpy(),
        log_q=log_q.numpy(),
        chi_squared=float(value.chi_squared.numpy().mean()),
        count=value.count,
        **numbers,
    )
