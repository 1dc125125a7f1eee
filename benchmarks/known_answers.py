"""Every Gaussian family fitted by sampling, against its known optimum.

Linear-Gaussian tomography (tests/numerics/tomography.py) under the rough prior; each fit starts
from independent cells one posterior sd off the mean. Prints the divergence of the closed form
(where there is none, of L-BFGS on exact gradients), the excess over it, and the largest error
of the mean in posterior sds. Usage: `python benchmarks/known_answers.py [side [sensors]]`.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pvi_hpc.config.inference import Family as FamilySettings
from pvi_hpc.config.inference import Inference, Optimiser
from pvi_hpc.diagnostics.converge import converge
from pvi_hpc.diagnostics.gaussian import dense_factor, gaussian_kl
from pvi_hpc.families import load_family
from pvi_hpc.families.precision import DensePrecision
from pvi_hpc.inference.vi import VariationalInference

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import ROUGH_KM, tomography

#: Families whose closed form is the optimum; for the others it is a start.
EXACT = ("mean_field", "structured", "full_rank")


class Effort(NamedTuple):
    """A family and how long it is fitted: iterations, samples, first and last step."""

    kind: str
    options: dict[str, Any]
    iterations: int
    samples: int
    step: float
    final: float


EFFORTS = (
    Effort("mean_field", {}, 4000, 8, 0.05, 0.002),
    Effort("structured", {"stencil": [1, 5, 5]}, 6000, 16, 0.03, 0.002),
    Effort("full_rank", {}, 6000, 8, 0.03, 0.002),
    Effort("low_rank", {"rank": 8}, 8000, 16, 0.03, 0.003),
    Effort("precision_structured", {"stencil": [1, 5, 5]}, 8000, 16, 0.03, 0.003),
    Effort("low_rank_structured", {"rank": 8, "stencil": [1, 5, 5]}, 8000, 16, 0.03, 0.003),
)


def measure(problem: Any, effort: Effort) -> str:
    """Return the row of one family."""
    family: Any = load_family(
        FamilySettings(kind=effort.kind, options=effort.options), problem.active
    )
    precision = DensePrecision(torch.from_numpy(problem.precision), problem.active)

    def divergence(parameters: Any) -> float:
        factor = dense_factor(family, parameters)
        return gaussian_kl(parameters["mu"].numpy(), factor, problem.mean, problem.precision)

    best = family.informed(torch.from_numpy(problem.mean), precision)
    if effort.kind not in EXACT:
        best = converge(family, best, problem.precision)
    fitted = fit(family, problem, precision, effort)
    least, found = divergence(best), divergence(fitted)
    error = np.abs(fitted["mu"].numpy() - problem.mean) / np.sqrt(np.diag(problem.covariance))
    excess = f"{100 * (found / least - 1):8.2f} %" if least > 1e-6 else f"{found:5.3f} nats"
    name = f"{effort.kind} {effort.options or ''}"
    size = f"{effort.iterations} x {effort.samples}"
    return f"{name:50} {size:>10} {least:9.3f} {excess:>10} {error.max():9.4f}"


def fit(family: Any, problem: Any, precision: DensePrecision, effort: Effort) -> Any:
    """Return the parameters that variational inference ends with."""
    optimiser = Optimiser(step=effort.step, final=effort.final, average=0.3)
    settings = Inference(
        iterations=effort.iterations, samples=effort.samples, optimiser=optimiser
    )
    method = VariationalInference(family, problem, settings, seed=2)
    sd = np.sqrt(np.diag(problem.covariance))
    state = method.init(torch.from_numpy(problem.mean + sd), 0.3)
    state.parameters["log_sd"].copy_(-0.5 * precision.diagonal().log())
    for _ in range(effort.iterations):
        state, _ = method.step(state)
    return method.fitted(state)


def main() -> None:
    """Print the table."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    sensors = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    torch.set_num_threads(1)
    problem = tomography(side, n_sensors=sensors, length_km=ROUGH_KM)
    print(f"{problem.n} cells, {len(problem.data)} rays")
    print(f"{'family':50} {'effort':>10} {'KL':>9} {'excess':>10} {'mean [sd]':>9}")
    for effort in EFFORTS:
        print(measure(problem, effort), flush=True)


if __name__ == "__main__":
    main()
