"""The inference problem of a run: its map, family, likelihood and method, put together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.families.family import Family
from pvi_hpc.families.load import load_family
from pvi_hpc.forward.simulator import Simulator
from pvi_hpc.forward.weighting import Weighting, counts
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.state import State
from pvi_hpc.problem.likelihood import GaussianLikelihood, Likelihood, NoData
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior
from pvi_hpc.problem.starting_model import starting_model

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """Everything about a run that does not change from iteration to iteration."""

    run: Run
    model_map: ModelMap
    family: Family
    n_shots: int
    n_data: float
    weighting: Weighting | None = None

    @classmethod
    def build(cls, run: Run, survey: Path) -> "Problem":
        """Put the parts together.

        Raises
        ------
        ConfigError
            If the starting model does not fit the prior, or a family its options.
        """
        torch.set_num_threads(run.execution.controller_threads)
        cells = run.cells
        model_map = ModelMap.build(cells, run.prior, starting_model(run))
        family = load_family(run.inference.family, cells.active)
        file = SurveyFile(survey)
        weighting = Weighting.of(run.likelihood.lasting(), file.dt, file.n_samples)
        shots = file.geometry().shots
        n_data = sum(counts(shot, file.n_samples, weighting) for shot in shots)
        return cls(run, model_map, family, file.n_shots, n_data, weighting)

    def method(self, simulator: Simulator | None) -> Method:
        """Return the method of inference that simulates with `simulator`.

        None serves for all that needs no simulation: the start, and draws.
        """
        inference = self.run.inference
        likelihood: Likelihood = NoData()
        if inference.use_data and simulator is not None:
            likelihood = GaussianLikelihood(
                simulator,
                n_shots=self.n_shots,
                n_data=self.n_data,
                shots_per_sample=inference.shots_per_sample,
                seed=self.run.seed,
                samples_per_batch=2 if inference.estimator.draws == "pairs" else 1,
            )
        target = Posterior(self.model_map, likelihood)
        return load_method(self.family, target, inference, self.run.start, self.run.seed)

    def start(self) -> State:
        """Return the state before the first iteration."""
        return self.method(None).init(self.model_map.start_theta(), self.run.start.sd)

    def models(self, theta: torch.Tensor) -> NDArray[np.float32]:
        """Return the models `(S, nz, ny, nx)` float32 [m/s] of `theta` `(S, n)`."""
        return self.model_map.models(theta).detach().numpy().astype(np.float32)
