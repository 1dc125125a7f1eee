"""Variational inference on any log density: from a function to a fitted posterior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.elbo import ElboEstimate, estimate_elbo
from pvi_hpc.inference.history import History
from pvi_hpc.inference.log_prob_target import LogProb, LogProbTarget
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.starts.given_curvature import Curvature, Products
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import NoTarget, Target
from pvi_hpc.library.settings import inference_of, mean_of, shape_of, start_of
from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.checkpoint_file import read_checkpoint, write_checkpoint

__all__ = ["Fit", "fit", "load_fit"]

Array = NDArray[np.float64]

FILE_KIND: Final = "pvi_hpc fit"


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
    """

    shape: tuple[int, ...]
    settings: InferenceSettings
    start: StartSettings
    seed: int
    state: State
    history: History
    target: Target | None = None

    @cached_property
    def method(self) -> Method:
        """The method that the settings name."""
        return _method(self.shape, self.settings, self.start, self.seed, self.target)

    def sample(self, n: int, first: int = 0) -> Array:
        """Return draws `first` to `first + n`, `(n, *shape)`, the same in each call."""
        theta = self.method.sample(self.state, n, first)
        return theta.double().numpy().reshape(n, *self.shape)

    def log_prob(self, theta: ArrayLike) -> Array:
        """Return the log density `(S,)` of the approximation at `theta` `(S, *shape)`.

        Raises
        ------
        ConfigError
            If the method has no density.
        """
        flat = np.asarray(theta, dtype=np.float64).reshape(-1, prod(self.shape))
        found = self.method.log_prob(self.state, torch.from_numpy(flat))
        if found is None:
            raise ConfigError(
                f"'method' must have a density, got '{self.settings.method.kind}', which has "
                "samples only; use 'sample'."
            )
        return np.asarray(found.numpy())

    @property
    def mean(self) -> Array:
        """Mean of the unknowns, `shape`; exact where the family knows it."""
        return self._moments[0]

    @property
    def sd(self) -> Array:
        """Standard deviations of the unknowns, `shape`; exact where the family knows them."""
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
        }
        with atomic_path(Path(path)) as temporary:
            write_checkpoint(temporary, tree, FILE_KIND, 0)

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        mean, sd = self.method.moments(self.state)
        return mean.numpy().reshape(self.shape), sd.numpy().reshape(self.shape)


def fit(
    log_prob: LogProb,
    n: int | Sequence[int],
    *,
    mean: ArrayLike | None = None,
    start: StartSettings | Mapping[str, Any] | None = None,
    precision: ArrayLike | Literal["double", "single"] | None = None,
    hvp: Products | Literal["autograd"] | None = None,
    seed: int = 1,
    path: str | Path | None = None,
    **settings: Any,
) -> Fit:
    """Approximate the distribution with a given log density.

    Parameters
    ----------
    log_prob
        Takes `theta` `(S, n)` float64, returns the log density `(S,)` up to a constant,
        differentiable by torch.
    n
        Number of unknowns, or their shape, up to `(nz, ny, nx)`: then `theta` is flattened, x
        fastest, and families of neighbourhoods know who the neighbours are.
    mean
        Starting point, `n` numbers; None: zero.
    start
        Settings of `start` as in a configuration. None: sd 1, 15 iterations of L-BFGS, then sds
        from the curvature there.
    precision
        The curvature, where it is known: the precision `(n, n)` of a Gaussian near the
        posterior. The family then starts at what is best for it, in the place of `hessian`. A
        word is the setting of that name: `double` or `single`, of the variational parameters.
    hvp
        Or products with it: a function of `theta` `(n,)` and rows `(S, n)` that returns the
        precision at `theta` times each row, negative Hessian or Gauss-Newton part and prior;
        "autograd": by differentiating `log_prob` twice. As many are taken as the family can
        use: see `docs/theory/gaussian-families.md`.
    seed
        Seed of all random numbers: the same seed gives the same bits.
    path
        File for the result; also written where `log_prob` turns out not to be finite.
    **settings
        As in the section `inference` of a configuration: `iterations`, `samples`,
        `optimiser`, ...; `family` and `method` by name or with options.

    Raises
    ------
    ConfigError
        If a setting is unknown or impossible, or `log_prob` returns something else.
    NonFiniteError
        If `log_prob` or its gradient is not finite, at the iteration where that happens.

    Examples
    --------
    >>> posterior = fit(lambda x: -0.5 * ((x - 3) / 2).square().sum(dim=1), 4, seed=1)
    >>> bool(abs(posterior.mean - 3).max() < 0.1 and abs(posterior.sd - 2).max() < 0.1)
    True
    """
    shape = shape_of(n)
    if isinstance(precision, str):
        settings, precision = {**settings, "precision": precision}, None
    inference, begin = inference_of(settings), start_of(start)
    target = LogProbTarget(log_prob)
    family = load_family(inference.family, _grid(shape))
    curvature = Curvature.of(family, seed, precision, hvp, log_prob)
    if curvature is not None:
        begin = begin.model_copy(update={"hessian": None})
    method = load_method(family, target, inference, begin, seed)
    if curvature is not None:
        curvature.check(method)
    state, history = method.init(mean_of(mean, shape), begin.sd), History()
    result = Fit(shape, inference, begin, seed, state, history, target)
    try:
        while not (state.converged or state.iteration >= method.n_iterations):
            if curvature is not None and state.iteration == begin.iterations:
                curvature.start(method, state)
            state, info = method.step(state)
            history = history.append(info)
            result = replace(result, state=state, history=history)
    except NonFiniteError as error:
        if path is not None:
            result.save(path)
            error.add_note(f"The state before that iteration is in '{path}'.")
        raise
    if path is not None:
        result.save(path)
    return result


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
    return Fit(
        tuple(int(k) for k in tree["shape"]),
        InferenceSettings.model_validate_json(tree["settings"]),
        StartSettings.model_validate_json(tree["start"]),
        tree["seed"],
        State.from_tree(tree["state"]),
        History.from_tree(tree["history"]),
        None if log_prob is None else LogProbTarget(log_prob),
    )


def _method(
    shape: tuple[int, ...],
    settings: InferenceSettings,
    start: StartSettings,
    seed: int,
    target: Target | None,
) -> Method:
    family = load_family(settings.family, _grid(shape))
    return load_method(family, target or NoTarget(), settings, start, seed)


def _grid(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return all cells of a grid `(nz, ny, nx)` of unknowns of that shape."""
    return np.ones((1,) * (3 - len(shape)) + shape, bool)
