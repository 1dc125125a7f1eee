"""Steps whose results are kept on disk, so that a stop between two of them loses none."""

import logging
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import StopRequestedError
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.atomic import atomic_path

__all__ = ["Arrays", "SafePoints"]

log = logging.getLogger(__name__)

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


class SafePoints:
    """Does each step once, whoever is stopped in between; called with a name and the step.

    Parameters
    ----------
    folder
        Of the results of steps, one file each.
    key
        Names all that the results depend on; those of another key are done again.
    stop
        Looked at before each step.
    """

    def __init__(self, folder: Path, key: str, stop: StopFlag) -> None:
        self.folder, self.key, self.stop = folder, key, stop
        self.saved_seconds = 0.0

    def __call__(self, name: str, step: Callable[[], Arrays]) -> Arrays:
        """Return the result of a step: as it was kept, or done now and kept.

        Raises
        ------
        StopRequestedError
            If the step is not done and something asked to stop.
        """
        kept = self.kept(name)
        if kept is not None:
            self.saved_seconds += float(kept["seconds"])
            return kept
        start = time.monotonic()
        found = self._done(step)
        self._keep(name, found, time.monotonic() - start)
        return found

    def kept(self, name: str) -> Arrays | None:
        """Return the result of a step that was kept; None where there is none to be used."""
        return self._read(self.folder / f"{name}.npz")

    def renew(self, name: str, step: Callable[[], Arrays]) -> Arrays:
        """Do a step whose result takes the place of the last one of that name.

        For a chain of steps, of which the last result is all that the next one needs; errors
        as for a call.
        """
        start = time.monotonic()
        found = self._done(step)
        self._keep(name, found, time.monotonic() - start)
        return found

    def _done(self, step: Callable[[], Arrays]) -> Arrays:
        if self.stop:
            raise StopRequestedError(
                f"Stopped by {self.stop.received}; what was simulated before is kept."
            )
        return step()

    def _keep(self, name: str, found: Arrays, seconds: float) -> None:
        self.stop.took(seconds)
        path = self.folder / f"{name}.npz"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            arrays: dict[str, Any] = {**found, "key": self.key, "seconds": seconds}
            np.savez(file, **arrays)

    def clear(self) -> None:
        """Remove what is kept: all of it has gone into results."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, path: Path) -> Arrays | None:
        """Return what was kept; None where there is nothing, or nothing that can be used."""
        try:
            with np.load(path) as file:
                found = {name: file[name] for name in file.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            log.warning("'%s' cannot be used (%s) and is made again", path, error)
            return None
        return found if str(found.get("key")) == self.key else None
