"""The survey of dispersion curves: measured ones, or made in a known model."""

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.dispersion.columns import Column, ColumnCurves, columns_of
from pvi_hpc.forward.dispersion.picks import DispersionPicks, read_dispersion
from pvi_hpc.forward.dispersion.settings import DispersionSettings, LayersSettings
from pvi_hpc.forward.external.observed import survey_of
from pvi_hpc.grid import Grid
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["survey_of_curves", "true_shear", "wanted"]

Array = NDArray[np.float64]


def wanted(settings: DispersionSettings, picks: DispersionPicks) -> DispersionPicks:
    """Return the picks that have a velocity; all of them, where it is to be computed.

    Raises
    ------
    SurveyError
        If there are none.
    """
    if settings.synthetic is not None:
        return picks
    found = np.flatnonzero(np.isfinite(picks.value))
    if not len(found):
        raise SurveyError(
            f"'{settings.picks}' must have at least one pick with a velocity; or set "
            "'forward.synthetic' to compute them."
        )
    return picks.part(found)


def survey_of_curves(
    settings: DispersionSettings, grid: Grid, attributes: dict[str, str]
) -> Survey:
    """Return one shot for each column with picks, velocities [m/s] as traces of one sample.

    `attributes` go into the survey's file.

    Raises
    ------
    SurveyError
        If the picks cannot be read, have no noise, or do not fit the grid.
    """
    columns = columns_of(wanted(settings, read_dispersion(settings.picks)), grid)
    if settings.synthetic is None:
        noise = [_noise(settings, column) for column in columns]
        return survey_of([column.picks.value for column in columns], noise, attributes)
    model = true_shear(settings.synthetic.model, grid)
    simulation, sd, data = ColumnCurves(settings, grid, columns), settings.synthetic, []
    for i in range(len(columns)):
        clean = simulation.run(model, i, gradient=False).value
        rng = keyed_rng(sd.seed, "noise", i + 1)
        data.append(clean + sd.noise_sd_m_s * rng.standard_normal(len(clean)))
    noise = [np.full(len(values), sd.noise_sd_m_s) for values in data]
    return survey_of(data, noise, {**attributes, "source": "synthetic"})


def true_shear(settings: ModelFileSettings | LayersSettings, grid: Grid) -> Array:
    """Return the true shear velocities at the cells of a grid, `(nz, ny, nx)` [m/s].

    Raises
    ------
    SurveyError
        If its file cannot be read, or is on another grid.
    """
    if isinstance(settings, ModelFileSettings):
        return read_model(settings, grid).astype(np.float64)
    layer = np.searchsorted(settings.depth_m, grid.axis(0), side="right") - 1
    vs = np.asarray(settings.vs_m_s)[np.maximum(layer, 0)]
    return np.broadcast_to(vs[:, None, None], grid.shape).copy()


def _noise(settings: DispersionSettings, column: Column) -> Array:
    """Return the noise sd of every pick of a column."""
    given = column.picks.noise_sd
    missing = np.isnan(given)
    if missing.any() and settings.noise_sd_m_s is None:
        raise SurveyError(
            f"'{settings.picks}' must have an error in 'sd_m_s' for every pick, or "
            f"'forward.noise_sd_m_s' must be set, got {int(missing.sum())} picks without; do "
            "either."
        )
    filled = np.where(missing, settings.noise_sd_m_s or 0.0, given)
    return np.maximum(filled, settings.noise_floor_m_s)
