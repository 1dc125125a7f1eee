"""Rayleigh waves in Australia, 5 s: picks, rays, and the Gaussian prior of the comparison.

    python benchmarks/australia_case.py prepare input/australia   # picks.csv from PVI_DATA
    python benchmarks/australia_case.py scales                    # noise, prior sd and length

The data are in `rayleigh_australia/sw_tomography.npz` of `$PVI_DATA` (InLab, cofi-examples):
the mean slowness of 15,661 paths. Their time is that slowness times the length of the path.
`scales` first scans exponents and lengths on cells of 0.6 degrees, then lengths on 0.3.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.data.picks import Picks
from pvi_hpc.diagnostics.linear_gaussian import LinearGaussian, best_scales
from pvi_hpc.forward.linear.rays import ray_lengths
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.priors.load import load_prior
from pvi_hpc.priors.settings import PriorSettings
from pvi_hpc.priors.whittle_matern import WhittleMatern

__all__ = ["Case", "covariance", "noise_of", "prior_of", "read_case"]

Array = NDArray[np.float64]

#: Cells of 0.3 degrees: those of the data's own grid around the stations.
GRID: Final = Grid((1, 110, 140), (1.0, 0.3, 0.3), (0.0, -44.25, 112.55))
#: The same area in cells of 0.6 degrees.
COARSE: Final = Grid((1, 55, 70), (1.0, 0.6, 0.6), (0.0, -44.1, 112.7))
#: A degree of longitude over one of latitude, in the middle of the stations.
ASPECT: Final = 0.89
#: The mean of the prior [s/km].
MEAN: Final = 0.315
#: Of the largest evidence: noise of a path of 400 km [s], prior sd [s/km], length [degrees].
NOISE_S: Final = 1.335
PRIOR_SD: Final = 0.0322
LENGTH_DEG: Final = 0.78
#: Noise sds are proportional to these powers of the length of the path.
EXPONENTS: Final = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Case:
    """Rays `(n, cells)` [km], times `(n,)` [s], lengths `(n,)` [km], and seen cells."""

    grid: Grid
    rays: csr_array
    times: Array
    lengths: Array
    seen: NDArray[np.int64]


def read_picks() -> Picks:
    """Return the picks, from the folder of data that `PVI_DATA` names."""
    path = Path(os.environ["PVI_DATA"]) / "rayleigh_australia" / "sw_tomography.npz"
    with np.load(path, allow_pickle=False) as file:
        places, slowness = file["station_coords"], file["slowness"]
    level = np.zeros((len(places), 1))
    sources, receivers = (np.hstack([level, places[:, k : k + 2]]) for k in (0, 2))
    picks = Picks("degrees", sources, receivers, slowness, None)
    lengths = np.asarray(ray_lengths(GRID, picks).sum(axis=1))
    return Picks("degrees", sources, receivers, 1e3 * slowness * lengths, None)


def noise_of(lengths: Array) -> Array:
    """Return the sds of the noise [s] of paths of these lengths [km]."""
    return NOISE_S * np.sqrt(lengths / 400)


def read_case(grid: Grid = GRID) -> Case:
    """Return the linear problem on a grid."""
    picks = read_picks()
    rays = ray_lengths(grid, picks)
    seen = np.unique(rays.indices).astype(np.int64)
    return Case(grid, rays, picks.times, np.asarray(rays.sum(axis=1)), seen)


def prior_of(grid: Grid, length_deg: float, sd: float) -> WhittleMatern:
    """Return the Whittle-Matern prior of slowness [s/km]."""
    tree = {
        "kind": "whittle_matern",
        "marginal": "normal",
        "depth_m": [0],
        "mean_m_s": [MEAN],
        "sd_m_s": [sd],
        "length_m": [1.0, length_deg, round(length_deg / ASPECT, 3)],
    }
    prior = load_prior(PriorSettings.model_validate(tree), Cells.of(grid))
    assert isinstance(prior, WhittleMatern)
    return prior


def covariance(prior: WhittleMatern, cells: NDArray[np.int64]) -> Array:
    """Return the correlation of some cells of a prior `(k, k)`."""
    n, found = len(prior.lower), np.empty((len(cells), len(cells)))
    for first in range(0, len(cells), 500):
        part = cells[first : first + 500]
        unit = torch.zeros(len(part), n, dtype=torch.float64)
        unit[torch.arange(len(part)), torch.from_numpy(part)] = 1.0
        found[first : first + 500] = prior.covariance_product(unit).numpy()[:, cells]
    return 0.5 * (found + found.T)


def problem_of(case: Case, length_deg: float, sd: float, noise: Array) -> LinearGaussian:
    """Return the exact problem of the seen cells."""
    prior = sd**2 * covariance(prior_of(case.grid, length_deg, sd), case.seen)
    return LinearGaussian.of(case.rays[:, case.seen], case.times, noise, MEAN, prior)


def scan(grid: Grid, trials: list[tuple[float, float]]) -> Iterator[tuple[float, ...]]:
    """Yield exponent, length, noise at 400 km [s], prior sd [s/km] and log evidence."""
    case = read_case(grid)
    print(f"{grid.size} cells, {len(case.seen)} seen", flush=True)
    for exponent, length in trials:
        begun = time.monotonic()
        shape = (case.lengths / 400) ** exponent
        best = best_scales(problem_of(case, length, 0.02, shape))
        row = exponent, length, best.noise, 0.02 * best.prior, best.log_evidence
        took = time.monotonic() - begun
        print("exponent {:g} length {:g} deg noise {:.4f} s sd {:.5f} s/km "
              "evidence {:.1f}".format(*row), f"({took:.0f} s)", flush=True)  # fmt: skip
        yield row


def main() -> None:
    """Do what the command line asks for."""
    if sys.argv[1:2] == ["prepare"]:
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        picks, lengths = read_picks(), read_case().lengths
        names = ("lat", "lon")
        ends = (f"{end}_{n}_deg" for end in ("source", "receiver") for n in names)
        noise = noise_of(lengths)
        table = [picks.sources[:, 1:], picks.receivers[:, 1:], picks.times[:, None]]
        table.append(noise[:, None])
        header = ",".join([*ends, "travel_time_s", "sd_s"])
        np.savetxt(
            folder / "picks.csv", np.hstack(table), "%.9g", ",", header=header, comments=""
        )
        return
    lengths = [float(x) for x in sys.argv[2:]] or [0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
    coarse = list(scan(COARSE, [(e, length) for e in EXPONENTS for length in lengths]))
    exponent, length = max(coarse, key=lambda row: row[-1])[:2]
    list(scan(GRID, [(exponent, f * length) for f in (0.5, 0.6, 0.7)]))


if __name__ == "__main__":
    main()
