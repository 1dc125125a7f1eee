"""Rounds of a run: a bank of each, filled by the run's workers, kept with its draws."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.inference.amortised.learning import TrainingPairs
from pvi_hpc.inference.amortised.rounds.support import Support
from pvi_hpc.run.amortised.bank import Bank
from pvi_hpc.run.amortised.kept import Kept, Progress
from pvi_hpc.run.amortised.lesson import noise_sd_of
from pvi_hpc.run.amortised.recipe import given_draws
from pvi_hpc.run.amortised.sample_prior import fill_bank
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.layout import RunPaths

__all__ = ["BankRounds"]


@dataclass
class BankRounds:
    """Pairs and trainings of a run's rounds.

    A round is a function of what came before it: the first is the bank of the prior, and each
    later one has the draws in its file, which name the settings and banks that led to them.

    Parameters
    ----------
    first
        Bank of the prior.
    survey, paths
        Survey file, and files of the run.
    settings
        Section `amortised`, with rounds.
    stop, progress
        Looked at between chunks and after epochs; told both.
    """

    first: Bank
    survey: Path
    paths: RunPaths
    settings: AmortisedSettings
    stop: StopFlag
    progress: Progress
    draws: int = 0
    failed: int = 0
    kept: list[Kept] = field(default_factory=list)
    _led: list[str] = field(default_factory=list)

    def pairs(self, index: int, support: Support) -> TrainingPairs | None:
        """Return the pairs of a round, simulated now or before; None: stop here."""
        bank = self._later(index, support) if index else self.first
        if bank is None:
            return None
        found = bank.pairs()
        self._led.append(bank.recipe.fingerprint)
        self.draws, self.failed = self.draws + bank.recipe.draws, self.failed + found.failed
        return TrainingPairs(found.theta, found.data, self._noise_sd)

    def keep(self, index: int) -> Kept:
        """Return what keeps the trainings of a round."""
        own = training_fingerprint(self.first, self.settings)
        fingerprint = _hash([own, self._key(index + 1)]) if index else own
        kept = Kept(
            self.paths.network / "checkpoints",
            fingerprint,
            self.settings.training.checkpoint_s,
            self.stop,
            self.progress,
        )
        self.kept.append(kept)
        return kept

    def _later(self, index: int, support: Support) -> Bank | None:
        """Return the whole bank of a later round; None where something asks to stop."""
        assert self.settings.rounds is not None
        folder = self.paths.rounds / f"{index + 1:03d}" / "bank"
        n, seed = self.settings.rounds.draws or self.settings.draws, self.first.recipe.run.seed
        theta = given_draws(folder, self._key(index), lambda: support.draw(n, seed, index))
        bank = Bank(self.first.recipe.of_draws(folder, theta))

        def told(done: int, chunks: int) -> None:
            self.progress.say(f"round {index + 1}: {done} of {chunks} chunks")

        return bank if fill_bank(bank, self.survey, self.stop, told) else None

    def _key(self, index: int) -> str:
        """Return the identity of what a round's draws follow from."""
        tree = self.settings.lasting()
        for name in ("posterior_draws", "draws_per_chunk"):
            del tree[name]
        del tree["training"]["checkpoint_s"]
        for name in ("at_most", "agreement"):
            del tree["rounds"][name]
        return _hash([self._led[:index], tree])

    @cached_property
    def _noise_sd(self) -> NDArray[np.float64]:
        return noise_sd_of(self.survey)


def training_fingerprint(bank: Bank, settings: AmortisedSettings) -> str:
    """Return the identity of a training: it goes on where `max_epochs` was raised."""
    tree = settings.model_dump(mode="json")
    del (
        tree["posterior_draws"],
        tree["training"]["max_epochs"],
        tree["training"]["checkpoint_s"],
        tree["rounds"],
    )
    return _hash([bank.recipe.fingerprint, tree])


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
