"""Variational inference on any log density: from a function to a fitted posterior."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike

from pvi_hpc.inference.log_prob_target import LogProb
from pvi_hpc.inference.settings import StartSettings
from pvi_hpc.inference.starts.given_curvature import Products
from pvi_hpc.library.begin import Given, begin
from pvi_hpc.library.progress import Progress, progress_of
from pvi_hpc.library.result import Fit
from pvi_hpc.library.run import resumed, run
from pvi_hpc.library.settings import seed_of, shape_of, target_file

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
    resume: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> Fit:
    """Approximate the distribution with a given log density.

    Parameters
    ----------
    log_prob
        Takes `theta` `(S, n)` float64, returns the log density `(S,)` up to a constant,
        differentiable by torch; `pvi_hpc.numpy_log_prob` makes one of a NumPy function that
        knows its gradient. Their units do not matter where `start` is None.
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
        Settings of `start` as in a configuration. None: L-BFGS with a line search, then the
        Gaussian of largest ELBO among those of the curvature along its path and of Newton's
        method at its ends; the fit works in units of the sds found.
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
        File for the result, in a folder that exists. It is also written every minute, and where
        the fit is interrupted or `log_prob` fails.
    resume
        True: go on from the file at `path`, if there is one, to the same bits as without the
        interruption. A fit that is complete is returned as it is.
    progress
        True: a line on standard error; or a function that is called after each iteration with
        its `Info` and the number of iterations.
    **settings
        As in the section `inference` of a configuration: `iterations`, `samples`,
        `optimiser`, ...; `family` and `method` by name or with options. Up to 100 unknowns
        the family is `full_rank` and the method `fixed_draws` where they are not named, unless
        `samples`, `optimiser`, `estimator` or `stop` speak of `vi`; else mean field and `vi`.

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
        cover the posterior: see `Fit.verdict`.

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
    given = Given(log_prob, shape, seed, mean, bounds, start, precision, hvp, settings)
    # The caller may have switched gradients off: here they are needed.
    with torch.inference_mode(False), torch.enable_grad():
        result, curvature = resumed(given, file) if resume else None, None
        if result is None:
            result, curvature = begin(given)
        elif result.verdict is not None:
            return result
        result = run(result, curvature, file, progress_of(progress))
    if result.verdict is not None:
        result.verdict.warn()
    return result
