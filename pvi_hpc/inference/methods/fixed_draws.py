"""Variational inference on fixed draws: the ELBO becomes a function without noise.

With the same draws in every iteration (Giordano, Ingram & Broderick 2024, DADVI, JMLR 25(18))
a line search can hold every step to what it promises, and the search ends by a test. Steps are
natural gradients, the start of L-BFGS in the parameters. Draws come in pairs, and with as many
pairs as unknowns their covariance is exactly I, so that the answer for a Gaussian is exact.
Each round goes on from the last with fresh draws, and more of them.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Final

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import ClosedForm, NaturalGradient
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.draws import matched_pairs
from pvi_hpc.inference.finite import check_values, is_finite
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.optimisers.ascent import Ascent, fresh_ascent
from pvi_hpc.inference.settings import EstimatorSettings, OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.plugins import Settings

__all__ = ["FixedDraws", "FixedDrawsOptions"]

#: Share of the iterations that all rounds but the last may take together.
EARLY: Final = 2 / 3


class FixedDrawsOptions(Settings):
    """Options of `fixed_draws`."""

    rounds: PositiveInt = Field(
        2,
        description="Rounds, each with fresh draws; `samples` are those of the first.",
        json_schema_extra={"unit": "rounds"},
    )
    growth: PositiveInt = Field(
        4,
        description="Draws of a round relative to the one before.",
        json_schema_extra={"unit": "1"},
    )
    tolerance: PositiveFloat = Field(
        1e-3,
        description="Squared length of the natural gradient at which a round is over: about "
        "twice what the ELBO can still gain.",
        json_schema_extra={"unit": "nats"},
    )


@dataclass(frozen=True)
class FixedDraws(VariationalInference):
    """Variational inference on fixed draws, by natural gradients with a line search."""

    Options: ClassVar[type[Settings]] = FixedDrawsOptions

    options: FixedDrawsOptions = field(default_factory=FixedDrawsOptions)

    def check(self) -> None:
        """Raise ConfigError where settings do not suit the method or the family."""
        super().check()
        settings, family = self.settings, self.family
        if not (isinstance(family, NaturalGradient) and isinstance(family, ClosedForm)):
            raise ConfigError(
                "'inference.method.kind: fixed_draws' needs a family that knows its Fisher "
                f"information, got '{settings.family.kind}'; choose 'vi'."
            )
        if family.column_size == family.n > 1 and settings.samples < 2 * family.n:
            raise ConfigError(
                f"'inference.samples' must be at least {2 * family.n}, twice the number of "
                f"unknowns, with 'fixed_draws' and full rank, got {settings.samples}: fewer "
                "draws do not hold all of its directions."
            )
        if settings.samples % 2:
            raise ConfigError(
                f"'inference.samples' must be even with 'fixed_draws', got {settings.samples}."
            )
        for name, default in (
            ("optimiser", OptimiserSettings),
            ("estimator", EstimatorSettings),
        ):
            if getattr(settings, name) != default():
                raise ConfigError(
                    f"'inference.{name}' must be left out with 'fixed_draws', which has steps "
                    "and draws of its own; remove it, or choose 'inference.method.kind: vi'."
                )
        if settings.precision != "double":
            raise ConfigError(
                "'inference.precision' must be 'double' with 'fixed_draws', whose line search "
                f"compares small differences, got '{settings.precision}'."
            )
        self.refuse("inference.stop", settings.stop, "rounds end by a test of their own")
        self.refuse(
            "inference.shots_per_sample", settings.shots_per_sample, "it needs all shots"
        )

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models of an iteration, should every round take its share of them."""
        if iteration < self.start.iterations:
            return super().evaluations(iteration)
        i, early = iteration - self.start.iterations, self._early
        of_round = self.options.rounds - 1
        if i < early:
            of_round = i * (self.options.rounds - 1) // early
        return Evaluations(whole=self._count(of_round))

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: independent cells with `mean` `(n,)` and one sd."""
        state = super().init(mean, sd)
        memory = state.memory | fresh_ascent(state.parameters)
        if not (self.start.map_iterations and self.start.map_optimiser == "adam"):
            memory = {k: v for k, v in memory.items() if k not in ("first", "second")}
        return replace(state, memory=memory)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration: all draws of the round at one member of the family.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite where the first round begins, or a draw
            was dropped; `state` is then unchanged.
        """
        if state.iteration < self.start.iterations:
            return super().step(state)
        search = self._search(state)
        if search.is_fresh:
            search.place(state.parameters)
        eps = self._draws(search.round)
        theta = self.family.sample(state.parameters, eps)
        value = self.target.value(theta)
        if value.count.dropped:
            raise ConfigError(
                "'execution.min_samples' must be left out with 'fixed_draws', which needs all "
                f"of its draws in every iteration; {value.count.dropped} were dropped."
            )
        return self._learn(state, search, eps, value)

    def fitted(self, state: State) -> Parameters:
        """Return the best parameters so far."""
        search = self._search(state)
        return state.parameters if search.is_fresh else search.anchor

    def _search(self, state: State) -> Ascent:
        assert isinstance(self.family, NaturalGradient)  # `check` asks for it
        return Ascent(self.family, state)

    def _learn(
        self, state: State, search: Ascent, eps: Tensor, value: TargetValue
    ) -> tuple[State, Info]:
        log_q = self.family.log_q(state.parameters, eps)
        terms = value.log_likelihood + value.log_prior - log_q
        finite = bool(terms.isfinite().all()) and is_finite(value.gradient)
        if search.is_first and not finite:
            if search.round == 0:
                check_values(value, state.iteration)
            over = True  # fresh draws go where there is no density: the verdict tells
        else:
            gradient = self._gradient(state.parameters, eps, value) if finite else None
            elbo = float(terms.mean()) if finite else -torch.inf
            over = search.take(state.parameters, elbo, gradient, self.options.tolerance)
            i = state.iteration - self.start.iterations + 1
            over = over or i >= self._ends(search.round)
        converged = False
        if over:
            search.end_round(state.parameters)
            converged = search.round >= self.options.rounds or not finite
        info = Info(
            iteration=state.iteration,
            phase="vi",
            terms=terms.numpy(),
            log_likelihood=value.log_likelihood.numpy(),
            log_prior=value.log_prior.numpy(),
            log_q=log_q.numpy(),
            chi_squared=float(value.chi_squared.numpy().mean()),
            gradient_norm=search.decrement**0.5,
            score_weight=0.0,
            step=search.length,
            count=value.count,
        )
        iteration = state.iteration + 1
        if iteration >= self.n_iterations:
            search.end_round(state.parameters)
        return replace(state, iteration=iteration, converged=converged), info

    @cached_property
    def _early(self) -> int:
        """Iterations that all rounds but the last may take together."""
        rounds = self.options.rounds
        return max(rounds - 1, int(EARLY * self.settings.iterations)) if rounds > 1 else 0

    def _ends(self, of_round: int) -> int:
        """Return the number of iterations at which a round ends at the latest."""
        before_last = self.options.rounds - 1
        if of_round >= before_last:
            return self.settings.iterations
        return self._early * (of_round + 1) // before_last

    def _count(self, of_round: int) -> int:
        """Return the number of draws of a round."""
        return self.settings.samples * int(self.options.growth**of_round)

    @cached_property
    def _kept(self) -> dict[int, Tensor]:
        """The draws of the newest round."""
        return {}

    def _draws(self, of_round: int) -> Tensor:
        if of_round not in self._kept:
            self._kept.clear()
            count = self._count(of_round)
            self._kept[of_round] = matched_pairs(self.family.n, count, self.seed, of_round)
        return self._kept[of_round]

    def _gradient(self, parameters: Parameters, eps: Tensor, value: TargetValue) -> Parameters:
        """Return the gradient of the ELBO on the draws."""
        cotangent = (value.gradient.double() / len(eps)).to(eps.dtype)
        gradient = self.family.pullback(parameters, eps, cotangent)
        for name, part in self.family.entropy_gradient(parameters, eps).items():
            gradient[name] = gradient[name] + part
        return gradient
