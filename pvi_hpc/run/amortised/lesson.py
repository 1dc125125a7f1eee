"""Networks of a run after their training: the verdict on them, and what is written."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.data.survey_file import SurveyFile, read_survey
from pvi_hpc.diagnostics.learnt import HeldOut, Verdict, verdict_on, well_inside
from pvi_hpc.inference.amortised.learning import TrainingPairs
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.rounds.account import warnings_of
from pvi_hpc.inference.amortised.rounds.rounds import Round
from pvi_hpc.inference.amortised.training import TrainingState
from pvi_hpc.report.figures.calibration import draw_calibration
from pvi_hpc.report.figures.learning import draw_learning
from pvi_hpc.report.style import png
from pvi_hpc.run.amortised.load import FILE
from pvi_hpc.store.atomic import atomic_path, write_text
from pvi_hpc.store.checkpoint_file import write_checkpoint

__all__ = ["Learnt", "Lesson", "conclude", "noise_sd_of", "observed"]

#: Quantiles that are written for the observed data.
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Lesson:
    """Networks that were trained.

    Parameters
    ----------
    network, states
        Networks and their trainings, those of the last round where there were rounds.
    held
        Pairs that no network has seen, without noise.
    draws, failed
        Models that were simulated for it, and those without data.
    seconds
        Time of training [s].
    rounds
        All rounds; none where one network was trained for any data.
    """

    network: Amortised
    states: list[TrainingState]
    held: TrainingPairs
    draws: int
    failed: int
    seconds: float
    rounds: Sequence[Round] = ()


@dataclass(frozen=True)
class Learnt:
    """The network of a run, what held-out pairs say of it, and the facts that were written."""

    network: Amortised
    verdict: Verdict
    facts: dict[str, Any]


def conclude(
    lesson: Lesson, run: Run, survey: Path, folder: Path, settings: AmortisedSettings
) -> Learnt:
    """Judge networks by held-out pairs, and write all that is known of them into a folder."""
    noisy = lesson.held.noisy(settings.training.seed, 3)
    held = HeldOut(lesson.held.theta.astype(np.float64), noisy)
    if lesson.network.region is not None:
        held = well_inside(lesson.network, held)
    verdict = verdict_on(lesson.network, held, settings.posterior_draws)
    seen = _observe(lesson.network, survey, folder)
    if lesson.rounds:
        seen["warnings"] += warnings_of(lesson.rounds[-1].account)
    facts = {
        **_facts(run, settings, lesson, verdict),
        "draws": lesson.draws,
        "failed draws": lesson.failed,
        "training seconds": lesson.seconds,
        "observed": seen,
    }
    if lesson.rounds:
        facts["rounds"] = [each.account.facts for each in lesson.rounds]
    _write(folder, lesson.network, settings, facts)
    histories = [np.array(state.history) for state in lesson.states]
    figures = {
        "calibration": partial(draw_calibration, verdict.calibration),
        "learning": partial(draw_learning, histories),
    }
    for name, draw in figures.items():
        with atomic_path(folder / f"{name}.png") as path:
            path.write_bytes(png(draw))
    write_text(folder / "learn.json", json.dumps(facts, indent=1) + "\n")
    return Learnt(lesson.network, verdict, facts)


def observed(survey: Path) -> NDArray[np.float64]:
    """Return the observed data of a survey, shot by shot `(d,)`, as `Amortised` takes them."""
    shots = read_survey(survey).shots
    return np.concatenate([shot.data.ravel() for shot in shots]).astype(np.float64)


def noise_sd_of(survey: Path) -> NDArray[np.float64]:
    """Return the noise sd of each datum `(d,)`; infinite where there is none."""
    file = SurveyFile(survey)
    each = [np.repeat(shot.noise_sd, file.n_samples) for shot in file.geometry().shots]
    return np.concatenate(each)


def _facts(
    run: Run, settings: AmortisedSettings, lesson: Lesson, verdict: Verdict
) -> dict[str, Any]:
    members = lesson.network.members
    return {
        "run": run.name,
        "network": settings.network.kind,
        "numbers": sum(p.numel() for member in members for p in member.parameters()),
        "unknowns": len(lesson.network.mean),
        "verdict": verdict.facts,
        "epochs": [state.epoch for state in lesson.states],
        "validation loss": [state.best_loss for state in lesson.states],
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
