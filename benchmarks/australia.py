"""Families against the exact posterior of Rayleigh waves in Australia; last line: JSON.

    export PVI_DATA=/path/to/data
    python benchmarks/australia.py [row ...]

Each row is `config/australia.yaml` with another start and `inference`, run in this process by
the problem, the solver and the methods of a run. Printed: gradients (products of all data with
the model and back) and their share for the start; seconds; relative errors of the sds of all
seen cells (median, 95 %, largest) and of the means of 20 regions; the error of the mean in sds;
and how far the ELBO lies below the evidence [nats].
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import yaml
from australia_case import LENGTH_DEG, PRIOR_SD, noise_of, problem_of, read_case, read_picks
from numpy.typing import NDArray
from scipy.sparse import save_npz

from pvi_hpc.answers.linear_response import DELAY, begin, step
from pvi_hpc.config.load import parse_project
from pvi_hpc.config.questions import LinearResponseSettings
from pvi_hpc.data.survey_file import SurveyFile, write_survey
from pvi_hpc.diagnostics.linear_gaussian import LinearGaussian
from pvi_hpc.families.capabilities import ClosedForm, Gaussian
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.forward.problem import Solver
from pvi_hpc.forward.simulator import BatchResult, NoiseResult
from pvi_hpc.grid import Grid
from pvi_hpc.inference.state import State
from pvi_hpc.priors.copula import CopulaPrior
from pvi_hpc.problem.curvature import PosteriorCurvature
from pvi_hpc.problem.forward import forward_problem, solver_here
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.answers.respond import covariance_of

Array = NDArray[np.float64]

ROOT: Final = Path(__file__).parents[1]
#: Draws of an ELBO.
DRAWS: Final = 20
#: Tolerances of a linear response.
TOLERANCES: Final = (0.02, 0.01, 0.005)
#: Fewest seen cells of a region.
REGION_CELLS: Final = 20


@dataclass(frozen=True)
class Row:
    """A family, its start, and the coordinates; options over those of the configuration."""

    family: dict[str, Any]
    inference: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    shots: int = 100
    prior: dict[str, Any] = field(default_factory=dict)


def stencil(kind: str, size: int) -> dict[str, Any]:
    """Return a family with a square stencil."""
    return {"kind": kind, "options": {"stencil": [1, size, size]}}


def natural(iterations: int, samples: int = 2) -> dict[str, Any]:
    """Return variational iterations by natural gradients."""
    settings = {"kind": "natural", "final": 0.01, "average": 0.5}
    return {"iterations": iterations, "samples": samples, "optimiser": settings}


def noise(draws: int, smooth: float = 0.0, shrink: float | str = 1.0) -> dict[str, Any]:
    """Return a start of one sweep with so many gradients of noise in each part."""
    settings = {"sweeps": 1, "draws": draws, "smooth_cells": smooth, "shrink": shrink}
    return {"hessian": {"kind": "noise", **settings}}


WHITE: Final = {"coordinates": "whitened"}
#: Evaluations by L-BFGS of all rows but the long ones.
SHORT: Final = {"map_iterations": 60, "map_gain": None}
#: A mean that has arrived.
LONG: Final = {"map_iterations": 500, "map_gain": 0.001}
ROWS: Final = {
    "mean field": Row({"kind": "mean_field"}, start=noise(4)),
    "mean field, natural": Row({"kind": "mean_field"}, natural(100), noise(4)),
    "mean field, whitened": Row({"kind": "mean_field"}, WHITE, noise(4)),
    "PSVI 5x5": Row(stencil("structured", 5), start=noise(10)),
    "PSVI 5x5, natural": Row(stencil("structured", 5), natural(300), noise(10)),
    "PSVI 5x5, whitened": Row(stencil("structured", 5), WHITE, noise(10)),
    "precision 5x5": Row(stencil("precision_structured", 5), start=noise(10)),
    "precision 5x5, natural": Row(
        stencil("precision_structured", 5), natural(300), noise(10)
    ),
    "precision 11x11": Row(stencil("precision_structured", 11), start=noise(10)),
    "precision 11x11, as configured": Row(
        stencil("precision_structured", 11), start=LONG | noise(10)
    ),
    "precision 11x11, long start": Row(
        stencil("precision_structured", 11), start=LONG | noise(100)
    ),
    "precision 11x11, long, natural": Row(
        stencil("precision_structured", 11), natural(300), LONG | noise(100)
    ),
    "PSVI 11x11, long start": Row(stencil("structured", 11), start=LONG | noise(100)),
    "low rank 200, whitened": Row(
        {"kind": "low_rank", "options": {"rank": 200}}, WHITE, noise(10)
    ),
}  # fmt: skip


class Counting(OwnProcessSimulator):
    """Counts gradients of all data, those of noise too."""

    def __init__(self, solver: Solver, n_shots: int) -> None:
        super().__init__(solver)
        self.n_shots, self.gradients = n_shots, 0.0

    def misfit_and_gradient(self, models: Any, shots: Any, precisions: Any = ()) -> BatchResult:
        """As `Simulator`."""
        found = super().misfit_and_gradient(models, shots, precisions)
        self.gradients += found.count.done / self.n_shots
        return found

    def noise_gradients(
        self, models: Any, shots: Any, keys: Any, precisions: Any = ()
    ) -> NoiseResult:
        """As `NoiseSimulator`."""
        found = super().noise_gradients(models, shots, keys, precisions)
        self.gradients += len(keys) * found.count.done / self.n_shots
        return found


@dataclass(frozen=True)
class Exact:
    """The exact posterior on the seen cells, and the regions."""

    grid: Grid
    seen: NDArray[np.int64]
    posterior: LinearGaussian

    @cached_property
    def regions(self) -> Array:
        """Weights `(20, seen)` of the mean of each region."""
        inside = np.zeros(self.grid.size, bool)
        inside[self.seen] = True
        rows = []
        for _, (z, y, x) in self.grid.boxes((1, 5, 6)):
            weight = np.zeros(self.grid.shape)
            weight[z, y, x] = 1
            weight = (weight.ravel() * inside)[self.seen]
            rows.append((weight.sum(), weight / max(weight.sum(), 1)))
        largest = sorted(rows, key=lambda row: -row[0])[:20]
        assert largest[-1][0] >= REGION_CELLS
        return np.stack([weight for _, weight in largest])


def prepare(folder: Path) -> None:
    """Write the files that the configuration names into a folder."""
    case = read_case()
    target = folder / "input" / "australia"
    target.mkdir(parents=True)
    save_npz(target / "jacobian.npz", case.rays)
    np.save(target / "travel_times.npy", read_picks().times)
    np.save(target / "noise_sd.npy", noise_of(case.lengths))


def exact() -> Exact:
    """Return the exact posterior of the configuration."""
    case = read_case()
    posterior = problem_of(case, LENGTH_DEG, PRIOR_SD, noise_of(case.lengths))
    return Exact(case.grid, case.seen, posterior)


def measure(row: Row, name: str, reference: Exact, folder: Path) -> dict[str, Any]:
    """Return the figures of a row."""
    tree = yaml.safe_load((ROOT / "config" / "australia.yaml").read_text())
    tree["forward"]["shots"] = row.shots
    tree["start"] |= SHORT | row.start
    tree["inference"] |= {"family": row.family} | row.inference
    tree["prior"] |= row.prior
    run = parse_project(tree).resolved[0]
    survey = folder / f"{row.shots}.h5"
    write_survey(forward_problem(run).geometry(), survey)
    problem = Problem.build(run, survey)
    with solver_here(run, survey) as solver:
        simulator = Counting(solver, SurveyFile(survey).n_shots)
        begun, used = time.monotonic(), time.process_time()
        method, state = problem.method(simulator), problem.start()
        start = 0.0
        for i in range(method.n_iterations):
            state, _ = method.step(state)
            if i + 1 == run.start.iterations:
                start = simulator.gradients
            if state.converged:
                break
        took, cpu = time.monotonic() - begun, time.process_time() - used
        gradients = simulator.gradients
        found = {"row": name, "gradients": gradients, "start": start, "s": took, "cpu_s": cpu}
        found |= responses(problem, state, simulator, reference)
        return found | errors(problem, method, state, reference)


def responses(
    problem: Problem, state: State, simulator: Counting, reference: Exact
) -> dict[str, float]:
    """Return the errors of the sds of regions by linear response, and what they cost.

    Each product is simulated as for `linear_response` of a question; the gradient of a mean is
    its weights.
    """
    begun, regions = time.process_time(), reference.regions
    theta = problem.method(None).moments(state)[0].double()
    curvature = PosteriorCurvature(problem.model_map, theta, simulator, problem.n_shots)
    weights = np.zeros((len(regions), reference.grid.size))
    weights[:, reference.seen] = regions
    by_model = weights.reshape(-1, *reference.grid.shape)
    covariance = covariance_of(problem, state)
    solve = begin(curvature.pulled(by_model), covariance)
    limits = [LinearResponseSettings(tolerance=min(TOLERANCES), products=200)] * len(regions)
    while len(active := solve.active(limits)):
        solve = step(solve, active, curvature.products, covariance)
    exact_sd = np.sqrt(np.diag(reference.posterior.covariance(regions)))
    found = {"response_cpu_s": time.process_time() - begun}
    for tolerance in TOLERANCES:
        stops = np.array([stop_of(gains, tolerance) for gains in solve.gains.T])
        sums = np.nancumsum(solve.gains, axis=0)[stops - 1, np.arange(len(stops))]
        ratio = np.sqrt(sums) / exact_sd
        found |= {
            f"region_max_response_{tolerance:g}": float(np.abs(ratio - 1).max()),
            f"region_bias_response_{tolerance:g}": float(np.median(ratio)),
            f"products_{tolerance:g}": float(np.median(stops)),
            f"products_max_{tolerance:g}": float(stops.max()),
        }
    return found


def stop_of(gains: Array, tolerance: float) -> int:
    """Return the number of products at which the rule of `Response` stops."""
    taken = gains[np.isfinite(gains)]
    for n in range(DELAY + 1, len(taken)):
        if taken[n - DELAY : n].sum() <= tolerance * taken[:n].sum():
            return n
    return len(taken)


def errors(problem: Problem, method: Any, state: Any, reference: Exact) -> dict[str, float]:
    """Return how far a fit is from the exact posterior."""
    family, parameters, prior = problem.family, state.parameters, problem.model_map.prior
    assert isinstance(prior, CopulaPrior)
    assert isinstance(family, Gaussian)
    assert isinstance(family, ClosedForm)
    field_of = problem.run.inference.coordinates == "field"
    n, seen, scale = family.n, reference.seen, float(prior.sd[0])

    def sds(weights: Array) -> Array:
        """Return the sds of weighted sums `(k, seen)` of cells."""
        found = []
        for first in range(0, len(weights), 256):
            part = torch.zeros(len(weights[first : first + 256]), n, dtype=torch.float64)
            part[:, torch.from_numpy(seen)] = torch.from_numpy(weights[first : first + 256])
            if not field_of:
                part = prior.correlation.correlate_back(part)
            half = family.apply_transposed(parameters, part)
            found.append(scale * half.square().sum(dim=1).sqrt().numpy())
        return np.concatenate(found)

    exact_posterior, regions = reference.posterior, reference.regions
    cells = np.concatenate(
        [sds(np.eye(len(seen))[k : k + 512]) for k in range(0, len(seen), 512)]
    )
    cell_errors = np.abs(cells / exact_posterior.sd - 1)
    by_region = np.sqrt(np.diag(exact_posterior.covariance(regions)))
    region_ratio = sds(regions) / by_region
    mean = problem.model_map.models(family.mean(parameters)[None])[0].numpy().ravel()[seen]
    shift = np.abs(mean - exact_posterior.mean) / exact_posterior.sd
    noise_sd = exact_posterior.noise_sd
    constant = -np.log(noise_sd).sum() - 0.5 * len(noise_sd) * np.log(2 * np.pi)
    rng = np.random.default_rng(7)
    gaps = []
    for _ in range(DRAWS // 2):
        eps = torch.from_numpy(rng.standard_normal((1, n)))
        for one in (eps, -eps):
            theta = family.sample(parameters, one)
            value = method.target.value(theta, [None])
            terms = value.log_likelihood + value.log_prior - family.log_q(parameters, one)
            gaps.append(exact_posterior.log_evidence - float(terms[0]) - constant)
    return {
        "sd_median": float(np.median(cell_errors)),
        "sd_95": float(np.quantile(cell_errors, 0.95)),
        "sd_max": float(cell_errors.max()),
        "sd_bias": float(np.median(cells / exact_posterior.sd)),
        "region_max": float(np.abs(region_ratio - 1).max()),
        "region_bias": float(np.median(region_ratio)),
        "mean_rms": float(np.sqrt(np.mean(shift**2))),
        "mean_max": float(shift.max()),
        "elbo_gap": float(np.mean(gaps)),
        "elbo_error": float(np.std(gaps) / np.sqrt(len(gaps))),
    }


def main() -> None:
    """Print a line for each row that is asked for, and all as JSON."""
    begun = time.monotonic()
    reference = exact()
    sd, evidence = reference.posterior.sd, reference.posterior.log_evidence
    print(f"exact: {len(sd)} seen cells, sds {sd.min():.4g} to {sd.max():.4g} s/km, log "
          f"evidence {evidence:.1f}, {time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        os.chdir(folder)
        for row in sys.argv[1:] or ROWS:
            found.append(measure(ROWS[row], row, reference, folder))
            figures = {k: v for k, v in found[-1].items() if k != "row"}
            print(row, " ".join(f"{k} {v:.4g}" for k, v in figures.items()), flush=True)
    best = min(found, key=lambda row: row["sd_median"])
    print(json.dumps({
        "australia_median_sd_error": best["sd_median"],
        "australia_max_region_sd_error": best["region_max"],
        "australia_gradients": best["gradients"],
        "rows": found,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
