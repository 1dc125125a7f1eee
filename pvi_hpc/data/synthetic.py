"""Synthetic surveys: a plausible geology, a geometry, and noise, all from seeds."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.settings import GeneratorSettings, PositionsSettings, SyntheticSettings
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["add_noise", "generate_model", "geometry"]

Array = NDArray[np.float64]

WATER_VELOCITY: Final = 1500.0
#: Wave speed of a channel, relative to the layer it is cut into.
CHANNEL_FACTOR: Final = 0.85
#: Vertical points a cell is averaged over, so that dipping layers have no stairs.
SUBSAMPLES: Final = 4
#: Noise sd used at level 0, as a fraction of the rms: a likelihood needs a noise.
LEAST_LEVEL: Final = 0.01


@dataclass(frozen=True)
class _Geology:
    """Geology drawn at random; depths are below the sea bed, before folding [m]."""

    tops: Array  # (n_layers - 1,) interfaces
    factors: Array  # (n_layers,) velocity over the compaction trend
    fold: Array  # (ny, nx) downward displacement [m]
    faults: Array  # (n_faults, 5) y, x [m], strike, dip [rad], throw [m]
    channels: Array  # (n_channels, 6) y [m], amplitude, wavelength [m], phase, width, depth
    thickness: float  # of a channel [m]


def generate_model(settings: GeneratorSettings, grid: Grid) -> NDArray[np.float32]:
    """Return a layered, folded and faulted model with channels, `(nz, ny, nx)` [m/s].

    The velocity grows linearly with stratigraphic depth (compaction), layers differ from
    that trend by up to `contrast`, and all but water lies within
    `velocity_top_m_s * (1 - contrast)` and `velocity_bottom_m_s * (1 + contrast)`.

    Raises
    ------
    SurveyError
        If the water is deeper than the grid.
    """
    # A grid of one depth is that thick: layers then meet it where they are folded.
    thickness = max(grid.upper[0], grid.origin[0] + grid.spacing[0]) - settings.water_m
    if thickness <= 0:
        raise SurveyError(
            f"'synthetic.model.water_m' must be less than the grid's depth of "
            f"{grid.upper[0]:g} m, got {settings.water_m:g}."
        )
    geology = _draw(settings, grid, thickness)
    slowness = np.zeros(grid.shape)
    for i in range(SUBSAMPLES):
        shift = ((i + 0.5) / SUBSAMPLES - 0.5) * grid.spacing[0]
        slowness += 1 / _velocity(settings, grid, geology, thickness, shift)
    model = SUBSAMPLES / slowness
    low = settings.velocity_top_m_s * (1 - settings.contrast)
    high = settings.velocity_bottom_m_s * (1 + settings.contrast)
    model = np.clip(model, low, high)
    model[grid.axis(0) < settings.water_m] = WATER_VELOCITY
    return model.astype(np.float32)


def geometry(settings: SyntheticSettings, wavelet: Wavelet) -> Survey:
    """Return the survey without data; every shot has all receivers, `noise_sd` is 1.

    Shots are numbered from 1, x fastest; so are receivers.
    """
    receivers = _array(settings.receivers)
    shots = tuple(
        Shot(
            id=i + 1,
            source=source,
            receivers=receivers,
            data=np.empty((len(receivers), 0), dtype=np.float32),
            noise_sd=np.ones(len(receivers)),
        )
        for i, source in enumerate(_array(settings.sources))
    )
    attributes = {"source": "synthetic", "format": "synthetic"}
    return Survey(shots, wavelet, settings.dt_s, settings.n_samples, attributes)


def add_noise(survey: Survey, level: float, seed: int) -> Survey:
    """Add white Gaussian noise of sd `level` times the rms of all clean data.

    The sd is the same on all traces and becomes their `noise_sd`. Level 0 adds nothing,
    but sets `noise_sd` to 1 % of the rms, so that the likelihood stays defined.

    Raises
    ------
    SurveyError
        If the clean data are all zero or not finite.
    """
    power = sum(float(np.sum(np.square(s.data, dtype=np.float64))) for s in survey.shots)
    rms = float(np.sqrt(power / max(1, sum(s.data.size for s in survey.shots))))
    if not np.isfinite(rms) or rms == 0:
        raise SurveyError(
            f"The simulated data have an rms of {rms:g}, so that 'synthetic.noise_level' has "
            "no meaning; check 'survey.wavelet', the positions and 'solver'."
        )
    sd = (level or LEAST_LEVEL) * rms
    data = []
    for shot in survey.shots:
        noise = keyed_rng(seed, "noise", shot.id).standard_normal(shot.data.shape)
        data.append((shot.data + level * rms * noise).astype(np.float32))
    noisy = survey.with_data(data)
    shots = tuple(replace(s, noise_sd=np.full(len(s.receivers), sd)) for s in noisy.shots)
    attributes = {**survey.attributes, "clean_rms": f"{rms:.6e}", "noise_sd": f"{sd:.6e}"}
    return replace(noisy, shots=shots, attributes=attributes)


def _array(positions: PositionsSettings) -> Array:
    lines = [0.0] if positions.y is None else positions.y.points
    points = [(positions.depth_m, y, x) for y in lines for x in positions.x.points]
    return np.array(points, dtype=np.float64)


def _draw(settings: GeneratorSettings, grid: Grid, thickness: float) -> _Geology:
    rng = keyed_rng(settings.seed, "layers")
    weights = np.cumsum(rng.uniform(0.5, 1.5, settings.n_layers))
    # Alternating signs: neighbours differ, as sand and shale or lime and marl do.
    signs = np.where(np.arange(settings.n_layers) % 2, 1.0, -1.0)
    factors = 1 + settings.contrast * signs * rng.uniform(0.3, 1.0, settings.n_layers)
    extent = [n * h for n, h in zip(grid.shape[1:], grid.spacing[1:], strict=True)]

    rng = keyed_rng(settings.seed, "faults")
    n = settings.n_faults
    faults = np.column_stack(
        [
            grid.origin[1] + extent[0] * rng.uniform(0.2, 0.8, n),
            grid.origin[2] + extent[1] * rng.uniform(0.2, 0.8, n),
            rng.uniform(-0.5, 0.5, n) + np.pi * rng.integers(0, 2, n),
            np.radians(rng.uniform(55, 75, n)),
            settings.throw_m * rng.uniform(0.6, 1.0, n),
        ]
    )
    rng = keyed_rng(settings.seed, "channels")
    n = settings.n_channels
    channels = np.column_stack(
        [
            grid.origin[1] + extent[0] * rng.uniform(0.3, 0.7, n),
            extent[0] * rng.uniform(0.08, 0.16, n),
            extent[1] * rng.uniform(0.5, 0.9, n),
            rng.uniform(0, 2 * np.pi, n),
            np.maximum(extent[0] * rng.uniform(0.05, 0.09, n), 2 * grid.spacing[1]),
            thickness * rng.uniform(0.2, 0.6, n),
        ]
    )
    return _Geology(
        tops=thickness * weights[:-1] / weights[-1],
        factors=factors,
        fold=settings.fold_m * _fold(settings.seed, grid, extent),
        faults=faults,
        channels=channels,
        thickness=max(0.08 * thickness, 2.5 * grid.spacing[0]),
    )


def _fold(seed: int, grid: Grid, extent: list[float]) -> Array:
    """Return a smooth surface `(ny, nx)` within -1 and 1: waves about one strike."""
    rng = keyed_rng(seed, "fold")
    strike = rng.uniform(0, np.pi)
    y, x = grid.axis(1)[:, None], grid.axis(2)[None, :]
    surface = np.zeros((grid.shape[1], grid.shape[2]))
    for wavelength in max(extent) * np.array([1.3, 0.9, 0.6, 0.45]):
        angle, phase = strike + 0.5 * rng.standard_normal(), rng.uniform(0, 2 * np.pi)
        along = y * np.sin(angle) + x * np.cos(angle)
        surface += wavelength * np.cos(2 * np.pi * along / wavelength + phase)
    surface -= surface.mean()
    # One column of cells has no folds.
    scaled: Array = surface / (np.abs(surface).max() or 1.0)
    return scaled


def _velocity(
    settings: GeneratorSettings, grid: Grid, geology: _Geology, thickness: float, shift: float
) -> Array:
    depth = _stratigraphic_depth(settings, grid, geology, thickness, shift)
    growth = (settings.velocity_bottom_m_s - settings.velocity_top_m_s) / thickness
    layer = np.searchsorted(geology.tops, depth)
    factor = geology.factors[layer]
    for channel in geology.channels:
        factor = np.where(_in_channel(depth, grid, channel, geology.thickness),
                          CHANNEL_FACTOR * factor, factor)  # fmt: skip
    trend = settings.velocity_top_m_s + growth * np.clip(depth, 0, thickness)
    velocity: Array = trend * factor
    return velocity


def _stratigraphic_depth(
    settings: GeneratorSettings, grid: Grid, geology: _Geology, thickness: float, shift: float
) -> Array:
    """Return the depth below the sea bed [m] each point had before faults and folds."""
    z = grid.axis(0)[:, None, None] + shift - settings.water_m
    y, x = grid.axis(1)[None, :, None], grid.axis(2)[None, None, :]
    middle = thickness / 2
    depth = np.broadcast_to(z, grid.shape).copy()
    for y0, x0, strike, dip, throw in geology.faults:
        across = (y - y0) * np.sin(strike) + (x - x0) * np.cos(strike)
        # The hanging wall lies above the plane and went down.
        hanging = across * np.sin(dip) - (z - middle) * np.cos(dip) > 0
        depth -= throw * hanging
    # Folds die out upwards, as those that grew while the layers were laid down.
    growth = 0.3 + 0.7 * np.clip(depth / thickness, 0, 1)
    folded: Array = depth - growth * geology.fold[None]
    return folded


def _in_channel(
    depth: Array, grid: Grid, channel: Array, thickness: float
) -> NDArray[np.bool_]:
    """Tell which points lie in a sinuous channel with a parabolic floor and a flat top."""
    y0, amplitude, wavelength, phase, width, top = channel
    y, x = grid.axis(1)[:, None], grid.axis(2)[None, :]
    angle = 2 * np.pi * x / wavelength + phase
    slope = 2 * np.pi * amplitude / wavelength * np.cos(angle)
    offset = (y - y0 - amplitude * np.sin(angle)) / np.sqrt(1 + slope**2)
    floor = top + thickness * (1 - (offset / width) ** 2)
    inside: NDArray[np.bool_] = (depth >= top) & (depth <= floor[None])
    return inside
