"""Learning the posterior of a run from its bank: training, verdict, and what is written."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.data.survey_file import SurveyFile, read_survey
from pvi_hpc.diagnostics.learnt import HeldOut, Verdict, verdict_on
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.amortised.learning import Keep, TrainingPairs, learn
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.training import TrainingState
from pvi_hpc.priors.load import load_prior
from pvi_hpc.report.figures.calibration import draw_calibration
from pvi_hpc.report.figures.learning import draw_learning
from pvi_hpc.report.style import png
from pvi_hpc.run.amortised.bank import Bank, Pairs, recipe_of
from pvi_hpc.run.amortised.load import FILE
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.atomic import atomic_path, write_text
from pvi_hpc.store.checkpoint import CheckpointStore
from pvi_hpc.store.checkpoint_file import write_checkpoint
from pvi_hpc.store.layout import RunPaths

__all__ = ["Learnt", "learn_run", "observed"]

log = logging.getLogger(__name__)

#: Quantiles that are written for the observed data.
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Learnt:
    """The network of a run, what held-out pairs say of it, and the facts that were written."""

    network: Amortised
    verdict: Verdict
    facts: dict[str, Any]


def learn_run(
    run: Run,
    survey: Path,
    paths: RunPaths,
    settings: AmortisedSettings,
    stop: StopFlag,
    progress: Callable[[int, TrainingState], None] = lambda *_: None,
) -> Learnt | None:
    """Train on the bank of a run, judge, and write; return None where something asked to stop.

    The folder `network` of the run gets `network.h5`, `learn.json`, `posterior.npz` (mean, sd
    and quantiles for the observed data) and two figures. A call after a stop or a kill goes on
    at the last checkpoint, and ends in the same bits.

    Raises
    ------
    ConfigError
        If the bank is not whole, or the network impossible.
    CheckpointError
        If the folder is of other settings.
    """
    if run.likelihood.lasting():
        raise ConfigError(
            "'likelihood' must have its defaults where a posterior is learnt, because the "
            "training pairs have white noise of the given sd, got "
            f"{run.likelihood.lasting()}; remove it."
        )
    bank = Bank(recipe_of(run, survey, paths.bank, settings.draws, settings.draws_per_chunk))
    pairs, noise_sd = bank.pairs(), _noise_sd(survey)
    with Lease(paths.network / "lease.json"):
        begun = time.perf_counter()
        taught = len(pairs.theta) - settings.held_out
        keep = _Kept(paths.network, _fingerprint(bank, settings), settings, stop, progress)
        found = learn(
            TrainingPairs(pairs.theta[:taught], pairs.data[:taught], noise_sd),
            settings.network,
            settings.training,
            components=settings.components,
            unknowns=load_prior(run.prior, run.cells),
            keep=keep,
        )
        if found is None:
            return None
        network, states = found
        seconds = keep.saved_seconds() + time.perf_counter() - begun
        held = _held_out(pairs, taught, noise_sd, settings.training.seed)
        verdict = verdict_on(network, held, settings.posterior_draws)
        facts = {
            **_facts(run, settings, network, verdict, states),
            "draws": settings.draws,
            "failed draws": pairs.failed,
            "training seconds": seconds,
            "observed": _observe(network, survey, paths.network),
        }
        _write(paths.network, network, settings, facts)
        figures = {
            "calibration": partial(draw_calibration, verdict.calibration),
            "learning": partial(draw_learning, [np.array(state.history) for state in states]),
        }
        for name, draw in figures.items():
            with atomic_path(paths.network / f"{name}.png") as path:
                path.write_bytes(png(draw))
        write_text(paths.network / "learn.json", json.dumps(facts, indent=1) + "\n")
    return Learnt(network, verdict, facts)


def observed(survey: Path) -> NDArray[np.float64]:
    """Return the observed data of a survey, shot by shot `(d,)`, as `Amortised` takes them."""
    shots = read_survey(survey).shots
    return np.concatenate([shot.data.ravel() for shot in shots]).astype(np.float64)


def _noise_sd(survey: Path) -> NDArray[np.float64]:
    """Return the noise sd of each datum `(d,)`; infinite where there is none."""
    file = SurveyFile(survey)
    each = [np.repeat(shot.noise_sd, file.n_samples) for shot in file.geometry().shots]
    return np.concatenate(each)


def _held_out(pairs: Pairs, first: int, noise_sd: NDArray[np.float64], seed: int) -> HeldOut:
    """Return the pairs from `first` on, with noise of their own."""
    last = TrainingPairs(pairs.theta[first:], pairs.data[first:], noise_sd)
    return HeldOut(last.theta.astype(np.float64), last.noisy(seed, 3))


def _facts(
    run: Run,
    settings: AmortisedSettings,
    network: Amortised,
    verdict: Verdict,
    states: list[TrainingState],
) -> dict[str, Any]:
    numbers = sum(p.numel() for member in network.members for p in member.parameters())
    return {
        "run": run.name,
        "network": settings.network.kind,
        "numbers": numbers,
        "unknowns": len(network.mean),
        "verdict": verdict.facts,
        "epochs": [state.epoch for state in states],
        "validation loss": [state.best_loss for state in states],
    }


def _observe(network: Amortised, survey: Path, folder: Path) -> dict[str, Any]:
    """Write the posterior of the observed data; return what is to be known of it."""
    data = observed(survey)
    if not len(data):
        return {}
    begun = time.perf_counter()
    posterior = network.posterior(data)
    mean, sd = posterior.moments()
    seconds = time.perf_counter() - begun
    with atomic_path(folder / "posterior.npz") as path, path.open("wb") as file:
        levels, found = np.array(QUANTILES), posterior.quantiles(QUANTILES)[0]
        np.savez(file, mean=mean[0], sd=sd[0], levels=levels, quantiles=found)
    return {
        "p-value": float(posterior.p_value[0]),
        "warnings": posterior.warnings,
        "seconds": seconds,
    }


def _write(
    folder: Path, network: Amortised, settings: AmortisedSettings, facts: dict[str, Any]
) -> None:
    tree = {**network.to_tree(), "kind": settings.network.model_dump_json()}
    tree["verdict"] = facts["verdict"]["sentence"]
    with atomic_path(folder / FILE) as path:
        write_checkpoint(path, tree, "network", 0)


def _fingerprint(bank: Bank, settings: AmortisedSettings) -> str:
    """Return the identity of a training: it goes on where `max_epochs` was raised."""
    tree = settings.model_dump(mode="json")
    del (
        tree["posterior_draws"],
        tree["training"]["max_epochs"],
        tree["training"]["checkpoint_s"],
    )
    text = json.dumps([bank.recipe.fingerprint, tree])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Kept(Keep):
    """Checkpoints of the members, each in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        settings: AmortisedSettings,
        stop: StopFlag,
        progress: Callable[[int, TrainingState], None],
    ) -> None:
        self.folder, self.fingerprint, self.stop = folder, fingerprint, stop
        self.every, self.progress = settings.training.checkpoint_s, progress
        self.begun = self.saved = time.monotonic()
        self._seconds = 0.0

    def saved_seconds(self) -> float:
        """Return the time of training before this call [s]."""
        return self._seconds

    def load(self, member: int) -> TrainingState | None:
        """Return the newest state of a member; None where there is none."""
        found = self._store(member).load_latest()
        if found is None:
            return None
        self._seconds = max(self._seconds, float(found.tree["seconds"]))
        return TrainingState.from_tree(found.tree["state"])

    def after_epoch(self, member: int, state: TrainingState) -> bool:
        """Save where it is time to; True where something asks to stop."""
        self.progress(member, state)
        stop, now = bool(self.stop), time.monotonic()
        if stop or state.done or now - self.saved > self.every:
            tree = {"state": state.to_tree(), "seconds": self._seconds + now - self.begun}
            self._store(member).save(state.epoch, tree)
            self.saved = now
        return stop

    def _store(self, member: int) -> CheckpointStore:
        # A training of other settings begins anew: it costs no simulation.
        folder = self.folder / "checkpoints" / self.fingerprint / f"{member:03d}"
        return CheckpointStore(folder, self.fingerprint, keep_last=1, keep_every=10**9)
