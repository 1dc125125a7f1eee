"""Inversions of a calibration on disk: each is kept once it is there, and done only once."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pvi_hpc.diagnostics.calibration import Inversion
from pvi_hpc.errors import ConfigError
from pvi_hpc.store.atomic import atomic_path, write_text

__all__ = ["KeptInversions"]


@dataclass(frozen=True)
class KeptInversions:
    """The folder of the inversions of one problem.

    Parameters
    ----------
    folder
        Folder of the calibration.
    identity
        What the inversions depend on, such as the hash of the settings.
    """

    folder: Path
    identity: str

    def claim(self) -> None:
        """Make the folder, for this problem.

        Raises
        ------
        ConfigError
            If it holds inversions of another problem.
        """
        path = self.folder / "problem.json"
        if not path.exists():
            write_text(path, json.dumps({"problem": self.identity}) + "\n")
        try:
            found = json.loads(path.read_text(encoding="utf-8")).get("problem")
        except (ValueError, AttributeError):
            found = None
        if found != self.identity:
            raise ConfigError(
                f"'--folder' must be new or hold inversions of the same problem, but those in "
                f"'{self.folder}' are of another one, or of other settings; give another "
                "folder, or remove it."
            )

    def keep(self, index: int, found: Inversion) -> None:
        """Write an inversion."""
        facts = json.dumps(dict(found.facts))
        with atomic_path(self._path(index)) as path, path.open("wb") as file:
            np.savez(file, truth=found.truth, draws=found.draws, facts=facts)

    def load(self, index: int) -> Inversion | None:
        """Return an inversion; None where there is none, or its file is damaged."""
        try:
            with np.load(self._path(index), allow_pickle=False) as file:
                facts: dict[str, Any] = json.loads(str(file["facts"]))
                return Inversion(file["truth"], file["draws"], facts)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def written(self, index: int) -> Inversion:
        """Return an inversion that this process has just written."""
        found = self.load(index)
        assert found is not None
        return found

    def _path(self, index: int) -> Path:
        return self.folder / "inversions" / f"{index:04d}.npz"
