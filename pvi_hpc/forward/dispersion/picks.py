"""Measured points of dispersion curves, from a CSV table or the SURF96 text format."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.dispersion.curves import WAVES

__all__ = ["DispersionPicks", "read_dispersion"]

Array = NDArray[np.float64]

KINDS: Final = ("phase", "group")
#: Letters of SURF96 (Herrmann 2013, Seism. Res. Lett. 84): wave, and phase or group velocity.
SURF96_WAVES: Final = {"R": 0, "L": 1}
SURF96_KINDS: Final = {"C": 0, "U": 1}
SURF96_LENGTHS: Final = (8, 9)
NEEDED: Final = ("wave", "velocity", "period_s")


@dataclass(frozen=True)
class DispersionPicks:
    """Points of dispersion curves `(n,)`, and the velocities that were measured.

    Parameters
    ----------
    wave, mode
        0 for Rayleigh and 1 for Love; 0 for the fundamental mode.
    group
        1 for a group velocity, 0 for a phase velocity.
    period
        Periods [s].
    value, noise_sd
        Velocities and the standard deviations of their errors [m/s]; NaN where there is none.
    place
        Where the curve was measured, `(n, 2)`, each `(y, x)` [m]; NaN where it is not said.
    """

    wave: NDArray[np.int32]
    mode: NDArray[np.int32]
    group: NDArray[np.int32]
    period: Array
    value: Array
    noise_sd: Array
    place: Array

    def part(self, rows: NDArray[np.intp]) -> "DispersionPicks":
        """Return some of the picks."""
        return DispersionPicks(*(getattr(self, f.name)[rows] for f in fields(self)))


def read_dispersion(path: str | Path) -> DispersionPicks:
    """Read picks from a CSV file with a line of names, or from SURF96 text.

    Columns are `wave` (rayleigh, love), `velocity` (phase, group), `period_s` and perhaps
    `mode`, `velocity_m_s`, `sd_m_s`, `y_m` and `x_m`. Lines of SURF96 are `SURF96 R C X 0
    22.44 3.7014 0.1202`: wave (R, L), velocity (C, U), a flag, mode, period [s], velocity and
    error [km/s]. A velocity of nothing, NaN or 0 is a missing pick.

    Raises
    ------
    SurveyError
        If the file cannot be read, or a value is not what it must be.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise SurveyError(f"'{path}' must be a text file that can be read: {fault}.") from fault
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise SurveyError(f"'{path}' must have a line for each pick, got an empty file.")
    if lines[0][1].split()[0].upper() == "SURF96":
        rows = [_surf96(line, i, path) for i, line in lines]
    else:
        rows = _table(lines, path)
    columns = list(zip(*rows, strict=True))
    value = np.array(columns[4])
    whole = [np.array(c, dtype=np.int32) for c in columns[:3]]
    return DispersionPicks(
        whole[0], whole[1], whole[2], np.array(columns[3]),
        np.where(value == 0, np.nan, value), np.array(columns[5]), np.array(columns[6:]).T,
    )  # fmt: skip


#: Wave, mode, group, period, velocity, sd, y, x.
Row = tuple[float, ...]


def _surf96(line: str, i: int, path: str | Path) -> Row:
    words = line.split()
    if words[0].upper() != "SURF96" or len(words) not in SURF96_LENGTHS:
        raise SurveyError(
            f"'{path}', line {i}: must be 'SURF96 wave velocity flag mode period value error', "
            f"got '{line}'."
        )
    wave = _one_of(words[1].upper(), SURF96_WAVES, "the wave", i, path)
    group = _one_of(words[2].upper(), SURF96_KINDS, "the velocity", i, path)
    mode, period, value, sd = (
        _number(word, name, i, path)
        for word, name in zip(words[4:8], ("mode", "period", "value", "error"), strict=True)
    )
    row = (wave, mode, group, period, 1e3 * value, 1e3 * sd, np.nan, np.nan)
    return _checked(row, i, path)


def _table(lines: list[tuple[int, str]], path: str | Path) -> list[Row]:
    try:
        reader = csv.reader([line for _, line in lines], skipinitialspace=True, strict=True)
        header, *rows = [[word.strip() for word in row] for row in reader]
    except csv.Error as fault:
        raise SurveyError(f"'{path}' must be a CSV file that can be read: {fault}.") from fault
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise SurveyError(
            f"'{path}' must have a column '{missing[0]}', or be SURF96 text, got "
            f"{', '.join(header)}."
        )
    if not rows:
        raise SurveyError(f"'{path}' must have a line for each pick below its names.")
    return [_csv_row(header, row, i, path) for (i, _), row in zip(lines[1:], rows, strict=True)]


def _csv_row(header: list[str], words: list[str], i: int, path: str | Path) -> Row:
    if len(words) != len(header):
        raise SurveyError(
            f"'{path}', line {i}: must have {len(header)} values, got {len(words)}."
        )
    row = dict(zip(header, words, strict=True))
    wave = _one_of(row["wave"].lower(), {w: k for k, w in enumerate(WAVES)}, "'wave'", i, path)
    group = _one_of(
        row["velocity"].lower(), {w: k for k, w in enumerate(KINDS)}, "'velocity'", i, path
    )
    mode = _number(row.get("mode") or "0", "mode", i, path)
    names = ("period_s", "velocity_m_s", "sd_m_s", "y_m", "x_m")
    period, value, sd, y, x = (_number(row.get(n) or "nan", n, i, path) for n in names)
    return _checked((wave, mode, group, period, value, sd, y, x), i, path)


def _checked(row: Row, i: int, path: str | Path) -> Row:
    """Return the row; SurveyError for a value that cannot be."""
    _, mode, _, period, value, sd = row[:6]
    for wrong, name, must, got in (
        (not (mode >= 0 and mode == int(mode)), "mode", "0 or a positive whole number", mode),
        (not (period > 0 and np.isfinite(period)), "period", "positive", period),
        (value < 0 or np.isinf(value), "velocity", "positive, or 0 for a missing pick", value),
        (sd <= 0 and value > 0, "error", "positive", sd),
    ):
        if wrong:
            raise SurveyError(f"'{path}', line {i}: the {name} must be {must}, got {got:g}.")
    return row


def _one_of(word: str, known: dict[str, int], what: str, i: int, path: str | Path) -> int:
    if word not in known:
        raise SurveyError(
            f"'{path}', line {i}: {what} must be {' or '.join(known)}, got '{word}'; take "
            "other lines out."
        )
    return known[word]


def _number(word: str, name: str, i: int, path: str | Path) -> float:
    try:
        return float(word)
    except ValueError:
        raise SurveyError(
            f"'{path}', line {i}: '{name}' must be a number, got '{word}'."
        ) from None
