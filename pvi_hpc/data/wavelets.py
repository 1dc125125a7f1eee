"""Source wavelets: analytic, read from a file, and brought to the solver's time step."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.settings import RickerSettings, WaveletSettings
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.errors import SurveyError

__all__ = [
    "for_solver",
    "max_frequency",
    "peak_frequency",
    "read_wavelet",
    "ricker",
    "same_interval",
    "wavelet_of",
]

Array = NDArray[np.float64]

#: Largest sample that a wavelet may lose when it is cut, relative to its largest sample.
NEGLIGIBLE = 1e-3


def ricker(settings: RickerSettings, dt: float, n: int) -> Wavelet:
    """Return `n` samples every `dt` [s] of a Ricker wavelet that peaks at `delay_s`.

    Raises
    ------
    SurveyError
        If the wavelet starts before t = 0 or ends after the last sample, where it would
        be cut off: 1 / peak_hz from its peak it has fallen to `NEGLIGIBLE`.

    Examples
    --------
    >>> from pvi_hpc.data.settings import RickerSettings
    >>> settings = RickerSettings(peak_hz=5.0, delay_s=0.24)
    >>> float(ricker(settings, 0.002, 801).samples[120])
    1.0
    """
    if settings.delay_s * settings.peak_hz < 1.0:
        raise SurveyError(
            f"'survey.wavelet.ricker.delay_s' must be at least 1 / peak_hz = "
            f"{1 / settings.peak_hz:g} s, or the wavelet's start is cut off, "
            f"got {settings.delay_s:g} s; use {1.2 / settings.peak_hz:g}."
        )
    end, last = settings.delay_s + 1 / settings.peak_hz, (n - 1) * dt
    if end > last:
        raise SurveyError(
            f"'survey.wavelet.ricker' lasts {end:g} s, longer than the simulation of "
            f"{last:g} s; use a longer record or a smaller 'delay_s'."
        )
    u = (np.pi * settings.peak_hz * (np.arange(n) * dt - settings.delay_s)) ** 2
    return Wavelet(settings.amplitude * (1 - 2 * u) * np.exp(-u), dt)


def read_wavelet(path: str | Path) -> Wavelet:
    """Read a text file: columns time [s] and value, or one column below ``# dt: 0.002``.

    Lines that start with ``#`` are comments; sample 0 must be at t = 0.

    Raises
    ------
    SurveyError
        If the file is missing, not a table of finite numbers, has no interval, does not
        start at t = 0 or is not evenly sampled.
    """
    table, text = _read_table(Path(path))
    if table.shape[1] == 1:
        return Wavelet(table[:, 0].copy(), _header_interval(text, path))
    time, samples = table.T
    if abs(time[0]) > 1e-9:
        raise SurveyError(
            f"'survey.wavelet.file' ({path}) must start at t = 0 s, got {time[0]:g} s; "
            "add zeros in front or cut it."
        )
    dt = float(time[-1] / (len(time) - 1))
    uneven = np.abs(time - dt * np.arange(len(time)))
    if dt <= 0 or uneven.max() > 1e-3 * dt:
        raise SurveyError(
            f"'survey.wavelet.file' ({path}) must be evenly sampled, but line "
            f"{int(uneven.argmax()) + 1} of the table is off by {uneven.max():g} s from "
            f"multiples of {dt:g} s; interpolate it to one interval."
        )
    return Wavelet(samples.copy(), round(dt, 12))


def wavelet_of(settings: WaveletSettings, dt: float, n_steps: int) -> Wavelet:
    """Return the wavelet a configuration asks for.

    A Ricker wavelet is sampled at the solver's step `dt` [s]; a file keeps its interval
    unless `resample` is set, in which case it comes back with `n_steps` samples of `dt`.
    """
    if settings.ricker is not None:
        return ricker(settings.ricker, dt, n_steps)
    assert settings.file is not None  # the configuration holds one or the other
    wavelet = read_wavelet(settings.file)
    if not settings.resample or same_interval(wavelet.dt, dt):
        return wavelet
    return Wavelet(for_solver(wavelet, dt, n_steps, resample=True), dt)


def for_solver(wavelet: Wavelet, dt: float, n_steps: int, resample: bool = False) -> Array:
    """Return the source term `(n_steps,)` at the solver's time steps `0, dt, 2 dt, ...`.

    Zeros follow a wavelet shorter than the simulation; of a longer one only what is below
    `NEGLIGIBLE` of its largest sample may be cut off. With `resample`, another interval
    is reached by band-limited (sinc) interpolation, which keeps sample 0 at t = 0.

    Raises
    ------
    SurveyError
        If the interval is not `dt` and `resample` is false, if the wavelet holds
        frequencies that steps of `dt` cannot carry, or if it outlasts the simulation.
    """
    # First: resampling a wavelet in microseconds as if it were in seconds would never end.
    _check_duration(wavelet, (n_steps - 1) * dt)
    if not same_interval(wavelet.dt, dt):
        if not resample:
            raise SurveyError(
                f"The wavelet is sampled every {wavelet.dt:g} s, the solver steps "
                f"{dt:g} s; set 'survey.wavelet.resample: true', or choose "
                "'forward.steps_per_sample' so that both agree."
            )
        wavelet = _resampled(wavelet, dt, n_steps)
    kept = wavelet.samples[:n_steps]
    return np.pad(kept, (0, n_steps - len(kept)))


def max_frequency(wavelet: Wavelet, fraction: float = 0.1) -> float:
    """Return the highest frequency whose amplitude reaches `fraction` of the peak's [Hz]."""
    frequency, amplitude = _spectrum(wavelet)
    return float(frequency[amplitude >= fraction * amplitude.max()].max())


def peak_frequency(wavelet: Wavelet) -> float:
    """Return the frequency of the largest amplitude [Hz]."""
    frequency, amplitude = _spectrum(wavelet)
    return float(frequency[amplitude.argmax()])


def same_interval(a: float, b: float) -> bool:
    """Tell whether two sampling intervals [s] agree to within 1e-6 of their size."""
    return abs(a - b) <= 1e-6 * max(a, b)


def _spectrum(wavelet: Wavelet) -> tuple[Array, Array]:
    n = 8 * max(len(wavelet.samples), 512)
    amplitude: Array = np.abs(np.fft.rfft(wavelet.samples, n))
    frequency: Array = np.arange(len(amplitude)) / (n * wavelet.dt)
    return frequency, amplitude


def _check_duration(wavelet: Wavelet, record: float) -> None:
    """Refuse a wavelet that lasts longer than `record` [s], but for what is negligible."""
    size = np.abs(wavelet.samples)
    needed = int(np.flatnonzero(size > NEGLIGIBLE * size.max())[-1]) if size.any() else 0
    lasts = needed * wavelet.dt
    if lasts <= record * (1 + 1e-6):
        return
    units = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
    likely = next((name for name, factor in units if lasts <= factor * record), None)
    remedy = "use a longer record or a shorter wavelet"
    # A wavelet lasts a fair part of the record; one in seconds is rarely 100 times as long.
    if likely and lasts > 100 * record:
        remedy = (
            f"its times look like {likely}: the first column of 'survey.wavelet.file' (or its "
            "line '# dt:') must be in seconds"
        )
    raise SurveyError(
        f"The wavelet lasts {lasts:g} s, longer than the simulation of {record:g} s; {remedy}."
    )


def _resampled(wavelet: Wavelet, dt: float, n_steps: int) -> Wavelet:
    nyquist = 0.5 / dt
    highest = max_frequency(wavelet, NEGLIGIBLE)
    if highest > nyquist:
        raise SurveyError(
            f"The wavelet holds frequencies up to {highest:.3g} Hz, but steps of {dt:g} s "
            f"carry at most {nyquist:.3g} Hz; raise 'forward.steps_per_sample' or filter "
            "'survey.wavelet.file'."
        )
    factor = round(dt / wavelet.dt)
    if same_interval(dt, factor * wavelet.dt):
        return Wavelet(wavelet.samples[::factor].copy(), dt)
    # One step of slack: the last instants of the old wavelet must not be lost.
    times = np.arange(min(int(np.ceil(wavelet.duration / dt)) + 1, n_steps)) * dt
    samples = np.arange(len(wavelet.samples))
    values = [np.sinc(t / wavelet.dt - samples) @ wavelet.samples for t in times]
    return Wavelet(np.array(values), dt)


def _read_table(path: Path) -> tuple[Array, str]:
    try:
        text = path.read_text()
        lines = [x for x in text.splitlines() if x.strip() and not x.lstrip().startswith("#")]
        rows = [[float(v) for v in x.replace(",", " ").split()] for x in lines]
    except (OSError, ValueError) as error:
        raise SurveyError(
            f"Cannot read 'survey.wavelet.file' ({path}): {error}. It must hold the "
            "columns time [s] and value."
        ) from error
    widths = sorted({len(row) for row in rows})
    if widths not in ([1], [2]) or len(rows) < 2:
        raise SurveyError(
            f"'survey.wavelet.file' ({path}) must hold at least 2 lines of 1 or 2 columns, "
            f"got {len(rows)} lines of {widths} columns."
        )
    table: NDArray[Any] = np.array(rows, dtype=np.float64)
    if not np.isfinite(table).all() or not table[:, -1].any():
        bad = "a value that is not finite" if not np.isfinite(table).all() else "only zeros"
        raise SurveyError(f"'survey.wavelet.file' ({path}) holds {bad}; repair the file.")
    return table, text


def _header_interval(text: str, path: str | Path) -> float:
    for line in text.splitlines():
        name, _, value = line.lstrip("# ").replace("=", ":").partition(":")
        if line.startswith("#") and name.strip() in ("dt", "dt_s"):
            try:
                dt = float(value.split()[0])
            except (IndexError, ValueError):
                break
            if dt > 0:
                return dt
    raise SurveyError(
        f"'survey.wavelet.file' ({path}) has one column and no interval; add the line "
        "'# dt: 0.002' [s] on top, or a first column of times."
    )
