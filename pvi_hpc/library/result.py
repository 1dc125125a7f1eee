"""A fitted posterior of any log density: draws, moments, ELBO, verdict, and its file."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.elbo import ElboEstimate, estimate_elbo
from pvi_hpc.inference.history import History
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import NoTarget, Target
from pvi_hpc.library.densities import Bounds
from pvi_hpc.library.frame import Coordinates, Frame
from pvi_hpc.library.settings import grid_of, points_of
from pvi_hpc.library.verdict import Verdict

__all__ = ["Fit"]

Array = NDArray[np.float64]

#: Draws for the moments of unknowns with bounds, which no family knows.
MOMENT_DRAWS: Final = 4000


@dataclass(frozen=True)
class Fit:
    """An approximate posterior of unknowns of any `shape`.

    Parameters
    ----------
    shape
        Shape of an array of the unknowns.
    settings, start, seed
        Settings, starting point and seed of the fit.
    state, history
        The result, and what happened in each iteration.
    target
        The density; None after `load_fit` without one.
    verdict
        Whether it has converged, and what is wrong with it; None for the state that was
        saved before an error.
    bounds
        Bounds of the unknowns; None: they have none.
    frame
        Centre and scales of the unknowns that `state` is of, without bounds; None: 0 and 1.
    evaluations
        Densities computed in all, for start and verdict too.
    """

    shape: tuple[int, ...]
    settings: InferenceSettings
    start: StartSettings
    seed: int
    state: State
    history: History
    target: Target | None = None
    verdict: Verdict | None = None
    bounds: Bounds | None = None
    frame: Frame | None = None
    evaluations: int = 0

    def __repr__(self) -> str:
        """Say in a line what was fitted, how, and whether it has converged."""
        shape = " x ".join(map(str, self.shape))
        how = f"{self.settings.method.kind}, {self.settings.family.kind}"
        done = {None: "no verdict", True: "converged", False: "not converged"}[self.converged]
        if self.verdict is not None and self.converged and self.verdict.reasons:
            done = "converged, but see 'verdict'"
        return f"<Fit of {shape} unknowns: {how}, {self.state.iteration} iterations, {done}>"

    @property
    def coordinates(self) -> Coordinates:
        """The maps between the unknowns and those of `state`."""
        return Coordinates(self.bounds, self.frame)

    @property
    def converged(self) -> bool | None:
        """True if nothing shows that the optimiser should go on; see `verdict`."""
        return None if self.verdict is None else self.verdict.converged

    @cached_property
    def method(self) -> Method:
        """The method that the settings name."""
        return _method(self.shape, self.settings, self.start, self.seed, self.target)

    def sample(self, n: int, first: int = 0) -> Array:
        """Return draws `first` to `first + n`, `(n, *shape)`, the same in each call.

        Raises
        ------
        ConfigError
            If `n` or `first` is negative.
        """
        if n < 0 or first < 0:
            raise ConfigError(f"'n' and 'first' must not be negative, got {n} and {first}.")
        if n == 0:
            return np.empty((0, *self.shape))
        theta = self.coordinates.given(self.method.sample(self.state, n, first).double())
        return theta.numpy().reshape(n, *self.shape)

    def log_prob(self, theta: ArrayLike) -> Array:
        """Return the log density `(S,)` of the approximation at `theta` `(S, *shape)`.

        Raises
        ------
        ConfigError
            If `theta` has another shape or leaves the bounds, or the method has no density.
        """
        points = points_of(theta, self.shape)
        found = self.method.log_prob(self.state, self.coordinates.fitted(points))
        if found is None:
            raise ConfigError(
                f"'method' must have a density, got '{self.settings.method.kind}', which has "
                "samples only; use 'sample'."
            )
        return np.asarray((found - self.coordinates.log_slope(points)).numpy())

    @property
    def mean(self) -> Array:
        """Mean of the unknowns, `shape`; exact where the family knows it and has no bounds."""
        return self._moments[0]

    @property
    def sd(self) -> Array:
        """Standard deviations of the unknowns, `shape`; exact where `mean` is."""
        return self._moments[1]

    def elbo(self, n: int = 1000) -> ElboEstimate:
        """Estimate the ELBO from `n` fresh draws.

        Raises
        ------
        ConfigError
            If the method has no density, or the fit was loaded without its `log_prob`.
        """
        if self.target is None:
            raise ConfigError("An ELBO needs the target: give 'log_prob' to 'load_fit'.")
        return estimate_elbo(self.method, self.state, self.target, n)

    def to_arviz(self, n: int = 1000, name: str = "theta") -> Any:
        """Return `n` draws as `arviz.InferenceData`, one chain of an unknown `name`."""
        import arviz  # slow to import, and needed by few

        return arviz.from_dict(posterior={name: self.sample(n)[None]})

    def save(self, path: str | Path) -> None:
        """Write everything but the target to an HDF5 file, atomically."""
        from pvi_hpc.library.fit_file import save_fit

        save_fit(self, path)

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        if self.bounds is not None:
            draws = self.sample(MOMENT_DRAWS)
            return draws.mean(axis=0), draws.std(axis=0, ddof=1)
        mean, sd = self.method.moments(self.state)
        if self.frame is not None:
            mean, sd = self.frame.centre + self.frame.scale * mean, self.frame.scale * sd
        return mean.numpy().reshape(self.shape), sd.numpy().reshape(self.shape)


def _method(
    shape: tuple[int, ...],
    settings: InferenceSettings,
    start: StartSettings,
    seed: int,
    target: Target | None,
) -> Method:
    family = load_family(settings.family, grid_of(shape))
    return load_method(family, target or NoTarget(), settings, start, seed)
