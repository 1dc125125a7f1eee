"""Protocol of every method of inference, and the search for a method by name."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.plugins import Settings, load_choice

__all__ = ["Evaluations", "FitsFamily", "Method", "StartsFamily", "WeighsDraws", "load_method"]


@dataclass(frozen=True)
class Evaluations:
    """Number of models whose density an iteration evaluates.

    `minibatch` of them are compared with `inference.shots_per_sample` shots, where the settings
    ask for fewer than all; `whole` with all shots whatever the settings; `strata` with
    `start.map_shots`. In `sent_back` more simulations of every shot nothing but noise is sent
    back: an adjoint run each of a stored forward run.
    """

    minibatch: int = 0
    whole: int = 0
    strata: int = 0
    sent_back: int = 0


class Method(Protocol):
    """Turns a state into the next; all memory is in the state, all draws are keyed."""

    #: Model of the options that `from_settings` is given; `NoOptions` where there are none.
    Options: ClassVar[type[Settings]]

    @classmethod
    def from_settings(
        cls,
        family: Family,
        target: Target,
        settings: InferenceSettings,
        start: StartSettings,
        seed: int,
        options: Any,
    ) -> Self:
        """Return the method of a configuration; particles need no `family`.

        `options` is an `Options`, each checked on its own. ConfigError where they, or other
        settings, do not suit each other or the family.
        """
        ...

    @property
    def n_iterations(self) -> int:
        """Number of iterations of all phases, `start.iterations + settings.iterations`."""
        ...

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models that an iteration evaluates, before it is run; see `pvi check`."""
        ...

    def phase(self, iteration: int) -> str:
        """Return the phase that an iteration belongs to, a word for people."""
        ...

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state, around `mean` `(n,)` with one sd."""
        ...

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; may change the tensors of `state` in place: use what is returned.

        NonFiniteError if a log density or gradient is not finite; `state` is then unchanged.
        """
        ...

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`.

        Draw `i` is the same however many are asked for at once.
        """
        ...

    def log_prob(self, state: State, theta: Tensor) -> Tensor | None:
        """Return the log density `(S,)` of what `sample` draws from at any `theta` `(S, n)`.

        None for a method that has draws but no density.
        """
        ...

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns, `(n,)` each, float64; exact where they can be."""
        ...


@runtime_checkable
class FitsFamily(Protocol):
    """Capability of a method whose result is one member of its family."""

    @property
    def family(self) -> Family:
        """Family that is fitted."""
        ...

    def fitted(self, state: State) -> Parameters:
        """Return the parameters of the result."""
        ...


@runtime_checkable
class StartsFamily(Protocol):
    """Capability of a method whose state holds members of its family."""

    def first_member(self, state: State) -> Parameters:
        """Return the parameters of the member that the start sets, sharing memory."""
        ...


@runtime_checkable
class WeighsDraws(Protocol):
    """Capability of a method whose draws have importance weights."""

    def k_hat(self, state: State) -> float | None:
        """Return Pareto k-hat of the weights; None where there are none."""
        ...


def load_method(
    family: Family, target: Target, settings: InferenceSettings, start: StartSettings, seed: int
) -> Method:
    """Return the method that `settings.method` names.

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.methods` has that name, or an option is wrong.
    """
    plugin, options = load_choice(settings.method, "inference.method")
    method: Method = plugin.from_settings(family, target, settings, start, seed, options)
    return method
