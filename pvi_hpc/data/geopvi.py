"""Travel times and priors in the text files of GeoPVI, as tables that we read.

What is known of these files is their content: `sources.txt` and `receivers.txt` hold positions,
`traveltime.txt` times with 0 for a missing pick, `prior.txt` two numbers for each depth. Units
and the order of axes are not: the owner of the files says them. Whatever else is assumed is
returned in words.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError, SurveyError

__all__ = ["GeopviTimes", "picks_table", "prior_section", "read_times", "refused"]

Array = NDArray[np.float64]

#: Files that GeoPVI's users have and that cannot be read in certainty, and what to do instead.
REFUSED: Final = {
    "config.ini": "which of its keys means what is not documented; write the settings into a "
    "configuration ('pvi init')",
    "waveform.npy": "the order of its axes and the geometry of its shots are not documented; "
    "write a survey as HDF5 (docs/reference/survey-format.md). To repeat an old result, the "
    "noise sd is theirs over the square root of dt [s]",
}
PARAMETERS: Final = (
    "only travel times and priors are read: how parameter arrays [mu, sigma, offdiags] map to "
    "velocities is not documented, and a start that is nearly right would be wrong in silence; "
    "give the mean model as 'start.model'"
)


@dataclass(frozen=True)
class GeopviTimes:
    """Positions `(n, 3)`, each `(z, y, x)` [m], times `(n_s, n_r)` [s], and assumptions."""

    sources: Array
    receivers: Array
    times: Array
    assumed: tuple[str, ...]


def read_times(folder: Path, columns: str, metres: float) -> GeopviTimes:
    """Return the travel times of a folder; NaN for a missing pick.

    Parameters
    ----------
    folder
        Folder of `sources.txt`, `receivers.txt` and `traveltime.txt`.
    columns
        Axes of the columns of positions, such as ``x,y``; an axis that is missing is 0.
    metres
        Length of a unit of the positions [m].

    Raises
    ------
    ConfigError
        If the axes are none.
    SurveyError
        If a file cannot be read, or the numbers do not fit together.
    """
    axes = [axis.strip() for axis in columns.split(",")]
    if not axes or len(set(axes)) != len(axes) or not set(axes) <= set("xyz"):
        raise ConfigError(
            f"'--columns' must be different axes of x, y and z, such as x,y, got '{columns}'; "
            "name those of sources.txt, in their order."
        )
    sources, receivers = (
        _positions(folder / name, axes, metres) for name in ("sources.txt", "receivers.txt")
    )
    given, shape = _table(folder / "traveltime.txt"), (len(sources), len(receivers))
    assumed = ["times are in seconds, and 0 marks a missing pick"]
    if given.shape == shape:
        assumed.append("a row of traveltime.txt is a source, a column a receiver")
    elif given.shape == shape[::-1]:
        given = given.T
        assumed.append("a column of traveltime.txt is a source, a row a receiver")
    elif 1 in given.shape and given.size == shape[0] * shape[1]:
        given = given.reshape(shape)
        assumed.append("traveltime.txt has all receivers of the first source, then the next")
    else:
        raise SurveyError(
            f"'{folder / 'traveltime.txt'}' must have a time for each of {shape[0]} sources "
            f"and {shape[1]} receivers, got {given.shape[0]} rows of {given.shape[1]}; more "
            "columns (such as errors) cannot be told apart: leave the times alone."
        )
    if (given < 0).any():
        raise SurveyError(
            f"'{folder / 'traveltime.txt'}' must have positive times, or 0 for a missing pick, "
            f"got {given.min():g}; correct it."
        )
    missing = set("xyz") - set(axes)
    if missing:
        assumed.append(f"{' and '.join(sorted(missing))} of all positions is 0")
    return GeopviTimes(sources, receivers, np.where(given == 0, np.nan, given), tuple(assumed))


def picks_table(times: GeopviTimes) -> str:
    """Return the picks as CSV for `forward.picks`; missing ones are left out.

    Raises
    ------
    SurveyError
        If there is no pick at all.
    """
    pairs = np.argwhere(np.isfinite(times.times))
    if not len(pairs):
        raise SurveyError("'traveltime.txt' must have at least one pick, got only 0.")
    names = [f"{end}_{axis}_m" for end in ("source", "receiver") for axis in "zyx"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*names, "travel_time_s"])
    for i, j in pairs:
        row = [*times.sources[i], *times.receivers[j], times.times[i, j]]
        table.writerow([repr(float(value)) for value in row])
    return text.getvalue()


def prior_section(
    path: Path, kind: Literal["uniform", "normal"], depths: Sequence[float], speed: float
) -> dict[str, Any]:
    """Return `prior.txt` as the section `prior` of a configuration.

    Parameters
    ----------
    path
        Two numbers a row: lower and upper bound, or mean and standard deviation.
    kind
        Which of the two.
    depths
        Depth of each row [m].
    speed
        Unit of the numbers [m/s].

    Raises
    ------
    SurveyError
        If the file cannot be read, or does not fit.
    """
    table = speed * _table(path)
    if table.shape != (len(depths), 2):
        raise SurveyError(
            f"'{path}' must have 2 numbers for each of {len(depths)} depths of '--depths-m', "
            f"got {table.shape[0]} rows of {table.shape[1]}; give as many depths as rows."
        )
    first, second = (column.tolist() for column in table.T)
    names = ("lower_m_s", "upper_m_s") if kind == "uniform" else ("mean_m_s", "sd_m_s")
    wrong = table[:, 1] <= (table[:, 0] if kind == "uniform" else 0)
    if wrong.any() or (table[:, 0] <= 0).any():
        must = "0 < lower < upper" if kind == "uniform" else "mean > 0 and sd > 0"
        raise SurveyError(
            f"'{path}' must have {must} with '--prior {kind}', got {table.tolist()[:3]} m/s in "
            "the first rows; correct it, or choose the other kind."
        )
    return {"kind": kind, "depth_m": list(depths), names[0]: first, names[1]: second}


def refused(folder: Path) -> list[str]:
    """Return what is not read of a folder, and why."""
    files = sorted(path.name for path in folder.iterdir())
    found = [f"{name}: {REFUSED[name]}" for name in files if name in REFUSED]
    arrays = [name for name in files if name.endswith(".npy") and name not in REFUSED]
    return found + [f"{name}: {PARAMETERS}" for name in arrays]


def _positions(path: Path, axes: Sequence[str], metres: float) -> Array:
    table = _table(path)
    if table.shape[1] != len(axes):
        raise SurveyError(
            f"'{path}' must have {len(axes)} columns, as '--columns {','.join(axes)}' says, "
            f"got {table.shape[1]}."
        )
    found = np.zeros((len(table), 3))
    found[:, ["zyx".index(axis) for axis in axes]] = metres * table
    return found


def _table(path: Path) -> Array:
    """Return the finite numbers of a text file, `(rows, columns)`."""
    try:
        text = path.read_text()
        table: Array = (
            np.loadtxt(io.StringIO(text), ndmin=2) if text.strip() else np.empty((0, 0))
        )
    except (OSError, ValueError) as fault:
        raise SurveyError(
            f"'{path}' must be a text file of rows of numbers: {fault}."
        ) from fault
    if not table.size or not np.isfinite(table).all():
        raise SurveyError(f"'{path}' must hold finite numbers, at least one.")
    return table
