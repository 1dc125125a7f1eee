"""Protocol of every method of inference, and the search for a method by name."""

from typing import Protocol, Self

from torch import Tensor

from pvi_hpc.families.family import Family
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.plugins import load_plugin

__all__ = ["Method", "load_method"]


class Method(Protocol):
    """Turns a state into the next; all memory is in the state, all draws are keyed."""

    @classmethod
    def from_settings(
        cls,
        family: Family,
        target: Target,
        settings: InferenceSettings,
        start: StartSettings,
        seed: int,
    ) -> Self:
        """Return the method of a configuration; particles need no `family`.

        ConfigError if an option of `settings.method.options` is unknown or impossible.
        """
        ...

    @property
    def n_iterations(self) -> int:
        """Number of iterations of all phases, `start.iterations + settings.iterations`."""
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


def load_method(
    family: Family, target: Target, settings: InferenceSettings, start: StartSettings, seed: int
) -> Method:
    """Return the method that `settings.method` names.

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.methods` has that name, or an option is wrong.
    """
    plugin = load_plugin("pvi_hpc.methods", settings.method.kind, "inference.method.kind")
    method: Method = plugin.from_settings(family, target, settings, start, seed)
    return method
