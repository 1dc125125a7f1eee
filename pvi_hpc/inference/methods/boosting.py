"""Boosting: a mixture whose components are fitted one after the other.

Guo et al. (2016), arXiv 1611.05559; Miller, Foti & Adams (2017), arXiv 1611.06585; for
waveform inversion Zhao & Curtis (2024), JGR 129(1). Component `t` maximises the ELBO of the
mixture `q_t = (1 - 1/t) q_{t-1} + 1/t g_t` by variational inference of `g_t` on the density
`p g_t / q_t`, in which `g_t` is held fixed: its path gradient is that of the mixture's ELBO.
Weights are then refitted on the last draws of all components, whose densities are known.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import ClosedForm
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.mixture import LOG_WEIGHTS, Mixture
from pvi_hpc.inference.configured import ConfiguredMethod
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.methods.boosted_target import BoostedTarget
from pvi_hpc.inference.methods.component_start import ComponentStart
from pvi_hpc.inference.methods.mixture_weights import fit_weights
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import MethodSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["Boosting", "BoostingOptions"]


class BoostingOptions(Settings):
    """Options of `boosting`."""

    components: PositiveInt = Field(
        4,
        description="Members of the mixture, fitted one after the other.",
        json_schema_extra={"unit": "components"},
    )
    weights: Literal["refitted", "equal"] = Field(
        "refitted", description="Weights of the components: fitted to their draws, or equal."
    )
    perturbation: NonNegativeFloat = Field(
        1.0,
        description="Distance of a component's start from an earlier one, along one of its "
        "draws.",
        json_schema_extra={"unit": "length of a draw"},
    )
    candidates: PositiveInt = Field(
        1,
        description="Starts that are tried for each component, a simulation of all shots each: "
        "the one whose density the mixture misses most is taken.",
        json_schema_extra={"unit": "starts"},
    )
    stored: PositiveInt = Field(
        64,
        description="Draws of each component that are kept to fit the weights.",
        json_schema_extra={"unit": "draws"},
    )


@dataclass(frozen=True)
class Boosting(ConfiguredMethod):
    """Boosting: a mixture of members of the family, fitted one after the other.

    `settings.iterations` are shared equally among the components.
    """

    Options: ClassVar[type[Settings]] = BoostingOptions

    options: BoostingOptions = field(default_factory=BoostingOptions)

    def check(self) -> None:
        """Raise ConfigError where settings do not suit the components or the family."""
        settings, components = self.settings, self.options.components
        if settings.iterations < components:
            raise ConfigError(
                "'inference.iterations' are shared among the components and must be at least "
                f"'inference.method.options.components' = {components}, got "
                f"{settings.iterations}."
            )
        self.refuse("inference.stop", settings.stop, "every component has its own ELBO")
        self.check_family()

    @cached_property
    def mixture(self) -> Mixture:
        """The family of the result."""
        return Mixture(self.family, self.options.components)

    def phase(self, iteration: int) -> str:
        """Return the phase of the start, or "component 1", "component 2", ..."""
        t, local = self._place(iteration)
        if t == 0 and local < self.start.iterations:
            return self._inner(0, self.target).phase(local)
        return f"component {t + 1}"

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models of an iteration, with the candidates that a component tries."""
        t, local = self._place(iteration)
        found, candidates = super().evaluations(iteration), self.options.candidates
        if t > 0 and local == 0 and candidates > 1:
            return replace(found, whole=candidates)
        return found

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: one component around `mean` `(n,)`, room for the others."""
        first = self._inner(0, self.target).init(mean, sd)
        like, size = first.parameters[LOCATION], (self.options.components, self.options.stored)
        stored = {
            "theta": like.new_zeros(*size, self.family.n),
            "log_p": torch.full(size, torch.nan, dtype=torch.float64),
        }
        memory = {**first.memory, "stored": stored}
        return State(0, self.mixture.of_first(first.parameters), memory)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite; `state` can then be stepped again.
        """
        t, local = self._place(state.iteration)
        spent = SimulationCount()
        if t > 0 and local == 0:
            spent = self._begin(state.parameters, t)
        component = self.mixture.component(state.parameters, t)
        boosted = BoostedTarget(
            self.target, self.mixture, state.parameters, t, state.iteration - local
        )
        inner = self._inner(t, boosted)
        memory = {name: part for name, part in state.memory.items() if name != "stored"}
        moved, info = inner.step(State(local, component, memory))
        for name, value in moved.parameters.items():
            component[name].copy_(value)
        self._store(state, boosted, t, local)
        if moved.iteration == inner.n_iterations:
            for name, value in inner.fitted(moved).items():
                component[name].copy_(value)
            self._weigh(state, t)
        info = replace(
            info,
            iteration=state.iteration,
            phase=self.phase(state.iteration),
            log_prior=boosted.log_prior.numpy(),
            log_q=boosted.log_q.numpy() if t > 0 else info.log_q,
            count=spent + info.count,
        )
        memory = {**moved.memory, "stored": state.memory["stored"]}
        return State(state.iteration + 1, state.parameters, memory), info

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`.

        Draw `i` is the same however many are asked for at once.
        """
        draws = self._inner(0, self.target).draws
        return torch.stack(
            [
                self.mixture.sample(
                    state.parameters,
                    keyed_rng(self.seed, "component", i).random(),
                    draws.normal("posterior", i, 1)[0],
                )
                for i in range(first, first + n)
            ]
        )

    def log_prob(self, state: State, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` of the mixture at any `theta` `(S, n)`."""
        return self.mixture.log_prob(state.parameters, theta)

    def first_member(self, state: State) -> Parameters:
        """Return the parameters of the first component, sharing memory."""
        return self.mixture.component(state.parameters, 0)

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns, `(n,)` each, float64; of draws where unknown."""
        if isinstance(self.family, ClosedForm):
            return self.mixture.mean_and_sd(state.parameters)
        return super().moments(state)

    def _place(self, iteration: int) -> tuple[int, int]:
        """Return the component that an iteration works on, and how many it had before."""
        i = iteration - self.start.iterations
        size, n = self.options.components, self.settings.iterations
        # The last component with a first iteration at or before this one.
        t = max(0, ((min(i, n - 1) + 1) * size - 1) // n)
        return t, iteration if t == 0 else i - self._first(t)

    def _first(self, t: int) -> int:
        return t * self.settings.iterations // self.options.components

    def _inner(self, t: int, target: Target) -> VariationalInference:
        """Return the inference of one component; its draws are its own."""
        settings = self.settings.model_copy(
            update={
                "method": MethodSettings(),
                "iterations": self._first(t + 1) - self._first(t),
            }
        )
        seed = int(keyed_rng(self.seed, "boosting", t).integers(2**31)) if t else self.seed
        return VariationalInference(
            self.family, target, settings, StartSettings() if t else self.start, seed
        )

    def _begin(self, parameters: Parameters, t: int) -> SimulationCount:
        """Start a component; return what that cost."""
        start = ComponentStart(
            self.mixture,
            self.target,
            perturbation=self.options.perturbation,
            candidates=self.options.candidates,
            seed=self.seed,
        )
        return start.begin(parameters, t)

    def _store(self, state: State, boosted: BoostedTarget, t: int, local: int) -> None:
        """Keep the draws of a component's last iterations and their densities."""
        stored, size = state.memory["stored"], self.options.stored
        length = self._inner(t, self.target).n_iterations
        end = size - (length - 1 - local) * self.settings.samples
        if end <= 0 or (t == 0 and local < self.start.iterations):
            return
        first = max(0, end - len(boosted.theta))
        stored["theta"][t, first:end] = boosted.theta[-(end - first) :]
        stored["log_p"][t, first:end] = boosted.log_p[-(end - first) :]

    def _weigh(self, state: State, t: int) -> None:
        """Set the weights of components 0 to `t`."""
        weights = state.parameters[LOG_WEIGHTS]
        size = t + 1
        weights[:size] = -torch.log(torch.tensor(float(size), dtype=torch.float64))
        if self.options.weights == "equal" or t == 0:
            return
        theta, log_p = (state.memory["stored"][name][:size] for name in ("theta", "log_p"))
        log_g = torch.stack(
            [
                torch.stack(
                    [
                        self.family.log_prob(self.mixture.component(state.parameters, j), x)
                        for x in theta
                    ]
                )
                for j in range(size)
            ]
        )
        fitted = fit_weights(log_p.numpy(), log_g.double().numpy())
        weights[:size] = torch.from_numpy(fitted)
