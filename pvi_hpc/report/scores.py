"""Scores of a posterior: its fit to the data and, where it is known, to the true model."""

from collections.abc import Mapping
from math import isclose, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pvi_hpc.store.posterior_file import PosteriorSummary
from pvi_hpc.store.predictive_file import Predictive

__all__ = ["central_interval", "coverage", "scores"]

Array = NDArray[np.floating]


def scores(
    summary: PosteriorSummary, predictive: Predictive | None, facts: Mapping[str, Any]
) -> dict[str, float]:
    """Return the scores of a run; those that need a file it lacks are left out.

    All of the model scores are taken over the active (not fixed) cells:
    `correlation_*` with the true model, `anomaly_correlation_*` the same after the true
    model's mean at each depth was taken off both (a 1D gradient scores nothing there),
    `rms_*` errors [m/s], `coverage_50` and `coverage_90`, `sd_ratio`, the mean of posterior
    over prior sd. `chi_squared_*` are reduced; `chi_squared_spread` is the sd that pure noise
    would give them. `k_hat_worst` is the largest Pareto k-hat of `k_hat_blocks` blocks.
    """
    found = {
        "n_active": float(summary_size(summary)),
        "sd_ratio": _mean_sd_ratio(summary),
    }
    if summary.true is not None:
        found |= _model_scores(summary, summary.true)
    if predictive is not None and predictive.of_data:
        found |= _data_scores(predictive)
    if k_hats := facts.get("k_hat"):
        found["k_hat_blocks"], found["k_hat_worst"] = len(k_hats), max(k_hats.values())
    for name in ("elbo", "elbo_se"):
        if facts.get(name) is not None:
            found[name] = float(facts[name])
    return found


def central_interval(summary: PosteriorSummary, p: float) -> tuple[Array, Array]:
    """Return the bounds `(nz, ny, nx)` [m/s] of the central interval of probability `p`.

    From the quantiles if they are there, else of a Gaussian with the mean and the sd.
    """
    bounds = []
    for q in ((1 - p) / 2, (1 + p) / 2):
        stored = [v for k, v in summary.quantiles.items() if isclose(k, q, abs_tol=1e-6)]
        gaussian = summary.mean + np.float32(ndtri(q)) * summary.sd
        bounds.append(stored[0] if stored else gaussian)
    return bounds[0], bounds[1]


def coverage(summary: PosteriorSummary, p: float) -> float:
    """Return the fraction of active cells whose true value lies in the central interval.

    A calibrated posterior gives `p`; nan without a true model.
    """
    if summary.true is None:
        return nan
    lower, upper = central_interval(summary, p)
    inside = (summary.true >= lower) & (summary.true <= upper)
    return float(inside[summary.active].mean())


def summary_size(summary: PosteriorSummary) -> int:
    """Return the number of active cells."""
    return int(summary.active.sum())


def _mean_sd_ratio(summary: PosteriorSummary) -> float:
    spread = summary.active & (summary.prior_sd > 0)
    return (
        float((summary.sd[spread] / summary.prior_sd[spread]).mean()) if spread.any() else nan
    )


def _model_scores(summary: PosteriorSummary, true: Array) -> dict[str, float]:
    active = summary.active
    background = _depth_mean(true, active)
    found = {"coverage_50": coverage(summary, 0.5), "coverage_90": coverage(summary, 0.9)}
    for name in ("start", "prior_mean", "mean"):
        model = getattr(summary, name)
        error = (model - true)[active]
        found[f"rms_{name}"] = sqrt(float(np.mean(np.square(error, dtype=np.float64))))
        found[f"correlation_{name}"] = _correlation(model[active], true[active])
        anomaly = (model - background)[active]
        found[f"anomaly_correlation_{name}"] = _correlation(
            anomaly, (true - background)[active]
        )
    return found


def _data_scores(predictive: Predictive) -> dict[str, float]:
    misfits = predictive.misfits
    found = {
        "chi_squared_start": float(misfits.total("start")),
        "chi_squared_mean": float(misfits.total("mean")),
        "chi_squared_spread": misfits.spread,
    }
    draws = misfits.total("draws")
    if draws.size:
        found["chi_squared_draws_min"] = float(draws.min())
        found["chi_squared_draws"] = float(draws.mean())
        found["chi_squared_draws_max"] = float(draws.max())
        found["p_value"] = misfits.p_value
    return found


def _depth_mean(model: Array, active: NDArray[np.bool_]) -> Array:
    weight = active.sum(axis=(1, 2), keepdims=True)
    total = np.where(active, model, 0).sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return np.asarray(total / np.maximum(weight, 1))


def _correlation(a: Array, b: Array) -> float:
    # A constant model, such as a start with nothing but a gradient, has no correlation.
    a, b = (np.asarray(v - v.mean(dtype=np.float64), dtype=np.float64) for v in (a, b))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / size if size > 0 else nan
