"""A small waveform inversion as a calibration problem: a truth from the prior, its data, a fit.

Everything happens in one process, with the run's own problem, method and solver: workers do
whole inversions, not shots. A truth's number gives all of its random numbers.
"""

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.diagnostics.calibration import Inversion
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.priors.load import load_prior
from pvi_hpc.problem.forward import forward_problem, solver_here, survey_geometry
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.calibration.quantities import Quantities
from pvi_hpc.run.plan import total_iterations

__all__ = ["SurveyCase", "draw_survey"]

Array = NDArray[np.float64]

#: Posterior draws whose data are simulated, to tell their fit.
FITTED_DRAWS = 4


@dataclass(frozen=True)
class SurveyCase:
    """Inversions of one run's settings, with a synthetic survey whose truths are prior draws.

    The noise sd of all truths is the one that `noise_level` gives the starting model, so that
    it tells nothing of the truth.
    """

    run: Run

    def check(self) -> None:
        """Refuse what has no truths from the prior, or no white noise of known sd.

        Raises
        ------
        ConfigError
            Naming the setting.
        """
        survey, likelihood = self.run.survey, self.run.likelihood
        if survey is None or survey.synthetic is None:
            given = self.run.forward.kind if survey is None else survey.format
            raise ConfigError(
                "'survey.format' must be 'synthetic' to be calibrated, because every truth has "
                f"data of its own, got '{given}'; write sources and receivers as in "
                "config/calibrate3d.yaml."
            )
        if not survey.synthetic.noise_level:
            raise ConfigError(
                "'survey.synthetic.noise_level' must be above 0 to be calibrated, got 0; data "
                "without noise have no likelihood of their own."
            )
        for name in ("noise", "spectrum"):
            if getattr(likelihood, name) is not None:
                raise ConfigError(
                    f"'likelihood.{name}' must be null to be calibrated, whose noise is white "
                    "and has a known sd; remove it."
                )
        findings = forward_problem(self.run).check(survey_geometry(self.run))
        faults = [f"'{f.setting}' {f.message}" for f in findings if f.level == "error"]
        if faults:
            raise ConfigError(" ".join(faults))

    @property
    def identity(self) -> str:
        """Hash of all settings that inversions depend on."""
        tree = [self.run.fingerprint(), self.run.posterior.samples]
        return hashlib.sha256(json.dumps(tree).encode()).hexdigest()[:16]

    @property
    def quantities(self) -> Quantities:
        """Quantities that are ranked."""
        return Quantities.of(self.run.cells, load_prior(self.run.prior, self.run.cells))

    def of_truth(self, index: int) -> Run:
        """Return the run with the seed of truth `index`."""
        seed = int(keyed_rng(self.run.seed, "calibration", index).integers(2**31))
        return self.run.model_copy(update={"seed": seed})

    def invert(self, index: int) -> Inversion:
        """Draw truth `index` and its data, invert them, draw from the posterior.

        Raises
        ------
        PviError
            If a simulation fails.
        """
        begun, run = time.perf_counter(), self.of_truth(index)
        with tempfile.TemporaryDirectory(prefix="pvi-calibrate-") as folder:
            truth, survey = draw_survey(run, Path(folder))
            path = Path(folder) / "survey.h5"
            write_survey(survey, path)
            problem = Problem.build(run, path)
            with solver_here(run, path) as solver:
                simulator = OwnProcessSimulator(solver)
                method = problem.method(simulator)
                state, simulations = _fitted(run, problem, method)
                theta = method.sample(state, run.posterior.samples)
                models = problem.models(theta)
                mean = models.mean(axis=0, dtype=np.float64).astype(np.float32)
                shown = [truth.astype(np.float32), mean, *models[:FITTED_DRAWS]]
                misfits = simulator.misfits(shown, [range(problem.n_shots)] * len(shown))
        chi_squared = 2 * misfits / problem.n_data
        facts = {
            "chi-squared of the truth": float(chi_squared[0]),
            "chi-squared of the mean": float(chi_squared[1]),
            "chi-squared of draws": float(chi_squared[2:].mean()),
            "simulations": float(simulations),
            "seconds": time.perf_counter() - begun,
        }
        active = problem.model_map.active
        return Inversion(truth[active].astype(np.float32), models[:, active], facts)


def draw_survey(run: Run, folder: Path) -> tuple[Array, Survey]:
    """Return a truth `(nz, ny, nx)` [m/s] from the prior, and a survey with its noisy data."""
    geometry, path = survey_geometry(run), folder / "geometry.h5"
    write_survey(geometry, path)
    problem = Problem.build(run, path)
    model_map, rng = problem.model_map, keyed_rng(run.seed, "truth")
    truth = model_map.expand(model_map.prior.sample(rng, 1)[0], model_map.start)
    assert run.survey is not None and run.survey.synthetic is not None  # `check` asks for them
    with solver_here(run, path) as solver:
        simulator, shots = OwnProcessSimulator(solver), range(problem.n_shots)
        middle = simulator.traces(model_map.start.astype(np.float32), shots)
        clean = simulator.traces(truth.astype(np.float32), shots)
    rms = np.sqrt(np.mean([np.mean(np.square(t, dtype=np.float64)) for t in middle]))
    sd = float(run.survey.synthetic.noise_level * rms)
    noise = keyed_rng(run.seed, "noise of the truth")
    noisy = [(t + sd * noise.standard_normal(t.shape)).astype(np.float32) for t in clean]
    with_data = geometry.with_data(noisy)
    shots_of = (replace(s, noise_sd=np.full(len(s.receivers), sd)) for s in with_data.shots)
    return truth, replace(with_data, shots=tuple(shots_of))


def _fitted(run: Run, problem: Problem, method: Method) -> tuple[State, int]:
    """Return the last state of an inversion, and the number of its simulations."""
    state, simulations, last = problem.start(), 0, total_iterations(run)
    while not state.converged and state.iteration < last:
        state, info = method.step(state)
        simulations += info.count.done
    return state, simulations
