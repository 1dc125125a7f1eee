"""Measure prior replacement: divergence, evidence, ranking of ten hypotheses, and the gate.

    python benchmarks/hypotheses.py [--side 12] [--data-sets 100]

Linear-Gaussian straight-ray tomography, whose posterior and evidence under every normal prior
are exact: 16 sensors on a circle, Matérn priors (nu = 3/2) of the slowness. Ten hypotheses have
other correlation lengths and sds than the run's own prior. Each data set is drawn from one of
the ten, in turn; the posterior under the run's prior is given to a family, and nothing else of
the data is used. The last line is one JSON object.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import corrected
import linear_response
import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.answers.replacement.change import PriorChange
from pvi_hpc.answers.replacement.evidence import Evidence, ranking
from pvi_hpc.answers.replacement.fit import Replaced, elbo_terms, replace_prior
from pvi_hpc.answers.replacement.gate import marginals, open_gate
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.config.hypotheses import HypothesisSettings
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.library.make import make_family, make_prior
from pvi_hpc.problem.coordinates import load_coordinates
from pvi_hpc.problem.model_map import ModelMap

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import matern_covariance, tomography

Array = NDArray[np.float64]

#: Mean of the slowness, and the unit of its anomaly: numbers that a prior takes as velocities.
MEAN, UNIT = 2000.0, 100.0
#: Correlation length [km] and sd [UNIT] of the run's own prior, and of ten hypotheses.
OWN: Final = (0.7, 1.2)
TEN: Final = tuple((length, sd) for length in (0.4, 0.7, 1.1, 1.6, 2.4) for sd in (0.7, 1.3))
#: Families; the first on all data sets, the others on fewer.
KINDS: Final = ("full_rank", "mean_field", "structured")
FEWER: Final = 20
SETTINGS: Final = HypothesisSettings(name="hypothesis", prior={"sd_m_s": 1}, draws=400)


@dataclass(frozen=True)
class Case:
    """A normal prior of the cells; `theta` of the tomography is `(m - MEAN) / UNIT`."""

    side: int
    length_km: float
    sd: float

    @cached_property
    def covariance(self) -> Array:
        """Covariance of the anomalies `(n, n)` [UNIT^2]."""
        return np.asarray(self.sd**2 * matern_covariance(self.side, self.length_km))

    @cached_property
    def model_map(self) -> ModelMap:
        """Map of the unknowns to models."""
        shape = (1, self.side, self.side)
        cells = Cells.of(Grid(shape, (1.0, 1.0, 1.0)))
        rows = (UNIT**2 * self.covariance).tolist()
        prior = make_prior("normal", shape, depth_m=[0], mean_m_s=[MEAN], covariance=rows)
        return ModelMap(prior, cells, np.full(shape, MEAN), load_coordinates(prior, "whitened"))

    @cached_property
    def factor(self) -> Array:
        """Factor `A` of `theta_tomography = A xi`."""
        one = torch.eye(self.side**2, dtype=torch.float64)
        found = self.model_map.coordinates.velocities(one) - MEAN
        return np.asarray(found.T.numpy() / UNIT)


def implied(old: Case, new: Case, posterior: Any, kind: str) -> ImpliedTarget:
    """Return the target of a hypothesis: the exact old posterior, or the best of a family."""
    active = old.model_map.active
    options = {"stencil": [1, 5, 5]} if kind == "structured" else {}
    family = make_family(kind, active.shape, **options)
    assert isinstance(family, GaussianFamily)
    precision = torch.from_numpy(old.factor.T @ posterior.precision @ old.factor)
    mean = torch.from_numpy(np.linalg.solve(old.factor, posterior.mean))
    parameters = family.informed(mean, DensePrecision((precision + precision.T) / 2, active))
    return ImpliedTarget(PriorChange(old.model_map, new.model_map), family, parameters)


def divergence(found: Replaced, new: Case, posterior: Any) -> float:
    """Return the divergence of a replaced posterior from the exact one [nats]."""
    assert isinstance(found.family, GaussianFamily)
    root = new.factor @ dense_factor(found.family, found.parameters)
    mean = new.factor @ found.parameters["mu"].numpy()
    return gaussian_kl(mean, root, posterior.mean, posterior.precision)


def rank_one(problem: Any, own: Case, cases: list[Case], kind: str) -> dict[str, Any]:
    """Return exact and replaced evidences of the ten hypotheses for one data set."""
    old = replace(problem, prior_covariance=own.covariance)
    exact, told, kls, open_ = [], {}, [], []
    for i, case in enumerate(cases):
        new = replace(problem, prior_covariance=case.covariance)
        exact.append(new.log_evidence - old.log_evidence)
        target = implied(own, case, old, kind)
        found = replace_prior(target, SETTINGS, i)
        evidence = Evidence.of(np.zeros(100), found.log_evidence_ratio)
        told[str(i)] = (evidence.log_ratio, evidence.standard_error)
        kls.append(divergence(found, case, new))
        open_.append(open_gate(*marginals(target, found, SETTINGS.draws, 1)).passed)
    ranked = ranking(told)
    first = int(np.argmax(exact))
    error = max(abs(told[str(i)][0] - exact[i]) for i in range(len(cases)))
    order = [int(i) for i in ranked["order"]]
    return {
        "first": first,
        "told": order[0],
        "error": error,
        "kl": max(kls),
        "order": order == np.argsort(exact)[::-1].tolist(),
        "passed": float(np.mean(open_)),
    }


def weighted(problem: Any, own: Case, case: Case, seed: int) -> float:
    """Return the error, in standard errors, of an evidence by importance weights."""
    old = replace(problem, prior_covariance=own.covariance)
    exact = replace(problem, prior_covariance=case.covariance).log_evidence - old.log_evidence
    target = implied(own, case, old, "full_rank")
    found = replace_prior(target, SETTINGS, seed)
    wide = {name: value.clone() for name, value in found.parameters.items()}
    wide["log_sd"] += 0.05
    wide["lower"] *= float(np.exp(0.05))
    told = Evidence.of(elbo_terms(target, Replaced(found.family, wide, 0), 1000, seed).total)
    return float((told.log_ratio - exact) / told.standard_error)


def measure(side: int, data_sets: int) -> dict[str, Any]:
    """Return all figures, printing them as they come."""
    own, cases = Case(side, *OWN), [Case(side, *each) for each in TEN]
    begun = time.monotonic()
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    base = tomography(side)
    off: list[float] = []
    for seed in range(data_sets):
        truth = seed % len(cases)
        rng = np.random.default_rng(1000 + seed)
        root = np.linalg.cholesky(cases[truth].covariance)
        data = base.operator @ (root @ rng.standard_normal(side**2))
        data = data + base.noise * rng.standard_normal(len(data))
        problem = replace(base, data=data)
        for kind, its in rows.items():
            if kind == "full_rank" or seed < FEWER:
                its.append({**rank_one(problem, own, cases, kind), "truth": truth})
        if len(off) < FEWER:
            off.append(weighted(problem, own, cases[truth], seed))
    full = rows["full_rank"]
    figures = {
        "unknowns": side**2,
        "data_sets": data_sets,
        "replacement_kl": max(r["kl"] for r in full),
        "evidence_error_nats": max(r["error"] for r in full),
        "evidence_within_2_se": int(np.sum(np.abs(off) <= 2)),
        "evidence_cases": len(off),
        "ranking_right": sum(r["first"] == r["told"] for r in full),
        "order_right": sum(r["order"] for r in full),
        "exact_ranking_finds_the_truth": sum(r["first"] == r["truth"] for r in full),
        "passed_the_gate": float(np.mean([r["passed"] for r in full])),
    }
    for kind in KINDS[1:]:
        found = rows[kind]
        figures[f"{kind}_data_sets"] = len(found)
        figures[f"{kind}_ranking_right"] = sum(r["first"] == r["told"] for r in found)
        figures[f"{kind}_kl"] = float(np.median([r["kl"] for r in found]))
        figures[f"{kind}_evidence_error_nats"] = float(np.median([r["error"] for r in found]))
    return {**figures, "seconds": time.monotonic() - begun}


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=12)
    parser.add_argument("--data-sets", type=int, default=100)
    given = parser.parse_args()
    found = linear_response.figures() | corrected.figures()
    print(json.dumps({**measure(given.side, given.data_sets), **found}))


if __name__ == "__main__":
    main()
