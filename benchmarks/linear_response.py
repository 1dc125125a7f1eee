"""Measure linear response: the sd of the mean of a disc, and how many products it takes.

The linear tomography of tests/numerics/tomography.py (576 cells, 120 rays) under a smooth and a
rough prior, so that the sd is known exactly; families at their optimum for the exact posterior.
The last line is one JSON object, which `make bench-priors` has too.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import ROUGH_KM, SMOOTH_KM, tomography

from pvi_hpc.answers.linear_response import begin, step
from pvi_hpc.config.questions import LinearResponseSettings
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.library.make import make_family

__all__ = ["figures"]

FAMILIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "mean_field": ("mean_field", {}),
    "psvi_3": ("structured", {"stencil": [1, 3, 3]}),
    "psvi": ("structured", {"stencil": [1, 5, 5]}),
    "precision": ("precision_structured", {"stencil": [1, 5, 5]}),
}
PRIORS: Final = {"": SMOOTH_KM, "_rough": ROUGH_KM}


def figures() -> dict[str, float]:
    """Return the sds over the exact one and the products, by family and prior."""
    found: dict[str, float] = {}
    for prior, length in PRIORS.items():
        problem = tomography(length_km=length)
        precision = torch.from_numpy(problem.precision)
        disc = torch.from_numpy(problem.disc()[None])
        exact = float(np.sqrt(problem.disc() @ problem.covariance @ problem.disc()))
        for name, (kind, options) in FAMILIES.items():
            family = make_family(kind, problem.shape, **options)
            assert isinstance(family, GaussianFamily)
            zero = torch.zeros(problem.n, dtype=torch.float64)
            parameters = family.informed(zero, DensePrecision(precision, problem.active))

            def covariance(rows: Any, its: Any = (family, parameters)) -> Any:
                return its[0].apply(its[1], its[0].apply_transposed(its[1], rows))

            def products(rows: Any, its: Any = precision) -> Any:
                return rows @ its

            limits = [LinearResponseSettings()]
            state = begin(disc, covariance)
            while len(active := state.active(limits)):
                state = step(state, active, products, covariance)
            ratios = np.sqrt(np.cumsum(state.gains[:, 0])) / exact
            key = f"{name}{prior}"
            of_family = float((covariance(disc) * disc).sum().sqrt())
            found |= {
                f"disc_sd_ratio_{key}": of_family / exact,
                f"disc_sd_ratio_linear_response_{key}": float(ratios[-1]),
                f"linear_response_products_{key}": float(state.products[0]),
                f"products_to_5_percent_{key}": float(np.argmax(np.abs(ratios - 1) < 0.05) + 1),
            }
    found["disc_sd_ratio_linear_response"] = found["disc_sd_ratio_linear_response_psvi"]
    found["linear_response_products"] = found["linear_response_products_psvi"]
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    told = figures()
    for key, value in told.items():
        print(f"{key:50} {value:.4g}")
    print(json.dumps(told))
