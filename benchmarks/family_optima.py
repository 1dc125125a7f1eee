"""Optimum of each Gaussian family, against the exact posterior.

Linear-Gaussian tomography with 24 x 24 cells and 120 rays (tests/numerics/tomography.py), under
a smooth and a rough prior. Prints for each family the divergence to the posterior of the start
from its precision and of the optimum; and of the optimum, relative to the exact posterior, the
mean sd of a cell and the sd of the mean over a disc of 1.5 km. Usage:
`python benchmarks/family_optima.py [side [kind ...]]`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pvi_hpc.diagnostics.converge import converge
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))
from tomography import ROUGH_KM, SMOOTH_KM, tomography

#: Iterations of L-BFGS, for families without a closed form.
#: The divergence would still fall by some percent.
ITERATIONS = 80
#: Kind, options, and whether the start from the precision is the optimum already.
FAMILIES = [
    ("mean_field", {}, True),
    ("structured", {"stencil": [1, 3, 3]}, True),
    ("structured", {"stencil": [1, 5, 5]}, True),
    ("structured", {"stencil": [1, 5, 5], "mask": "ellipsoid"}, True),
    ("structured", {"stencil": [1, 11, 11]}, True),
    ("precision_structured", {"stencil": [1, 3, 3]}, False),
    ("precision_structured", {"stencil": [1, 5, 5]}, False),
    ("low_rank", {"rank": 20}, True),
    ("low_rank", {"rank": 120}, True),
    ("low_rank", {"rank": 20, "of": "covariance"}, True),
    ("low_rank_structured", {"rank": 20, "stencil": [1, 5, 5]}, True),
    ("full_rank", {}, True),
]


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    for name, length in (("smooth", SMOOTH_KM), ("rough", ROUGH_KM)):
        problem = tomography(side, length_km=length)
        precision = DensePrecision(torch.from_numpy(problem.precision), problem.active)
        print(f"{name} prior: correlation length {length} km, {problem.n} cells")
        print(f"{'family':55} {'KL start':>9} {'KL best':>9} {'cell sd':>8} {'disc sd':>8}")
        for kind, options, exact in FAMILIES:
            if sys.argv[2:] and kind not in sys.argv[2:]:
                continue
            family: Any = load_family(
                FamilySettings(kind=kind, options=options), problem.active
            )
            start = family.informed(torch.from_numpy(problem.mean), precision)
            best = start if exact else _converge(family, start, problem)
            rows = [_quality(dense_factor(family, p), problem) for p in (start, best)]
            divergence, cell, disc = rows[1]
            label = f"{kind} {options or ''}"
            print(
                f"{label:55} {rows[0][0]:9.3f} {divergence:9.3f} {cell:8.3f} {disc:8.3f}",
                flush=True,
            )


def _converge(family, start, problem):
    return converge(family, start, problem.precision, max_iterations=ITERATIONS)


def _quality(factor, problem):
    """Return the divergence, the relative sd of cells and that of the disc's mean."""
    divergence = gaussian_kl(problem.mean, factor, problem.mean, problem.precision)
    exact, weights = problem.covariance, problem.disc()
    cell = np.sqrt((factor**2).sum(axis=1) / np.diag(exact)).mean()
    disc = np.linalg.norm(weights @ factor) / np.sqrt(weights @ exact @ weights)
    return divergence, cell, disc


if __name__ == "__main__":
    main()
