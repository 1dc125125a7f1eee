"""Samples, mean, sd and quantiles of a fitted distribution, written to the run's files."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.inference.method import FitsFamily, Method
from pvi_hpc.inference.state import State
from pvi_hpc.problem.forward import true_model
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.segment import Fitted
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, write_posterior
from pvi_hpc.store.samples import iter_samples, write_samples
from pvi_hpc.store.vtkhdf import summary_fields, write_vtkhdf

__all__ = ["write_models", "write_posterior_files"]

#: Bytes of samples held in memory for the quantiles of a slab of depths.
SLAB_BYTES = 256 * 2**20

Array = NDArray[np.float32]


def write_posterior_files(problem: Problem, fitted: Fitted, paths: RunPaths) -> None:
    """Draw the samples and write them, what they say of each cell, and ParaView's file."""
    run = problem.run
    n = run.posterior.samples
    method, state = problem.method(None), fitted.progress.state
    attributes = {
        "run": run.name,
        "method": run.inference.method.kind,
        **fitted.id.attributes(),
    }
    if isinstance(method, FitsFamily):
        attributes["family"] = run.inference.family.kind
    write_models(problem, _draws(problem, method, state, n), paths, attributes)


def write_models(
    problem: Problem, models: Iterator[Array], paths: RunPaths, attributes: dict[str, str]
) -> None:
    """Write `posterior.samples` models `(nz, ny, nx)` [m/s] and what they say of each cell."""
    run, grid = problem.run, problem.run.grid.grid
    n = run.posterior.samples
    write_samples(paths.samples, grid, models, n, attributes)
    mean, sd, quantiles = _statistics(paths, grid.shape, n, run.posterior.quantiles)
    prior, expand = problem.model_map.prior, problem.model_map.expand
    start = problem.model_map.start
    truth = true_model(run)
    summary = PosteriorSummary(
        grid=grid,
        mean=mean,
        sd=sd,
        quantiles=quantiles,
        prior_mean=expand(prior.mean, start).astype(np.float32),
        prior_sd=expand(prior.sd, 0.0).astype(np.float32),
        prior_lower=expand(prior.lower, start).astype(np.float32),
        prior_upper=expand(prior.upper, start).astype(np.float32),
        start=start.astype(np.float32),
        fixed=~problem.model_map.active,
        true=truth,
        attributes={**attributes, "samples": str(n)},
    )
    write_posterior(summary, paths.posterior)
    write_vtkhdf(paths.vtk, grid, summary_fields(summary), attributes)


def _draws(problem: Problem, method: Method, state: State, n: int) -> Iterator[Array]:
    for i in range(n):
        theta = method.sample(state, 1, first=i)
        yield problem.models(theta)[0]


def _statistics(
    paths: RunPaths, shape: tuple[int, int, int], n: int, levels: tuple[float, ...]
) -> tuple[Array, Array, dict[float, Array]]:
    mean, sd = np.empty(shape, np.float32), np.empty(shape, np.float32)
    quantiles = {q: np.empty(shape, np.float32) for q in levels}
    depths = max(1, SLAB_BYTES // (4 * n * shape[1] * shape[2]))
    for top in range(0, shape[0], depths):
        part = slice(top, top + depths)
        slab = np.stack(list(iter_samples(paths.samples, depths=part)))
        mean[part] = slab.mean(axis=0, dtype=np.float64)
        sd[part] = slab.std(axis=0, dtype=np.float64, ddof=1)
        for q, values in zip(levels, np.quantile(slab, levels, axis=0), strict=True):
            quantiles[q][part] = values
    return mean, sd, quantiles
