"""Trainings of networks on disk, to go on with after a stop or a kill."""

import time
from pathlib import Path

from pvi_hpc.inference.amortised.learning import Keep
from pvi_hpc.inference.amortised.training import TrainingState
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.checkpoint import CheckpointStore

__all__ = ["Kept", "Progress"]


class Progress:
    """Told how far learning is; this one tells nobody."""

    def epoch(self, member: int, state: TrainingState) -> None:
        """Take note of an epoch of a network."""

    def say(self, sentence: str) -> None:
        """Take note of anything else."""


class Kept(Keep):
    """Checkpoints of the members, each in a folder of its own.

    Parameters
    ----------
    folder
        Folder of the checkpoints of all trainings.
    fingerprint
        Identity of this one: a training of other settings begins anew, which costs no
        simulation.
    every_s
        Longest time that a kill can cost [s].
    stop
        Looked at after every epoch.
    progress
        Told every epoch.
    """

    def __init__(
        self, folder: Path, fingerprint: str, every_s: float, stop: StopFlag, progress: Progress
    ) -> None:
        self.folder, self.fingerprint, self.stop = folder / fingerprint, fingerprint, stop
        self.every, self.progress = every_s, progress
        self.begun = self.saved = time.monotonic()
        self._before = 0.0
        #: Time of training, of earlier calls too [s].
        self.seconds = 0.0

    def load(self, member: int) -> TrainingState | None:
        """Return the newest state of a member; None where there is none."""
        found = self._store(member).load_latest()
        if found is None:
            return None
        self._before = max(self._before, float(found.tree["seconds"]))
        self.seconds = self._before
        return TrainingState.from_tree(found.tree["state"])

    def after_epoch(self, member: int, state: TrainingState) -> bool:
        """Save where it is time to; True where something asks to stop."""
        self.progress.epoch(member, state)
        stop, now = bool(self.stop), time.monotonic()
        self.seconds = self._before + now - self.begun
        if stop or state.done or now - self.saved > self.every:
            tree = {"state": state.to_tree(), "seconds": self.seconds}
            self._store(member).save(state.epoch, tree)
            self.saved = now
        return stop

    def _store(self, member: int) -> CheckpointStore:
        folder = self.folder / f"{member:03d}"
        return CheckpointStore(folder, self.fingerprint, keep_last=1, keep_every=10**9)
