"""A corrected posterior of a run: Metropolis chains from its fit, simulated by its workers."""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.questions import QuestionSettings
from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.samplers.corrected import Corrected, Evaluation, advance, begin
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.answers.corrected_target import CorrectionTarget, Misfits
from pvi_hpc.run.draw_posterior import write_models
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.results import RunResults
from pvi_hpc.run.safe_points import SafePoints
from pvi_hpc.run.segment import load_fitted
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.samples import iter_samples

__all__ = ["Length", "correct"]

log = logging.getLogger(__name__)

#: Name of the file of how far it is, and the time between two writings of it [s].
STATE: Final = "state"
EVERY_S: Final = 10.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Length:
    """Number of chains, and of steps of each that are thrown away and kept."""

    chains: int = 4
    warmup: int = 500
    draws: int = 1000

    def check(self, samples: int) -> None:
        """Raise ConfigError where chains are too short to be told anything of."""
        if self.chains < 2 or self.warmup < 1 or self.draws < 4:
            raise ConfigError(
                "'chains' must be at least 2, 'warmup' at least 1 and 'draws' at least 4, got "
                f"{self.chains}, {self.warmup} and {self.draws}; 4, 500 and 1000 are usual."
            )
        if self.chains * self.draws < samples:
            raise ConfigError(
                f"'chains' times 'draws' must be at least the {samples} samples that "
                f"'posterior.samples' says, got {self.chains * self.draws}; take more draws."
            )


def correct(
    results: RunResults, questions: Sequence[QuestionSettings], length: Length, stop: StopFlag
) -> dict[str, Any]:
    """Sample the posterior itself by chains from a run's fit; write files, return the facts.

    Samples and their statistics go into the folder `corrected` of the run, the facts into its
    `corrected.json`. What was simulated before a stop is not simulated again.

    Raises
    ------
    ConfigError
        If the run's method fits no family, or chains are too few or too short.
    StopRequestedError
        If something asked to stop.
    CheckpointError, ResultFileError
        If the run is not done, or its samples are not there.
    """
    run, survey, paths = results.settings, results.project.survey, results.paths
    length.check(run.posterior.samples)
    problem = Problem.build(run, survey)
    fitted = load_fitted(problem, survey, paths)
    target = CorrectionTarget.of(problem, fitted, questions)
    told = (fitted.id.attributes(), [q.told() for q in questions], length)
    key = hashlib.sha256(repr(told).encode()).hexdigest()
    steps = SafePoints(paths.correcting, key, stop)
    with Lease(paths.lease), _misfits(results, target, stop) as misfits:
        found = _Sampling(target, misfits, length).to_the_end(steps)
    facts = {
        "state": fitted.id.attributes(),
        **found.facts(length, problem.n_shots if run.inference.use_data else 0),
        "quantities": _compared(target, found, iter_samples(paths.samples)),
    }
    attributes = {"run": run.name, "corrected": "yes", **fitted.id.attributes()}
    paths.corrected.folder.mkdir(parents=True, exist_ok=True)
    models = (each.reshape(run.grid.grid.shape) for each in found.kept)
    write_models(problem, models, paths.corrected, attributes)
    write_text(paths.corrected_facts, json.dumps(facts, indent=1) + "\n")
    steps.clear()
    return facts


@contextmanager
def _misfits(
    results: RunResults, target: CorrectionTarget, stop: StopFlag
) -> Iterator[Misfits]:
    """Yield misfits of all shots, by the workers of the run; 0 for one that uses no data."""
    run, paths, survey = results.settings, results.paths, results.project.survey
    if not run.inference.use_data:
        yield lambda models: np.zeros(len(models))
        return
    shots = range(target.problem.n_shots)
    with workers_of(run, simulation_setup(run, survey), paths, stop.__bool__) as simulator:
        yield lambda models: simulator.misfits(models, [shots] * len(models), target.precisions)


@dataclass(frozen=True)
class _Found:
    """Chains, the quantities of each draw `(D, C, K)`, and the models that are kept."""

    chains: Corrected
    trace: Array
    kept: NDArray[np.float32]
    seconds: float

    def facts(self, length: Length, shots: int) -> dict[str, Any]:
        draws = self.chains.count - length.warmup
        return {
            "chains": length.chains,
            "warmup": length.warmup,
            "draws": draws,
            "step": self.chains.step,
            "acceptance": self.chains.accepted / draws,
            "simulations": (self.chains.count + 1) * length.chains * shots,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class _Sampling:
    """Chains that are written every `EVERY_S` seconds."""

    target: CorrectionTarget
    misfits: Misfits
    length: Length

    def to_the_end(self, steps: SafePoints) -> _Found:
        """Return the chains at their end, going on from what was kept."""
        last = self.length.warmup + self.length.draws
        arrays = steps.kept(STATE)
        found = None if arrays is None else _found(arrays)
        while found is None or found.chains.count < last:
            found = self._block(found, steps)
            log.info("Corrected posterior: step %d of %d", found.chains.count, last)
        return found

    def _block(self, before: _Found | None, steps: SafePoints) -> _Found:
        return _found(steps.renew(STATE, lambda: _arrays(self._moved(before, steps.stop))))

    def _moved(self, before: _Found | None, stop: StopFlag) -> _Found:
        """Return the chains after some steps: at least one, until it is time to write them."""
        problem, length, start = self.target.problem, self.length, time.monotonic()
        seed, cells = problem.run.seed, problem.model_map.active.size
        size = length.chains, problem.model_map.n
        chains = begin(self._evaluate, *size, seed) if before is None else before.chains
        trace = [] if before is None else [*before.trace]
        kept = [] if before is None else [*before.kept]
        while chains.count < length.warmup + length.draws:
            chains = advance(chains, self._evaluate, length.warmup, seed)
            draw = chains.count - length.warmup - 1
            if draw >= 0:
                trace.append(chains.values[:, cells:])
                rows = self._thinned(draw)
                kept += [row.astype(np.float32) for row in chains.values[rows, :cells]]
            if time.monotonic() - start > EVERY_S or stop:
                break
        seconds = time.monotonic() - start + (0.0 if before is None else before.seconds)
        shape = len(trace), length.chains, len(self.target.names)
        models = np.array(kept, dtype=np.float32).reshape(len(kept), cells)
        return _Found(chains, np.array(trace).reshape(shape), models, seconds)

    def _evaluate(self, eps: Array) -> Evaluation:
        return self.target.evaluate(eps, self.misfits)

    def _thinned(self, draw: int) -> list[int]:
        """Return the chains whose states of a draw are kept: `posterior.samples` in all."""
        wanted, n = self.target.problem.run.posterior.samples, self.length.chains
        places = np.linspace(0, n * self.length.draws - 1, wanted).astype(int)
        return [int(place) - draw * n for place in places if place // n == draw]


def _arrays(found: _Found) -> dict[str, Any]:
    told = {"trace": found.trace, "kept": found.kept, "run_seconds": found.seconds}
    return {**found.chains.arrays(), **told}


def _found(arrays: Mapping[str, Any]) -> _Found:
    chains = Corrected.of_arrays(arrays)
    return _Found(chains, arrays["trace"], arrays["kept"], float(arrays["run_seconds"]))


def _compared(
    target: CorrectionTarget, found: _Found, samples: Iterator[NDArray[np.float32]]
) -> dict[str, dict[str, Any]]:
    """Return mean and sd of each quantity, corrected and of the fit's samples, as JSON."""
    of_fit = np.array([target.quantities(model) for model in samples])
    draws = np.moveaxis(found.trace, 0, 1)
    told: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(target.names):
        ours, theirs = draws[:, :, k], of_fit[:, k]
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            told[name] = {"refused": "some models have no answer"}
            continue
        told[name] = {
            "mean": float(ours.mean()),
            "sd": float(ours.std()),
            "mean_of_fit": float(theirs.mean()),
            "sd_of_fit": float(theirs.std(ddof=1)),
            **_agreement(ours[:, :, None]),
        }
    return told


def _agreement(draws: Array) -> dict[str, float | None]:
    """Return effective draws and R-hat `(C, D, 1)`; None where a chain stood still."""
    if (draws.min(axis=1) == draws.max(axis=1)).any():
        return {"effective": None, "r_hat": None}
    return {
        "effective": float(effective_sample_size(draws)[0]),
        "r_hat": float(r_hat(draws)[0]),
    }
