"""Everything the report needs to know about one run, in one value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from pvi_hpc.config import Project, Run
from pvi_hpc.config.project import ReportSettings
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import PviError
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.report.scores import scores
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, read_posterior
from pvi_hpc.store.predictive_file import Predictive, read_predictive
from pvi_hpc.store.samples import iter_samples

__all__ = ["N_DRAWS", "RunView", "load_view"]

#: Number of posterior draws that are shown.
N_DRAWS = 3

#: Parts that a grid is cut into along z, y and x, to compare restarts.
BLOCKS = (3, 3, 3)

Array = NDArray[np.float64]
#: Positions of shots and receivers that have none.
NOWHERE: Final = np.empty((0, 3))


@dataclass(frozen=True)
class RunView:
    """One run as the report shows it. Whatever is missing is left out of the report.

    Parameters
    ----------
    project, run
        Names.
    summary
        Posterior, prior, starting and, where it is known, true model.
    sources, receivers
        Different positions `(z, y, x)` [m], `(n_sources, 3)` and `(n_receivers, 3)`.
    samples
        A few posterior draws, `(n, nz, ny, nx)` float32 [m/s].
    block_means
        Mean velocity of blocks of active cells in every draw, `(n, blocks)` [m/s], for R-hat.
    predictive
        Observed and simulated data.
    history
        One value per iteration by name: `iteration`, `elbo`, `chi_squared`, `log_prior`,
        `log_q`, `log_likelihood`, `seconds`, `done` (simulations), `phase` (0 MAP, 1 VI).
    facts
        Final figures of the run, as in summary.json; see docs/reference/files-of-a-report.md.
    answers
        Answers to questions by name, as in answers.json.
    answers_state
        State of the run that the answers are of, as in answers.json.
    hypotheses
        Posteriors under other priors and their ranking, as in hypotheses.json.
    learnt
        Verdict of a learnt posterior, and what it was learnt from, as in learn.json.
    corrected
        Posterior of Metropolis chains beside that of the fit, as in corrected.json.
    config
        The run's configuration as YAML.
    settings
        Slices, wells and shot to show.
    """

    project: str
    run: str
    summary: PosteriorSummary
    sources: Array
    receivers: Array
    samples: NDArray[np.float32]
    block_means: Array = field(default_factory=lambda: np.empty((0, 0)))
    predictive: Predictive | None = None
    history: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    answers_state: Mapping[str, Any] = field(default_factory=dict)
    hypotheses: Mapping[str, Any] = field(default_factory=dict)
    learnt: Mapping[str, Any] = field(default_factory=dict)
    corrected: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    settings: ReportSettings = field(default_factory=ReportSettings)

    @cached_property
    def scores(self) -> dict[str, float]:
        """Scores by name; see `pvi_hpc.report.scores.scores`."""
        return scores(self.summary, self.predictive, self.facts)


def load_view(
    run_dir: str | Path,
    survey_path: str | Path,
    project: Project,
    run: Run,
    *,
    history: Mapping[str, NDArray[Any]] | None = None,
) -> RunView:
    """Read the files of a run; `history` is that of its last checkpoint.

    Only `posterior.h5` and the survey must exist.

    Raises
    ------
    PviError
        If a file is damaged, or one of those two is missing.
    """
    paths = RunPaths(Path(run_dir))
    located = forward_problem(run).has_positions
    sources, receivers = _geometry(survey_path) if located else (NOWHERE, NOWHERE)
    summary = read_posterior(paths.posterior)
    draws, means = _read_samples(paths.samples, summary)
    answered = _read_facts(paths.answers) if project.questions else {}
    return RunView(
        project=project.name,
        run=run.name,
        summary=summary,
        sources=sources,
        receivers=receivers,
        samples=np.asarray(draws, dtype=np.float32).reshape(-1, *summary.grid.shape),
        block_means=means,
        predictive=read_predictive(paths.predictive) if paths.predictive.exists() else None,
        history=history or {},
        facts=_read_facts(paths.summary),
        answers=_asked_now(answered.get("answers", {}), project),
        answers_state=answered.get("state", {}),
        hypotheses=_read_facts(paths.hypotheses) if project.hypotheses else {},
        learnt=_read_facts(paths.learnt) if project.amortised is not None else {},
        corrected=_corrected(paths.corrected_facts, summary),
        config=yaml.safe_dump(run.model_dump(mode="json"), sort_keys=False),
        settings=project.report,
    )


def _read_samples(
    path: Path, summary: PosteriorSummary
) -> tuple[list[NDArray[np.float32]], Array]:
    """Return the draws that are shown, and the block means of all."""
    if not path.exists():
        return [], np.empty((0, 0))
    boxes = [box for _, box in summary.grid.boxes(BLOCKS) if summary.active[box].any()]
    draws, means = [], []
    for i, sample in enumerate(iter_samples(path)):
        if i < N_DRAWS:
            draws.append(sample)
        row = [sample[box][summary.active[box]].mean(dtype=np.float64) for box in boxes]
        means.append(row)
    return draws, np.array(means)


def _geometry(path: str | Path) -> tuple[Array, Array]:
    shots = SurveyFile(path).geometry().shots
    sources = np.unique([shot.source for shot in shots], axis=0)
    return sources, np.unique(np.concatenate([shot.receivers for shot in shots]), axis=0)


def _asked_now(answers: Mapping[str, Any], project: Project) -> dict[str, Any]:
    """Return the answers to the questions that the project asks now."""
    return {q.name: answers[q.name] for q in project.questions if q.name in answers}


def _corrected(path: Path, summary: PosteriorSummary) -> dict[str, Any]:
    """Return the facts of a corrected posterior; nothing where it is of an earlier fit."""
    found = _read_facts(path)
    state = found.get("state", {})
    is_its = all(summary.attributes.get(name) == value for name, value in state.items())
    return found if is_its else {}


def _read_facts(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PviError(f"'{path}' must be JSON: {error}. Run 'pvi posterior' again.") from error
    return dict(facts)
