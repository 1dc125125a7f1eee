"""The internal survey file: what every run reads, whatever the data came as.

The layout is documented in docs/reference/survey-format.md.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from pvi_hpc.data.hdf5_input import open_hdf5
from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.data.survey_head import FORMAT, VERSION, read_head
from pvi_hpc.errors import SurveyError
from pvi_hpc.store.new_hdf5 import new_hdf5

__all__ = ["SurveyFile", "file_hash", "read_survey", "write_survey"]

#: Every dataset with its units.
UNITS: Final = {
    "wavelet": "source term s(t)",
    "shots/id": "field record number",
    "shots/source": "m",
    "shots/offset": "index of the shot's first trace",
    "traces/receiver": "m",
    "traces/noise_sd": "units of the data",
    "traces/data": "pressure or particle velocity",
}


def write_survey(survey: Survey, path: str | Path) -> None:
    """Write a survey, with or without data, atomically.

    The same survey gives the same bytes, so that `file_hash` tells surveys apart.

    Raises
    ------
    SurveyError
        If there are no shots, or only some of them have data.
    """
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        file.attrs.update(
            format=FORMAT, version=VERSION, dt_s=survey.dt, n_samples=survey.n_samples
        )
        if survey.component != "pressure":
            file.attrs["component"] = survey.component
        for name, values in _datasets(survey).items():
            file.create_dataset(name, data=values).attrs["units"] = UNITS[name]
        file["wavelet"].attrs["dt_s"] = survey.wavelet.dt
        file.create_group("attributes").attrs.update(survey.attributes)


def read_survey(path: str | Path) -> Survey:
    """Read a whole survey into memory; errors as `SurveyFile`."""
    file = SurveyFile(path)
    shots = tuple(file.shot(i) for i in range(file.n_shots))
    return replace(file.geometry(), shots=shots)


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class SurveyFile:
    """A survey on disk whose traces are read one shot at a time.

    The file is opened for each reading and never kept open, so that an instance can be
    pickled, forked and used on a file system without locks.

    Parameters
    ----------
    path
        A file that `write_survey` wrote.

    Raises
    ------
    SurveyError
        If it is missing, not ours, of another version, damaged, or contradicts itself.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open() as file:
            head = read_head(file, self.path)
        self.dt, self.n_samples = head.dt, head.n_samples
        self.component, self.wavelet = head.component, head.wavelet
        self.ids, self.has_data = head.ids, head.has_data
        self._offset, self._attributes = head.offset, head.attributes

    @property
    def n_shots(self) -> int:
        """Number of shots."""
        return len(self.ids)

    @property
    def most_receivers(self) -> int:
        """Receivers of the shot that has most."""
        return int(np.diff(self._offset).max())

    def shot(self, index: int) -> Shot:
        """Read shot number `index` (0 to `n_shots` - 1, not its id) with its traces."""
        with self._open() as file:
            return self._shot(file, index, data=self.has_data)

    def geometry(self) -> Survey:
        """Read everything but the traces; every shot's data are `(n, 0)`."""
        with self._open() as file:
            shots = tuple(self._shot(file, i, data=False) for i in range(self.n_shots))
        return Survey(
            shots, self.wavelet, self.dt, self.n_samples, self._attributes, self.component
        )

    def _shot(self, file: Any, index: int, *, data: bool) -> Shot:
        if not 0 <= index < self.n_shots:
            raise SurveyError(
                f"Shot index must be 0 to {self.n_shots - 1} in '{self.path}', got {index}."
            )
        traces = slice(int(self._offset[index]), int(self._offset[index + 1]))
        n = traces.stop - traces.start
        samples = file["traces/data"][traces] if data else np.empty((n, 0))
        return Shot(
            id=self.ids[index],
            source=np.asarray(file["shots/source"][index], dtype=np.float64),
            receivers=np.asarray(file["traces/receiver"][traces], dtype=np.float64),
            data=np.asarray(samples, dtype=np.float32),
            noise_sd=np.asarray(file["traces/noise_sd"][traces], dtype=np.float64),
        )

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            # Survey files are only ever replaced whole: no lock is needed.
            with open_hdf5(self.path) as file:
                yield file
        except FileNotFoundError as error:
            raise SurveyError(
                f"The survey file '{self.path}' does not exist; 'pvi run' makes it."
            ) from error
        except (OSError, KeyError) as error:
            raise SurveyError(
                f"'{self.path}' is not a readable survey file ({error}); delete it and run "
                "'pvi run' again, or correct 'survey.files'."
            ) from error


def _datasets(survey: Survey) -> dict[str, Any]:
    shots = survey.shots
    with_data = [shot.data.shape[1] == survey.n_samples for shot in shots]
    if not shots or any(with_data) != all(with_data):
        raise SurveyError(
            f"A survey file needs at least one shot and data for all of them or none, got "
            f"{len(shots)} shots, {sum(with_data)} with data."
        )
    counts = [len(shot.receivers) for shot in shots]
    values: dict[str, Any] = {
        "wavelet": np.asarray(survey.wavelet.samples, dtype=np.float64),
        "shots/id": np.array([shot.id for shot in shots], dtype=np.int64),
        "shots/source": np.array([shot.source for shot in shots], dtype=np.float64),
        "shots/offset": np.cumsum([0, *counts], dtype=np.int64),
        "traces/receiver": np.concatenate([s.receivers for s in shots], dtype=np.float64),
        "traces/noise_sd": np.concatenate([s.noise_sd for s in shots], dtype=np.float64),
    }
    if all(with_data):
        values["traces/data"] = np.concatenate([s.data for s in shots], dtype=np.float32)
    return values
