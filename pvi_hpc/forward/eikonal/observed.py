"""The survey of travel times: from tables of picks and stations, or made in a known model."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.picks import Picks, read_picks, read_stations
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.eikonal.settings import BallsSettings, EikonalSettings
from pvi_hpc.forward.eikonal.times import Rays, TravelTimes
from pvi_hpc.grid import Grid
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["survey_of_times", "true_velocity"]

Array = NDArray[np.float64]

CARTESIAN: Final = (
    "must be in metres with 'forward.kind: eikonal', got degrees; project them to y_m and x_m "
    "first, or use 'forward.kind: linear' with great-circle rays"
)


def survey_of_times(
    settings: EikonalSettings, grid: Grid, attributes: dict[str, str]
) -> Survey:
    """Return one shot for each source, times as traces of one sample.

    Missing picks are left out. `attributes` go into the survey's file.

    Raises
    ------
    SurveyError
        If a table cannot be read, has no noise, or positions outside the grid where times are
        to be made.
    """
    picks = _picks(settings)
    if picks.units != "metres":
        raise SurveyError(f"Positions of 'forward.picks' or 'forward.stations' {CARTESIAN}.")
    shots = [
        (source, rows)
        for source, rows in _by_source(picks)
        if settings.synthetic is not None or np.isfinite(picks.times[rows]).any()
    ]
    if not shots:
        raise SurveyError("'forward.picks' must have at least one pick with a time.")
    if settings.synthetic is not None:
        return _synthetic(
            settings, grid, [(s, picks.receivers[r]) for s, r in shots], attributes
        )
    noise = _noise(settings, picks)
    found = []
    for source, rows in shots:
        its = rows[np.isfinite(picks.times[rows])]
        found.append((Rays(source, picks.receivers[its]), picks.times[its], noise[its]))
    return _survey(found, attributes)


def true_velocity(settings: ModelFileSettings | BallsSettings, grid: Grid) -> Array:
    """Return the true model at the cells of a grid, `(nz, ny, nx)` [m/s].

    Raises
    ------
    SurveyError
        If its file cannot be read, or is on another grid.
    """
    if isinstance(settings, ModelFileSettings):
        return read_model(settings, grid).astype(np.float64)
    z, y, x = (grid.axis(i) for i in range(3))
    model = np.full(grid.shape, settings.background_m_s)
    for ball in settings.balls:
        # An axis of one cell is no axis.
        parts = [
            (axis - centre) ** 2 if len(axis) > 1 else 0 * axis
            for axis, centre in zip((z, y, x), ball.centre_m, strict=True)
        ]
        square = parts[0][:, None, None] + parts[1][:, None] + parts[2]
        model[square <= ball.radius_m**2] = ball.velocity_m_s
    return model


def _picks(settings: EikonalSettings) -> Picks:
    """Return the picks of the table, or one without a time for each pair of stations."""
    if settings.picks is not None:
        return read_picks(settings.picks, settings.stations)
    assert settings.stations is not None  # the settings ask for it
    units, places = read_stations(settings.stations)
    if len(places) < 2:
        raise SurveyError(f"'{settings.stations}' must have at least two stations.")
    first, second = np.triu_indices(len(places), k=1)
    times = np.full(len(first), np.nan)
    return Picks(units, places[first], places[second], times, None)


def _by_source(picks: Picks) -> list[tuple[Array, NDArray[np.intp]]]:
    """Return each source and its picks, sources in the order in which they come first."""
    places, first, which = np.unique(
        picks.sources, axis=0, return_index=True, return_inverse=True
    )
    which = np.reshape(which, -1)
    return [(places[i], np.flatnonzero(which == i)) for i in np.argsort(first)]


def _noise(settings: EikonalSettings, picks: Picks) -> Array:
    """Return the noise sd of every pick."""
    if picks.noise_sd is not None:
        return picks.noise_sd
    if settings.noise_sd_s is None:
        raise SurveyError(
            f"'{settings.picks}' must have a column 'sd_s', or 'forward.noise_sd_s' must be "
            "set; do either."
        )
    return np.full(len(picks.times), settings.noise_sd_s)


def _synthetic(
    settings: EikonalSettings,
    grid: Grid,
    pairs: Sequence[tuple[Array, Array]],
    attributes: dict[str, str],
) -> Survey:
    """Return times in the true model, with noise."""
    assert settings.synthetic is not None
    rays = [Rays(source, receivers) for source, receivers in pairs]
    for ray in rays:
        places = np.vstack([ray.source, ray.receivers])
        inside = grid.contains(places)
        if not inside.all():
            z, y, x = places[int((~inside).argmax())]
            raise SurveyError(
                f"A station of 'forward.stations' or 'forward.picks' must lie between the "
                f"first and the last cell of 'grid', got (z, y, x) = ({z:g}, {y:g}, {x:g}) m; "
                "enlarge the grid, or leave it out."
            )
    refinement, model = settings.refinement_of_truth, settings.synthetic.model
    fine = refinement.fine(grid)
    if isinstance(model, ModelFileSettings):
        velocity = refinement.refine(true_velocity(model, grid))
    else:
        velocity = true_velocity(model, fine)
    sd, found = settings.synthetic.noise_sd_s, []
    for i, (ray, times) in enumerate(zip(rays, TravelTimes(fine, rays).times(1 / velocity),
                                         strict=True)):  # fmt: skip
        rng = keyed_rng(settings.synthetic.seed, "noise", i + 1)
        found.append(
            (ray, times + sd * rng.standard_normal(len(times)), np.full(len(times), sd))
        )
    return _survey(found, {**attributes, "source": "synthetic"})


def _survey(found: list[tuple[Rays, Array, Array]], attributes: dict[str, str]) -> Survey:
    shots = tuple(
        Shot(i + 1, ray.source, ray.receivers, times[:, None].astype(np.float32), noise)
        for i, (ray, times, noise) in enumerate(found)
    )
    return Survey(shots, Wavelet(np.zeros(1), 1.0), 1.0, 1, attributes)
