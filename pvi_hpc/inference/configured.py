"""Parts of every method here: a family, a target, and settings that suit them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import FixedFactor, NaturalGradient
from pvi_hpc.families.family import Family
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.starts.hessian_start import probes_of
from pvi_hpc.inference.starts.newton_step import check_newton
from pvi_hpc.inference.starts.noise_start import check_noise, noise_evaluations
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.petsc import has_petsc, load_petsc
from pvi_hpc.plugins import NoOptions, Settings

__all__ = ["DRAWS", "ConfiguredMethod"]

#: Draws that estimate moments which no formula gives.
DRAWS: Final = 2000


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
        Seed of all draws.
    options
        Options of the method, an instance of its `Options`.
    """

    Options: ClassVar[type[Settings]] = NoOptions

    family: Family
    target: Target
    settings: InferenceSettings
    start: StartSettings = field(default_factory=StartSettings)
    seed: int = 1
    options: Settings = field(default_factory=NoOptions)

    @classmethod
    def from_settings(
        cls,
        family: Family,
        target: Target,
        settings: InferenceSettings,
        start: StartSettings,
        seed: int,
        options: Settings,
    ) -> Self:
        """Return the method of a configuration; ConfigError as `check`."""
        method = cls(family, target, settings, start, seed, options)
        method.check()
        return method

    @abstractmethod
    def check(self) -> None:
        """Raise ConfigError where options or settings do not suit each other or the family."""

    @property
    def n_iterations(self) -> int:
        """Iterations of the start and of the inference."""
        return self.start.iterations + self.settings.iterations

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models of an iteration: of the start, or `settings.samples`."""
        start = self.start
        if iteration < start.map_iterations and start.map_optimiser != "lbfgs":
            return (
                Evaluations(minibatch=1) if start.map_shots is None else Evaluations(strata=1)
            )
        if start.to_map <= iteration < start.to_curvature:
            assert start.hessian is not None  # there is no other start after the MAP phase
            if start.hessian.kind == "noise":
                return noise_evaluations(self.family, start.hessian, iteration - start.to_map)
        if start.preconditioner is not None and iteration == start.to_polish - 1:
            return Evaluations(whole=1, sent_back=start.preconditioner.draws - 1)
        # L-BFGS, the differences of gradients and the Newton step take all shots.
        if iteration < start.iterations:
            return Evaluations(whole=1)
        return Evaluations(minibatch=self.settings.samples)

    @abstractmethod
    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`."""

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns, `(n,)` each, float64, from 2000 draws."""
        draws = self.sample(state, DRAWS).double()
        return draws.mean(dim=0), draws.std(dim=0)

    def check_family(self) -> None:
        """Raise ConfigError where optimiser or start ask for what the family has not."""
        natural = isinstance(self.family, NaturalGradient)
        if self.settings.optimiser.kind == "natural" and not natural:
            raise ConfigError(
                "'inference.optimiser.kind: natural' needs a family that knows its Fisher "
                f"information, got '{self.settings.family.kind}'; choose 'adam'."
            )
        if isinstance(self.family, FixedFactor):
            self._check_fixed()
        if self.start.lbfgs != "own" and not has_petsc():
            load_petsc(f"'start.lbfgs: {self.start.lbfgs}'")  # which says what to do
        if self.start.hessian is not None:
            if self.start.hessian.kind == "noise":
                check_noise(self.family, self.start.hessian)
            else:
                probes_of(self.family, self.start.hessian, self.seed)  # refuses impossible ones
        if self.start.newton:
            check_newton(self.family)

    def _check_fixed(self) -> None:
        """Raise ConfigError where nothing sets a factor that gradients do not move."""
        kind, hessian, optimiser = (
            self.settings.family.kind, self.start.hessian, self.settings.optimiser.kind,
        )  # fmt: skip
        if hessian is None or hessian.kind != "noise":
            given = "null" if hessian is None else f"'{hessian.kind}'"
            raise ConfigError(
                f"'start.hessian.kind' must be 'noise' for the family '{kind}', whose "
                f"covariance is made of gradients of noise, got {given}; give 'start.hessian: "
                "{kind: noise, sweeps: 1, draws: 24}'."
            )
        if self.settings.iterations and optimiser != "natural":
            raise ConfigError(
                "'inference.optimiser.kind' must be 'natural', or 'inference.iterations' 0, "
                f"for the family '{kind}', of which gradients move the mean alone, got "
                f"'{optimiser}' with {self.settings.iterations} iterations."
            )

    def refuse(self, setting: str, given: object, why: str) -> None:
        """Raise ConfigError if a `setting` that the method has no use for is `given`."""
        if given is not None:
            raise ConfigError(
                f"'{setting}' must be null with 'inference.method.kind: "
                f"{self.settings.method.kind}', got {given}; remove it: {why}."
            )
