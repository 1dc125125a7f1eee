"""What every method here is made of: a family, a target, and settings that suit them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

from pvi_hpc.config.inference import Inference, Start
from pvi_hpc.families.family import Family
from pvi_hpc.inference.target import Target

__all__ = ["ConfiguredMethod"]


@dataclass(frozen=True)
class ConfiguredMethod(ABC):
    """Base of methods; `check` is called on what comes from a configuration.

    Parameters
    ----------
    family, target
        The distribution and the density that it approaches; of the family particles need the
        number of unknowns alone.
    settings
        Samples, estimator, optimiser and number of iterations.
    start
        The iterations before them.
    seed
        Of all draws.
    """

    family: Family
    target: Target
    settings: Inference
    start: Start = field(default_factory=Start)
    seed: int = 1

    @classmethod
    def from_settings(
        cls, family: Family, target: Target, settings: Inference, start: Start, seed: int
    ) -> Self:
        """Return the method of a configuration; ConfigError as `check`."""
        method = cls(family, target, settings, start, seed)
        method.check()
        return method

    @abstractmethod
    def check(self) -> None:
        """Raise ConfigError where an option is impossible, or settings do not suit."""

    @property
    def n_iterations(self) -> int:
        """Iterations of the start and of the inference."""
        return self.start.iterations + self.settings.iterations
