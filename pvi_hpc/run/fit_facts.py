"""Fit and noise of the groups of data, as the summary of a run tells them."""

from typing import Any

from pvi_hpc.inference.noise_inference import factors_of
from pvi_hpc.inference.state import State
from pvi_hpc.problem.problem import Problem
from pvi_hpc.store.predictive_file import Predictive

__all__ = ["group_facts", "noise_facts"]

#: Probability of the interval of a noise factor.
INTERVAL = 0.9


def group_facts(predictive: Predictive) -> dict[str, Any]:
    """Return the fit of each group of data, under "groups"; nothing without groups."""
    groups = predictive.groups
    if groups is None:
        return {}
    draws = groups.draws.mean(axis=0)
    rows = zip(groups.names, groups.mean, draws, groups.p_values, strict=True)
    return {
        "groups": {
            name: {"chi_squared": {"mean": float(mean), "draws": float(of_draws)}, "p_value": p}
            for name, mean, of_draws, p in rows
        }
    }


def noise_facts(problem: Problem, state: State) -> dict[str, Any]:
    """Return the factor on the noise sd of each group with its interval, under "noise"."""
    factors = factors_of(state.memory)
    groups = None if problem.weighting is None else problem.weighting.noise_groups
    if factors is None or groups is None or problem.noise is None:
        return {}
    low, high = factors.interval(INTERVAL)
    rows = zip(groups.names, problem.noise.n_data, factors.sd, low, high, strict=True)
    return {
        "noise": {
            name: {"n_data": float(n), "factor": float(sd), "interval_90": [float(a), float(b)]}
            for name, n, sd, a, b in rows
            if n > 0
        }
    }
