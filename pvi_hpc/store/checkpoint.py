"""Checkpoints: the state of a run after an iteration, one file each, never half of one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvi_hpc.errors import CheckpointError
from pvi_hpc.store.atomic import atomic_path, write_text
from pvi_hpc.store.checkpoint_file import (
    DamagedError,
    Tree,
    read_checkpoint,
    write_checkpoint,
)

__all__ = ["Checkpoint", "CheckpointStore"]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that verified; `skipped` says which newer ones did not, and why."""

    iteration: int
    tree: Tree
    path: Path
    skipped: list[str] = field(default_factory=list)


class CheckpointStore:
    """The checkpoints of a run.

    Parameters
    ----------
    folder
        Holds `000123.h5`, ..., and `LATEST`, the name of the newest.
    fingerprint
        Hash of the settings; a checkpoint with another one is refused.
    keep_last, keep_every
        The newest `keep_last` are kept, and those whose iteration is a multiple of
        `keep_every`.
    """

    def __init__(
        self, folder: str | Path, fingerprint: str, keep_last: int = 3, keep_every: int = 50
    ) -> None:
        self.folder, self.fingerprint = Path(folder), fingerprint
        self.keep_last, self.keep_every = keep_last, keep_every
        self._checked = False

    def save(self, iteration: int, tree: Mapping[str, Any]) -> Path:
        """Write a checkpoint atomically, then remove those that need not be kept.

        Raises
        ------
        CheckpointError
            If the folder belongs to other settings, or the file cannot be written; the
            checkpoints before it are intact.
        """
        if not self._checked:
            self.load_latest()
        path = self._path(iteration)
        try:
            with atomic_path(path) as temporary:
                write_checkpoint(temporary, tree, self.fingerprint, iteration)
            write_text(self.folder / "LATEST", f"{path.name}\n")
            self._prune(iteration)
        except OSError as error:
            raise CheckpointError(
                f"Cannot write the checkpoint '{path}': {error}. Earlier checkpoints are "
                "intact; make room or make the folder writable, then resume."
            ) from error
        return path

    def load_latest(self) -> Checkpoint | None:
        """Return the newest checkpoint that verifies; None if there is none at all.

        Raises
        ------
        CheckpointError
            If it belongs to other settings, or none of several verifies.
        """
        skipped: list[str] = []
        for iteration in reversed(self.iterations()):
            try:
                found = self.load(iteration)
            except DamagedError as error:
                skipped.append(str(error))
                continue
            self._checked = True
            return Checkpoint(iteration, found.tree, found.path, skipped)
        if skipped:
            raise CheckpointError(
                f"No checkpoint in '{self.folder}' can be used: {'; '.join(skipped)}. Restore "
                "one from a backup, or remove the folder to start again."
            )
        self._checked = True
        return None

    def load(self, iteration: int) -> Checkpoint:
        """Return the checkpoint of an iteration.

        Raises
        ------
        CheckpointError
            If it is missing or damaged, or belongs to other settings.
        """
        path = self._path(iteration)
        fingerprint, tree = read_checkpoint(path, iteration)
        if fingerprint != self.fingerprint:
            raise CheckpointError(
                f"Checkpoint '{path}' was made with other settings, survey or start "
                f"(fingerprint {fingerprint}, now {self.fingerprint}). Restore them, give the "
                f"run another 'name', or remove '{self.folder}' to start again."
            )
        return Checkpoint(iteration, tree, path)

    def iterations(self) -> list[int]:
        """Return the iterations that have a file, in increasing order."""
        names = self.folder.glob("*.h5") if self.folder.is_dir() else ()
        return sorted(int(p.stem) for p in names if re.fullmatch(r"\d{6,}", p.stem))

    def _path(self, iteration: int) -> Path:
        return self.folder / f"{iteration:06d}.h5"

    def _prune(self, iteration: int) -> None:
        # Newer files are damaged ones, skipped on loading: they will be written again.
        older = [i for i in self.iterations() if i <= iteration]
        for i in older[: -self.keep_last]:
            if i % self.keep_every:
                self._path(i).unlink(missing_ok=True)
