"""A bank of prior draws on disk: claimed by its recipe, made in chunks, read as a whole."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.data.survey_file import SurveyFile, file_hash
from pvi_hpc.errors import ConfigError
from pvi_hpc.priors.correlations.cell_files import files_of
from pvi_hpc.problem.forward import forward_problem, simulation_setup
from pvi_hpc.problem.starting_model import starting_model
from pvi_hpc.run.amortised.recipe import BankRecipe
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.bank_file import BankChunk, read_chunk
from pvi_hpc.store.record import read_record

__all__ = ["Bank", "Pairs", "recipe_of"]

#: What to do where the claim was cut.
REMEDY = "remove the folder: the bank is made again"


@dataclass(frozen=True)
class Pairs:
    """Draws whose simulation gave data: unknowns `(N, n)`, models `(N, n)`, data `(N, d)`.

    `draws` are their numbers; `failed` is the number of draws without data.
    """

    draws: NDArray[np.int64]
    theta: NDArray[np.float32]
    models: NDArray[np.float32]
    data: NDArray[np.float32]
    failed: int


@dataclass(frozen=True)
class Bank:
    """The files of a recipe."""

    recipe: BankRecipe

    def claim(self) -> None:
        """Make the folder, for this recipe.

        Raises
        ------
        ConfigError
            If it holds draws of another prior, forward problem or size of chunk.
        """
        recipe, path = self.recipe, self.recipe.folder / "claim.json"
        mine = {"fingerprint": recipe.fingerprint, "draws_per_chunk": recipe.size}
        if not path.exists():
            write_text(path, json.dumps(mine) + "\n")
        found = read_record(path, ConfigError, REMEDY)
        if found != mine:
            raise ConfigError(
                f"The prior draws in '{recipe.folder}' were made with another prior, forward "
                "problem, survey, 'seed' or 'amortised.draws_per_chunk' "
                f"({found}, now {mine}); restore the settings to go on, or remove the folder "
                "to draw and simulate again."
            )

    def missing(self) -> list[int]:
        """Return the chunks that are not there whole, each file verified."""
        return [i for i in range(self.recipe.chunks) if self._chunk(i) is None]

    def chunks(self) -> Iterator[BankChunk]:
        """Yield all chunks in the order of their draws.

        Raises
        ------
        ConfigError
            If one is missing or damaged.
        """
        for i in range(self.recipe.chunks):
            chunk = self._chunk(i)
            if chunk is None:
                raise ConfigError(
                    f"'{self.recipe.folder}' must hold {self.recipe.chunks} chunks of "
                    f"{self.recipe.draws} draws, but number {i} is missing or damaged; run "
                    "'pvi sample-prior' first: it makes what is missing."
                )
            yield chunk

    def pairs(self) -> Pairs:
        """Return all draws that have data; errors as `chunks`."""
        chunks = list(self.chunks())
        data = np.concatenate([chunk.data for chunk in chunks])
        theta = np.concatenate([chunk.theta for chunk in chunks])
        models = np.concatenate([chunk.models for chunk in chunks])
        failed = [draw for chunk in chunks for draw in chunk.failures]
        good = np.setdiff1d(np.arange(len(data)), failed)
        return Pairs(good, theta[good], models[good], data[good], len(failed))

    def _chunk(self, index: int) -> BankChunk | None:
        """Return a chunk; None where it is missing, or was the last one of a smaller bank."""
        recipe = self.recipe
        chunk = read_chunk(recipe.folder, index, recipe.fingerprint)
        whole = chunk is not None and len(chunk.data) == len(recipe.rows(index))
        return chunk if whole else None


def recipe_of(run: Run, survey: Path, folder: Path, draws: int, size: int) -> BankRecipe:
    """Return the recipe of a run's bank.

    Raises
    ------
    ConfigError
        If the forward problem gives no data.
    SurveyError
        If the survey's file is missing or damaged.
    """
    if not forward_problem(run).has_data:
        raise ConfigError(
            "'forward.returns' must be 'data' to sample the prior's data, got a forward "
            f"problem of kind '{run.forward.kind}' that gives only a likelihood; a network "
            "learns from data."
        )
    file = SurveyFile(survey)
    setup = simulation_setup(run, survey)
    parts = [
        setup.fingerprint(),
        run.prior.lasting(),
        [file_hash(path) for path in files_of(run.prior)],
        hashlib.sha256(starting_model(run).tobytes()).hexdigest(),
        run.seed,
    ]
    text = json.dumps(parts, sort_keys=True)
    return BankRecipe(
        run=run,
        directory=Path.cwd(),
        folder=folder.resolve(),
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
        setup_fingerprint=setup.fingerprint(),
        n_data=tuple(len(shot.receivers) * file.n_samples for shot in file.geometry().shots),
        size=size,
        draws=draws,
    )
