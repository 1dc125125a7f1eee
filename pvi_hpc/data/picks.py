"""Travel times between pairs of points, from a table of picks and one of stations."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SurveyError

__all__ = ["Picks", "read_picks", "read_stations"]

Array = NDArray[np.float64]
Units = Literal["degrees", "metres"]

#: Columns of a position `(z, y, x)` in each of the units; those in brackets may be missing.
COLUMNS: Final[dict[Units, tuple[str, str, str]]] = {
    "degrees": ("[depth]", "lat_deg", "lon_deg"),
    "metres": ("[z_m]", "y_m", "x_m"),
}


@dataclass(frozen=True)
class Picks:
    """Travel times from sources to receivers.

    Parameters
    ----------
    units
        Units of the positions; degrees: latitude and longitude are y and x.
    sources, receivers
        Positions `(n, 3)`, each `(z, y, x)`.
    times
        Travel times `(n,)` [s]; NaN for a missing pick.
    noise_sd
        Standard deviations of their errors `(n,)` [s]; None where the table has none.
    """

    units: Units
    sources: Array
    receivers: Array
    times: Array
    noise_sd: Array | None


def read_picks(path: str | Path, stations: str | Path | None = None) -> Picks:
    """Read picks from a CSV file with a line of names.

    Columns are `travel_time_s`, where nothing, NaN or 0 marks a missing pick, perhaps `sd_s`,
    and for `source` and for `receiver` either `source_lat_deg` and `source_lon_deg`, or
    `source_y_m`, `source_x_m` and perhaps `source_z_m`, or `source_station`: a name in the
    column `station` of the CSV file `stations`, which has the others without the prefix.

    Raises
    ------
    SurveyError
        If a file cannot be read, a column or a station is missing, or a number is none.
    """
    rows = _rows(path)
    places = {} if stations is None else _stations(stations)
    names = rows[0].keys()
    if "travel_time_s" not in names:
        raise SurveyError(
            f"'{path}' must have a column 'travel_time_s', got {', '.join(names)}."
        )
    ends = [_ends(end, rows, places, path) for end in ("source", "receiver")]
    if ends[0][0] != ends[1][0]:
        raise SurveyError(f"'{path}' must have sources and receivers in the same units.")
    times = np.array([_number(row, "travel_time_s", i, path) for i, row in enumerate(rows)])
    _refuse(times < 0, times, "travel_time_s", "positive, or 0 for a missing pick", path)
    missing = np.isnan(times) | (times == 0)
    sd = None
    if "sd_s" in names:
        sd = np.array([_number(row, "sd_s", i, path) for i, row in enumerate(rows)])
        _refuse(~(sd > 0) & ~missing, sd, "sd_s", "positive", path)
    return Picks(ends[0][0], ends[0][1], ends[1][1], np.where(missing, np.nan, times), sd)


def read_stations(path: str | Path) -> tuple[Units, Array]:
    """Return the units and the positions `(n, 3)` of a CSV file of stations, in its order.

    Raises
    ------
    SurveyError
        If it cannot be read, a column is missing, or a number is none.
    """
    places = list(_stations(path).values())
    return places[0][0], np.array([place for _, place in places])


def _rows(path: str | Path) -> list[dict[str, str]]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True, strict=True)
            rows = [{str(k).strip(): v for k, v in row.items()} for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as fault:
        raise SurveyError(f"'{path}' must be a CSV file that can be read: {fault}.") from fault
    if not rows:
        raise SurveyError(f"'{path}' must have a line of names and one for each pick.")
    return rows


def _stations(path: str | Path) -> dict[str, tuple[Units, Array]]:
    rows = _rows(path)
    if "station" not in rows[0]:
        raise SurveyError(f"'{path}' must have a column 'station', got {', '.join(rows[0])}.")
    units, places = _positions("", rows, path)
    return {row["station"].strip(): (units, p) for row, p in zip(rows, places, strict=True)}


def _ends(
    end: str,
    rows: list[dict[str, str]],
    places: Mapping[str, tuple[Units, Array]],
    path: str | Path,
) -> tuple[Units, Array]:
    """Return the units and positions `(n, 3)` of one end of every pick."""
    column = f"{end}_station"
    if column not in rows[0]:
        return _positions(f"{end}_", rows, path)
    if not places:
        raise SurveyError(
            f"'{path}' names stations in '{column}': give the file of stations too "
            "('--stations')."
        )
    found: list[Array] = []
    for i, row in enumerate(rows):
        name = (row[column] or "").strip()
        if name not in places:
            raise SurveyError(
                f"'{path}', pick {i + 1}: '{column}' must be a station of the other file, got "
                f"'{name}'."
            )
        found.append(places[name][1])
    return next(iter(places.values()))[0], np.array(found)


def _positions(
    prefix: str, rows: list[dict[str, str]], path: str | Path
) -> tuple[Units, Array]:
    for units, (z, y, x) in COLUMNS.items():
        if {prefix + y, prefix + x} <= rows[0].keys():
            names = [f"{prefix}{z[1:-1]}", prefix + y, prefix + x]
            given = [n if n in rows[0] else None for n in names]
            found = np.array(
                [
                    [0.0 if n is None else _number(row, n, i, path) for n in given]
                    for i, row in enumerate(rows)
                ]
            )
            lost = ~np.isfinite(found).all(axis=1)
            _refuse(lost, found.sum(axis=1), f"{prefix}{y}, {prefix}{x}", "numbers", path)
            if units == "degrees":
                _refuse(np.abs(found[:, 1]) > 90, found[:, 1], prefix + y, "-90 to 90", path)
            return units, found
    choices = " or ".join(f"'{prefix}{y}' and '{prefix}{x}'" for _, y, x in COLUMNS.values())
    raise SurveyError(f"'{path}' must have the columns {choices}, got {', '.join(rows[0])}.")


def _number(row: Mapping[str, str | None], column: str, index: int, path: str | Path) -> float:
    text = (row[column] or "").strip()
    if not text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise SurveyError(
            f"'{path}', line {index + 2}: '{column}' must be a number, got '{text}'."
        ) from None


def _refuse(
    wrong: NDArray[np.bool_], values: Array, column: str, must: str, path: str | Path
) -> None:
    if wrong.any():
        i = int(wrong.argmax())
        raise SurveyError(
            f"'{path}', line {i + 2}: '{column}' must be {must}, got {values[i]:g}; correct it."
        )
