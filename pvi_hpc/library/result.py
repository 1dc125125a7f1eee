"""A fitted posterior of any log density: draws, moments, ELBO, verdict, and its file."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.elbo import ElboEstimate, estimate_elbo
from pvi_hpc.inference.history import History
from pvi_hpc.inference.log_prob_target import LogProb, LogProbTarget
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import NoTarget, Target
from pvi_hpc.library.densities import Bounds
from pvi_hpc.library.settings import grid_of, points_of
from pvi_hpc.library.verdict import Verdict
from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.checkpoint_file import read_checkpoint, write_checkpoint

__all__ = ["Fit", "load_fit"]

Array = NDArray[np.float64]

FILE_KIND: Final = "pvi_hpc fit"
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
        theta = self.method.sample(self.state, n, first).double()
        if self.bounds is not None:
            theta = self.bounds.inside(theta)
        return theta.numpy().reshape(n, *self.shape)

    def log_prob(self, theta: ArrayLike) -> Array:
        """Return the log density `(S,)` of the approximation at `theta` `(S, *shape)`.

        Raises
        ------
        ConfigError
            If `theta` has another shape or leaves the bounds, or the method has no density.
        """
        points = points_of(theta, self.shape)
        free = points if self.bounds is None else self.bounds.outside(points)
        found = self.method.log_prob(self.state, free)
        if found is None:
            raise ConfigError(
                f"'method' must have a density, got '{self.settings.method.kind}', which has "
                "samples only; use 'sample'."
            )
        if self.bounds is not None:
            found = found - self.bounds.log_slope(free)
        return np.asarray(found.numpy())

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

    def save(self, path: str | Path) -> None:
        """Write everything but the target to an HDF5 file, atomically."""
        tree = {
            "settings": self.settings.model_dump_json(),
            "start": self.start.model_dump_json(),
            "seed": self.seed,
            "shape": np.array(self.shape),
            "state": self.state.to_tree(),
            "history": self.history.to_tree(),
            "verdict": json.dumps(None if self.verdict is None else asdict(self.verdict)),
        }
        if self.bounds is not None:
            tree |= {"lower": self.bounds.lower.numpy(), "upper": self.bounds.upper.numpy()}
        with atomic_path(Path(path)) as temporary:
            write_checkpoint(temporary, tree, FILE_KIND, 0)

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        if self.bounds is not None:
            draws = self.sample(MOMENT_DRAWS)
            return draws.mean(axis=0), draws.std(axis=0, ddof=1)
        mean, sd = self.method.moments(self.state)
        return mean.numpy().reshape(self.shape), sd.numpy().reshape(self.shape)


def load_fit(path: str | Path, log_prob: LogProb | None = None) -> Fit:
    """Return what `Fit.save` wrote; `log_prob` is needed only for `Fit.elbo`.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not that of a fit.
    """
    kind, tree = read_checkpoint(Path(path), 0)
    if kind != FILE_KIND:
        raise ConfigError(f"'{path}' must have been written by 'Fit.save', got a '{kind}'.")
    verdict = json.loads(tree.get("verdict", "null"))  # none in files of older versions
    limits = None
    if "lower" in tree:
        limits = Bounds(torch.from_numpy(tree["lower"]), torch.from_numpy(tree["upper"]))
    density = log_prob if log_prob is None or limits is None else limits.density(log_prob)
    return Fit(
        tuple(int(k) for k in tree["shape"]),
        InferenceSettings.model_validate_json(tree["settings"]),
        StartSettings.model_validate_json(tree["start"]),
        tree["seed"],
        State.from_tree(tree["state"]),
        History.from_tree(tree["history"]),
        None if density is None else LogProbTarget(density),
        None
        if verdict is None
        else Verdict(**{**verdict, "reasons": tuple(verdict["reasons"])}),
        limits,
    )


def _method(
    shape: tuple[int, ...],
    settings: InferenceSettings,
    start: StartSettings,
    seed: int,
    target: Target | None,
) -> Method:
    family = load_family(settings.family, grid_of(shape))
    return load_method(family, target or NoTarget(), settings, start, seed)
