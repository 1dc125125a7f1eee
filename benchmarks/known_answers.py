"""Every Gaussian family and mixtures fitted by sampling, against their known optimum.

Linear-Gaussian tomography (tests/numerics/tomography.py), fitted by `pvi_hpc.fit` from the
density alone: L-BFGS from the prior's mean, then 8 probes of the curvature, or products with
the Hessian where a row says so. Prints the divergence of the optimum from the posterior (closed
form; where there is none, L-BFGS on exact gradients), the excess over it of the start and of
the fit, the largest error of the mean in posterior sds, and the gradients taken. Usage:
`python benchmarks/known_answers.py [side [row ...]]`, with 24 or fewer cells along a side.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import pvi_hpc
from pvi_hpc.diagnostics.converge import converge
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import ROUGH_KM, tomography

NATURAL: Final = {"kind": "natural", "final": 0.01, "average": 0.5}
PLAIN: Final = {"kind": "natural"}
INDEPENDENT: Final = {"draws": "independent"}
STENCIL: Final = {"stencil": [1, 5, 5]}
#: 60 iterations of L-BFGS instead of 15, for families whose mean moves slowly.
LONGER: Final = {
    "sd": 1.0,
    "map_iterations": 60,
    "map_optimiser": "lbfgs",
    "map_step": 0.3,
    "hessian": {"max_sd": 100.0},
}
#: The start of the others: parameters stay in the units of the unknowns.
USUAL: Final = LONGER | {"map_iterations": 15}
#: Iterations of L-BFGS, for families without a closed form.
REFERENCE_ITERATIONS: Final = 300


@dataclass(frozen=True)
class Row:
    """A family, its options, and the arguments of `pvi_hpc.fit`; `white`: prior N(0, I)."""

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    white: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def settings(iterations: int, samples: int, **others: Any) -> dict[str, Any]:
    """Return arguments of `pvi_hpc.fit`."""
    usual = {"optimiser": NATURAL, "start": USUAL}
    return {"iterations": iterations, "samples": samples, **usual} | others


def rows(rank: int, data_rank: int) -> dict[str, Row]:
    """Return what is fitted, by name."""
    few = {"rank": rank}
    adam = {"step": 0.003, "final": 0.02, "average": 0.5}
    own = settings(1600, 16, optimiser=adam, hvp="autograd")
    # Errors of a family that holds the posterior shrink to nothing: no average is needed.
    exact = settings(1400, 16, estimator=INDEPENDENT, optimiser=PLAIN)
    return {
        "mean_field": Row("mean_field", {}, settings=settings(1600, 8, start=LONGER)),
        "structured": Row("structured", STENCIL, settings=settings(3200, 16)),
        "precision": Row("precision_structured", STENCIL, settings=settings(3600, 16)),
        "full_rank": Row("full_rank", settings=exact),
        "low_rank": Row("low_rank", few, settings=own | {"start": LONGER}),
        "low_rank_all": Row("low_rank", {"rank": data_rank}, True, settings(600, 16)),
        "low_rank_structured": Row("low_rank_structured", few | STENCIL, settings=own),
    }


def measure(name: str, row: Row, problem: Any) -> str:
    """Return the row of one family."""
    settings_of = FamilySettings(kind=row.kind, options=row.options)
    family: Any = load_family(settings_of, problem.active)

    def divergence(parameters: Any) -> float:
        factor = dense_factor(family, parameters)
        return gaussian_kl(parameters["mu"].numpy(), factor, problem.mean, problem.precision)

    def fit(**changes: Any) -> Any:
        return pvi_hpc.fit(
            problem.log_prob,
            problem.shape,
            family={"kind": row.kind, "options": row.options},
            seed=2,
            **{**row.settings, **changes},
        )

    least = divergence(reference(family, row, problem))
    begun, fitted = fit(iterations=1, optimiser={"step": 1e-12}), fit()
    found = [divergence(each.method.fitted(each.state)) for each in (begun, fitted)]
    start, end = (excess(kl, least) for kl in found)
    error = np.abs(fitted.mean.ravel() - problem.mean) / np.sqrt(np.diag(problem.covariance))
    gradients = int(fitted.history.arrays["done"].sum())
    return f"{name:20} {least:9.4f} {start:>12} {end:>12} {error.max():9.5f} {gradients:9d}"


def reference(family: Any, row: Row, problem: Any) -> Any:
    """Return the parameters of the optimum."""
    precision = DensePrecision(torch.from_numpy(problem.precision), problem.active)
    best = family.informed(torch.from_numpy(problem.mean), precision)
    if row.kind != "precision_structured":
        return best
    return converge(family, best, problem.precision, max_iterations=REFERENCE_ITERATIONS)


def excess(found: float, least: float) -> str:
    """Return how much a divergence is above the least, or itself where that is nothing."""
    return f"{100 * (found / least - 1):.2f} %" if least > 0.01 else f"{found:.5f} nats"


def main() -> None:
    """Print the table."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    torch.set_num_threads(1)
    problem = tomography(side, n_sensors=16 if side > 12 else 10, length_km=ROUGH_KM)
    table = rows(20 if side > 12 else 8, int(np.linalg.matrix_rank(problem.operator)))
    print(f"{problem.n} cells, {len(problem.data)} rays")
    print(
        f"{'family':20} {'KL':>9} {'start':>12} {'fit':>12} {'mean [sd]':>9} {'gradients':>9}"
    )
    for name in sys.argv[2:] or table:
        row = table[name]
        print(measure(name, row, problem.whitened() if row.white else problem), flush=True)


if __name__ == "__main__":
    main()
