"""Draw docs/images/priors.png: one draw from each of six priors with the same marginals."""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from pvi_hpc.grid import Grid
from pvi_hpc.priors import PriorSettings, load_prior

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "priors.png"

GRID = Grid((60, 8, 160), (25.0, 25.0, 25.0))
TABLES = {"depth_m": [0, 1500], "lower_m_s": [1500, 2500], "upper_m_s": [2500, 4500]}
DEEPER = {"depth_m": [0, 1500], "values": [60, 250]}
WIDER = {"depth_m": [0, 1500], "values": [200, 1000]}
PRIORS = {
    "uniform": {"kind": "uniform"},
    "matern, length_m: 250 (smoothness: 1.5)": {"kind": "matern", "length_m": 250},
    "matern, length_m: [150, 800, 800], smoothness: [0.5, 1.5, 1.5]": {
        "kind": "matern", "length_m": [150, 800, 800], "smoothness": [0.5, 1.5, 1.5]
    },
    "smoothed, length_m: [60, 250, 250]": {"kind": "smoothed", "length_m": [60, 250, 250]},
    "whittle_matern, alpha: 4, lengths that grow with depth": {
        "kind": "whittle_matern", "length_m": [DEEPER, WIDER, WIDER], "alpha": 4
    },
    "whittle_matern, alpha: 4, length_m: [80, 500, 500], dip_deg: 20": {
        "kind": "whittle_matern", "length_m": [80, 500, 500], "dip_deg": 20, "alpha": 4
    },
}  # fmt: skip


def section(keys: dict[str, object]) -> NDArray[np.float64]:
    """Return the middle inline section `(nz, nx)` [m/s] of a draw."""
    settings = PriorSettings.model_validate({**keys, **TABLES})
    prior = load_prior(settings, settings.cells(GRID))
    model = prior.sample(np.random.default_rng(7), 1).reshape(GRID.shape)
    return model[:, GRID.shape[1] // 2]


def picture() -> Figure:
    """Draw the sections, three by two on one scale."""
    figure = Figure(figsize=(9.4, 5.3), layout="constrained")
    panels = figure.subplots(3, 2, sharex=True, sharey=True)
    for axes, (title, keys) in zip(panels.flat, PRIORS.items(), strict=True):
        image = axes.imshow(
            section(keys) / 1000, extent=(0, 4, 1.5, 0), vmin=1.5, vmax=4.5, cmap="viridis"
        )
        axes.set_title(title, fontsize=8)
    for axes in panels[:, 0]:
        axes.set_ylabel("z [km]")
    for axes in panels[-1]:
        axes.set_xlabel("x [km]")
    figure.colorbar(image, ax=panels, label="velocity [km/s]", shrink=0.8)
    return figure


if __name__ == "__main__":
    with io.BytesIO() as buffer:
        picture().savefig(buffer, format="png", dpi=90)
        # One byte a pixel: half the size, and nobody sees it.
        Image.open(buffer).convert("RGB").quantize(160).save(PICTURE, optimize=True)
