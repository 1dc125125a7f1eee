"""Variational inference on any log density: from a function to a fitted posterior."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.history import History
from pvi_hpc.inference.log_prob_target import LogProb, LogProbTarget
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.settings import StartSettings
from pvi_hpc.inference.starts.given_curvature import Curvature, Products
from pvi_hpc.library.densities import Bounds, refuse_bounded_curvature
from pvi_hpc.library.result import Fit
from pvi_hpc.library.settings import (
    grid_of,
    inference_of,
    mean_of,
    seed_of,
    shape_of,
    start_of,
    target_file,
)
from pvi_hpc.library.verdict import judge

__all__ = ["fit"]


def fit(
    log_prob: LogProb,
    n: int | Sequence[int],
    *,
    mean: ArrayLike | None = None,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
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
        differentiable by torch; `pvi_hpc.numpy_log_prob` makes one of a NumPy function that
        knows its gradient. Unknowns whose posterior sds are near 1 are fitted best.
    n
        Number of unknowns, or their shape, up to `(nz, ny, nx)`: then `theta` is flattened, x
        fastest, and families of neighbourhoods know who the neighbours are.
    mean
        Starting point, `n` numbers; None: zero, or the middle of `bounds`.
    bounds
        Lower and upper bound, each a number or an array of the shape of the unknowns, with
        infinities where there is none: `(0, inf)` keeps them positive. The fit is then one of
        unbounded unknowns, with the change of volume in the density.
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
        File for the result, in a folder that exists; also written where `log_prob` turns out
        not to be finite.
    **settings
        As in the section `inference` of a configuration: `iterations`, `samples`,
        `optimiser`, ...; `family` and `method` by name or with options.

    Raises
    ------
    ConfigError
        If a setting is unknown or impossible, no file can be made at `path`, or `log_prob`
        returns something else.
    NonFiniteError
        If `log_prob` or its gradient is not finite, at the iteration where that happens.

    Warns
    -----
    ConvergenceWarning
        If draws of the result show that it has not converged, or that the family does not
        cover the posterior: see `Fit.verdict`. That costs 25 to 100 evaluations more.

    Examples
    --------
    >>> posterior = fit(lambda x: -0.5 * ((x - 3) / 2).square().sum(dim=1), 4, seed=1)
    >>> bool(abs(posterior.mean - 3).max() < 0.1 and abs(posterior.sd - 2).max() < 0.1)
    True
    """
    shape, seed = shape_of(n), seed_of(seed)
    file = None if path is None else target_file(path)
    if isinstance(precision, str):
        settings, precision = {**settings, "precision": precision}, None
    inference, begin = inference_of(settings), start_of(start)
    limits = None if bounds is None else Bounds.of(bounds, shape)
    refuse_bounded_curvature(limits, precision, hvp)
    density = log_prob if limits is None else limits.density(log_prob)
    target, first = LogProbTarget(density), mean_of(mean, shape)
    if limits is not None and mean is not None:
        first = limits.outside(first[None])[0]
    # The caller may have switched gradients off: here they are needed.
    with torch.inference_mode(False), torch.enable_grad():
        family = load_family(inference.family, grid_of(shape))
        curvature = Curvature.of(family, seed, precision, hvp, density)
        if curvature is not None:
            begin = begin.model_copy(update={"hessian": None})
        method = load_method(family, target, inference, begin, seed)
        if curvature is not None:
            curvature.check(method)
        state = method.init(first, begin.sd)
        result = Fit(shape, inference, begin, seed, state, History(), target, bounds=limits)
        result = _iterate(result, method, curvature, file)
        cost = int(result.history.arrays["done"].sum())
        result = replace(result, verdict=judge(method, result.state, target, cost))
    if file is not None:
        _save(result, file)
    if result.verdict is not None:
        result.verdict.warn()
    return result


def _iterate(
    result: Fit, method: Method, curvature: Curvature | None, file: Path | None
) -> Fit:
    """Return the fit after all iterations; what there is goes to `file` on an error."""
    state, history = result.state, result.history
    try:
        while not (state.converged or state.iteration >= method.n_iterations):
            if curvature is not None and state.iteration == result.start.iterations:
                curvature.start(method, state)
            state, info = method.step(state)
            history = history.append(info)
            result = replace(result, state=state, history=history)
    except NonFiniteError as error:
        if file is not None:
            _save(result, file)
            error.add_note(f"The state before that iteration is in '{file}'.")
        raise
    return result


def _save(result: Fit, file: Path) -> None:
    """Save a fit, which must not be lost where the disk has become full meanwhile."""
    try:
        result.save(file)
    except OSError as error:
        warnings.warn(
            f"The fit could not be saved ({error}); it is returned all the same: save it "
            "elsewhere with 'save'.",
            stacklevel=3,
        )
