"""Fits seventeen small posteriors by `pvi_hpc.fit` and compares them with reference draws.

    python benchmarks/posteriordb.py [--database PATH] [--method vi] [--seeds 1] [--spread 0]

A mean that is wrong by more than 0.1 posterior sd (regressions and mixtures) or 1 sd (others)
without a warning is a silent failure. The last line is one JSON object.
"""

import argparse
import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from posteriordb_cases import Case, cases, moments
from posteriordb_data import source_of

import pvi_hpc
from pvi_hpc.errors import PviError

__all__ = ["Outcome", "measure"]

#: Draws that compare quantities whose moments the fit does not know, and of an ELBO.
DRAWS: Final = 10_000
SCHOOLS: Final = "eight_schools_noncentered"


@dataclass(frozen=True)
class Outcome:
    """Result of a fit of a posterior.

    Parameters
    ----------
    error
        Largest error of a mean [posterior sds].
    ratios
        Least and largest ratio of an sd to the right one.
    warned
        True if the verdict tells of any fault.
    gradients, seconds, elbo
        Evaluations of the density (verdict included), time, and the ELBO.
    """

    error: float
    ratios: tuple[float, float]
    warned: bool
    gradients: int
    seconds: float
    elbo: float


class Counted:
    """A log density that counts its evaluations."""

    def __init__(self, case: Case) -> None:
        self.case, self.count = case, 0

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        self.count += len(theta)
        return self.case.log_prob(theta)


def measure(case: Case, seed: int, settings: dict[str, Any], spread: float = 0.0) -> Outcome:
    """Fit a posterior, from a point within `spread` of zero in every unknown, and compare."""
    mean = np.random.default_rng(seed).uniform(-spread, spread, case.n)
    density, began = Counted(case), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = pvi_hpc.fit(density, case.n, mean=mean, seed=seed, **settings)
    seconds, gradients = time.perf_counter() - began, density.count
    mean, sd = moments(case)
    if case.quantities is None:
        got, spread = fit.mean, fit.sd
    else:
        compared = case.quantities(torch.from_numpy(fit.sample(DRAWS))).numpy()
        got, spread = compared.mean(axis=0), compared.std(axis=0)
    ratio = spread / sd
    warned = any(issubclass(w.category, pvi_hpc.ConvergenceWarning) for w in caught)
    try:
        elbo = fit.elbo(2000).mean
    except PviError:  # weighted draws have no density
        elbo = np.nan
    error = float(np.max(np.abs(got - mean) / sd))
    ratios = float(ratio.min()), float(ratio.max())
    return Outcome(error, ratios, warned, gradients, seconds, elbo)


def main() -> None:
    """Print the table and the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="a checkout of posteriordb")
    parser.add_argument("--method", help="method of inference; default: that of `fit`")
    parser.add_argument("--settings", default="{}", help="settings of `fit` as JSON")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds of each")
    parser.add_argument("--spread", type=float, default=0.0, help="range of first points")
    parser.add_argument("--only", help="part of the names of the posteriors to fit")
    given = parser.parse_args()
    settings = json.loads(given.settings)
    if given.method:
        settings["method"] = given.method
    source = source_of(given.database)
    print(f"Data: {source.name}.")
    print("posterior | seed | error [sd] | sds | warned | gradients | s | ELBO")
    right = failures = 0
    schools = []
    every = [case for case in cases(source) if (given.only or "") in case.name]
    for case in every:
        errors = []
        for seed in range(1, given.seeds + 1):
            try:
                outcome = measure(case, seed, settings, given.spread)
            except PviError as error:
                print(f"{case.name} | {seed} | failed: {error}")
                errors.append(np.inf)
                continue
            errors.append(outcome.error)
            wrong = not outcome.error <= case.tolerance
            failures += wrong and not outcome.warned
            if case.name == SCHOOLS:
                schools.append(outcome.elbo)
            low, high = outcome.ratios
            told = "yes" if outcome.warned else ("SILENT" if wrong else "no")
            print(
                f"{case.name} | {seed} | {outcome.error:.3g} | {low:.2f} to {high:.2f} | "
                f"{told} | {outcome.gradients} | {outcome.seconds:.1f} | {outcome.elbo:.2f}",
                flush=True,
            )
        right += bool(max(errors) <= case.tolerance)
    last = {
        "posteriors": len(every),
        "posteriordb_right": right,
        "posteriordb_silent_failures": failures,
        "eight_schools_worst_elbo": min(schools) if schools else None,
        "source": source.name,
    }
    print(json.dumps(last))


if __name__ == "__main__":
    main()
