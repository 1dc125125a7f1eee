"""sSVGD against HMC: are their differences Monte Carlo error, and what does each cost?

On the densities of tests/numerics/sampler_agreement.py, with errors from replicas. Prints
means, sds and 90 % quantiles of both unknowns by both samplers, and as the last line one JSON
object: the largest difference in units of both errors, for each density.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from sampler_agreement import Replicas, by_hmc, by_ssvgd, correlated, skewed


def line(name: str, found: Replicas, seconds: float) -> str:
    """Return a row: estimates, each with its error, and CPU seconds."""
    pairs = zip(found.estimate, found.error, strict=True)
    return f"  {name:6}" + "".join(f"{v:9.3f} ± {e:5.3f}" for v, e in pairs) + f"{seconds:7.1f}"


def main() -> None:
    """Print the rows, then the deviations as JSON."""
    torch.set_num_threads(1)
    deviations = {}
    for log_prob in (correlated, skewed):
        begin = time.process_time()
        hmc = by_hmc(log_prob, 2, replicas=12, draws=2000)
        middle = time.process_time()
        ssvgd = by_ssvgd(log_prob, 2, replicas=6, iterations=1600)
        end = time.process_time()
        print(f"{log_prob.__name__}: means, sds, 90 % quantiles, CPU s")
        print(line("HMC", hmc, middle - begin))
        print(line("sSVGD", ssvgd, end - middle), flush=True)
        largest = float(np.max(ssvgd.deviations(hmc)))
        deviations[f"ssvgd_hmc_{log_prob.__name__}_deviation"] = round(largest, 2)
    print(json.dumps(deviations))


if __name__ == "__main__":
    main()
