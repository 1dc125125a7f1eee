"""The section of the Overthrust model that `config/overthrust2d.yaml` inverts.

    python benchmarks/overthrust2d_case.py prepare input/overthrust2d
    python benchmarks/overthrust2d_case.py score results/overthrust2d/precision

The model is `overthrust2d/vp.h5` of `$PVI_DATA` (SEG and EAGE), 121 x 401 nodes at 25 m with
500 m of water. The acquisition that this field publishes has 250 x 110 nodes at 20 m: the
middle of the section, below the first 300 m of the water, linear between the nodes. `score`
prints how a finished run compares with it, by thirds of the depths, as a JSON object.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from pvi_hpc.data.model_file import write_model
from pvi_hpc.grid import Grid

__all__ = ["GRID", "read_section"]

GRID: Final = Grid((110, 1, 250), (20.0, 20.0, 20.0))
#: Depth and distance along the section of the first node of the grid [m].
FIRST_M: Final = (300.0, 2500.0)
WATER_M_S: Final = 1500.0
SEA_BED_M: Final = 500.0


def read_section() -> NDArray[np.float64]:
    """Return the velocity of the section `(110, 1, 250)` [m/s]."""
    path = Path(os.environ["PVI_DATA"]) / "overthrust2d" / "vp.h5"
    with h5py.File(path) as file:
        nodes = file["vp"][...].astype(np.float64)
        spacing = float(file["vp"].attrs["spacing_m"])
    axes = tuple(spacing * np.arange(n) for n in nodes.shape)
    z, x = (GRID.axis(i) + first for i, first in zip((0, 2), FIRST_M, strict=True))
    places = np.stack(np.meshgrid(z, x, indexing="ij"), axis=-1)
    model: NDArray[np.float64] = RegularGridInterpolator(axes, nodes)(places)
    # The sea bed stays sharp: nothing lies between water and rock.
    model[z < SEA_BED_M] = WATER_M_S
    return model[:, None, :]


def scores(run: Path) -> dict[str, Any]:
    """Return ELBO, chi-squared, and the errors and coverage of a run by thirds of depth."""
    summary = json.loads((run / "summary.json").read_text())
    with h5py.File(run / "posterior.h5") as file:
        names = ("true", "mean", "sd", "prior_sd", "quantile", "quantiles")
        true, mean, sd, prior_sd, levels, quantiles = (file[name][...] for name in names)
    unknown = prior_sd[:, 0, 0] > 0
    rows = np.array_split(np.flatnonzero(unknown), 3)
    found: dict[str, Any] = {k: summary[k] for k in ("elbo", "elbo_se", "chi_squared")}
    found["simulations"] = summary["simulations"]["for the posterior"]
    found["rms_m_s"] = [float(np.sqrt(np.mean((true - mean)[z] ** 2))) for z in rows]
    found["sd_m_s"] = [float(sd[z].mean()) for z in rows]
    found["sd_of_prior"] = [float((sd[z] / prior_sd[z]).mean()) for z in rows]
    for name, low, high in (("coverage_90", 0.05, 0.95), ("coverage_50", 0.25, 0.75)):
        a, b = (quantiles[int(abs(levels - p).argmin())] for p in (low, high))
        found[name] = [float(((true >= a) & (true <= b))[z].mean()) for z in rows]
    kept = true[unknown].ravel(), mean[unknown].ravel()
    found["correlation"] = float(np.corrcoef(*kept)[0, 1])
    return found


def main() -> None:
    """Write the section into a folder, or print the scores of a run."""
    match sys.argv[1:]:
        case ["prepare", folder]:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write_model(read_section(), GRID, Path(folder) / "vp.h5")
        case ["score", run]:
            print(json.dumps(scores(Path(run))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
