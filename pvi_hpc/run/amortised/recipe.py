"""Recipe of a bank of draws: all that a worker must know to make a part of it."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.starting_model import starting_model
from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.checkpoint_file import DamagedError, read_checkpoint, write_checkpoint

__all__ = ["GIVEN", "BankRecipe", "given_draws"]

#: File of the unknowns of all draws, in the folder of a bank.
GIVEN: Final = "draws.h5"


@dataclass(frozen=True)
class BankRecipe:
    """All that a worker must know to make a chunk.

    Parameters
    ----------
    run
        Settings of the run.
    directory
        Directory that the paths of the settings are relative to.
    folder
        Folder of the files, on a disk that all nodes share.
    fingerprint
        Identity of the bank.
    setup_fingerprint
        Identity of the forward problem.
    n_data
        Number of data of each shot.
    size, draws
        Draws in a chunk, and in all.
    given
        File of the unknowns of all draws; None: they come from the prior.
    """

    run: Run
    directory: Path
    folder: Path
    fingerprint: str
    setup_fingerprint: str
    n_data: tuple[int, ...]
    size: int
    draws: int
    given: Path | None = None

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.draws // self.size)

    def rows(self, index: int) -> range:
        """Return the draws of a chunk; the last one may have fewer."""
        return range(index * self.size, min((index + 1) * self.size, self.draws))

    def model_map(self) -> ModelMap:
        """Return the map of unknowns to models."""
        return ModelMap.build(self.run.cells, self.run.prior, starting_model(self.run))

    def theta(self, draw: int, n: int) -> NDArray[np.float64]:
        """Return the unknowns `(n,)` of a draw, a function of recipe and number alone."""
        if self.given is not None:
            return np.asarray(_given(self.given, self.fingerprint)[draw])
        return keyed_rng(self.run.seed, "prior draw", draw).standard_normal(n)

    def of_draws(self, folder: Path, theta: NDArray[np.float64]) -> "BankRecipe":
        """Return the recipe of the bank whose draws are those of a file in its folder."""
        text = self.fingerprint.encode() + np.ascontiguousarray(theta).tobytes()
        fingerprint = hashlib.sha256(text).hexdigest()[:16]
        folder = folder.resolve()
        return replace(
            self,
            draws=len(theta),
            fingerprint=fingerprint,
            folder=folder,
            given=folder / GIVEN,
        )


def given_draws(
    folder: Path, key: str, draw: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the unknowns `(N, n)` in the file of a folder; make it where there is none whole.

    Raises
    ------
    ConfigError
        If the file is of another key.
    """
    path = folder / GIVEN
    with suppress(DamagedError):
        found, tree = read_checkpoint(path, 0)
        if found != key:
            raise ConfigError(
                f"The draws in '{folder}' belong to rounds with other settings of 'amortised' "
                "or another bank; restore the settings to go on, or remove the folder "
                f"'{folder.parent.parent}' to begin anew after the first round."
            )
        return np.asarray(tree["theta"])
    theta = draw()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        write_checkpoint(part, {"theta": theta}, key, 0)
    return theta


@lru_cache(maxsize=1)
def _given(path: Path, _fingerprint: str) -> NDArray[np.float64]:
    """Return all unknowns of a file; another recipe of the same file reads it again."""
    return np.asarray(read_checkpoint(path, 0)[1]["theta"])
