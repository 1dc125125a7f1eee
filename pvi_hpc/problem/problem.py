"""The inference problem of a run: its map, family, likelihood and method, put together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.data.survey import Shot
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.families.capabilities import PriorInside
from pvi_hpc.families.family import Family
from pvi_hpc.families.load import load_family
from pvi_hpc.forward.simulator import Simulator
from pvi_hpc.forward.weighting import Weighting, counts
from pvi_hpc.inference.method import Method, load_method
from pvi_hpc.inference.noise import NoisePrior
from pvi_hpc.inference.noise_inference import NOISE, NoiseInference, fresh_noise
from pvi_hpc.inference.state import State
from pvi_hpc.problem.likelihood import GaussianLikelihood, Likelihood, NoData, NoiseGroups
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
    noise: NoiseGroups | None = None

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
        model_map = ModelMap.build(
            cells, run.prior, starting_model(run), run.inference.coordinates
        )
        family = load_family(run.inference.family, cells.active)
        if isinstance(family, PriorInside):
            family = family.with_prior(model_map.coordinates.precision)
        file = SurveyFile(survey)
        weighting = Weighting.of(run.likelihood.lasting(), file.dt, file.n_samples)
        shots = file.geometry().shots
        n_data = sum(counts(shot, file.n_samples, weighting) for shot in shots)
        noise = _noise_groups(run, weighting, shots)
        return cls(run, model_map, family, file.n_shots, n_data, weighting, noise)

    def method(self, simulator: Simulator | None) -> Method:
        """Return the method of inference that simulates with `simulator`.

        None serves for all that needs no simulation: the start, and draws.
        """
        inference = self.run.inference
        if not inference.use_data or simulator is None:
            return self._method(NoData())
        likelihood = GaussianLikelihood(
            simulator,
            n_shots=self.n_shots,
            n_data=self.n_data,
            shots_per_sample=inference.shots_per_sample,
            seed=self.run.seed,
            samples_per_batch=2 if inference.estimator.draws == "pairs" else 1,
            groups=self.noise,
        )
        method, noise = self._method(likelihood), self.noise
        if noise is None:
            return method
        whole = self.run.start.map_optimiser != "adam"
        settings = self.run.likelihood.noise
        moves = settings is not None and settings.in_start
        return NoiseInference(method, likelihood, noise.prior, noise.n_data, whole, moves)

    def start(self) -> State:
        """Return the state before the first iteration."""
        state = self.method(None).init(self.model_map.start_theta(), self.run.start.sd)
        if self.noise is None:
            return state
        memory = {**state.memory, NOISE: fresh_noise(self.noise.prior, self.noise.n_data)}
        return replace(state, memory=memory)

    def _method(self, likelihood: Likelihood) -> Method:
        target, run = Posterior(self.model_map, likelihood), self.run
        return load_method(self.family, target, run.inference, run.start, run.seed)

    def models(self, theta: torch.Tensor) -> NDArray[np.float32]:
        """Return the models `(S, nz, ny, nx)` float32 [m/s] of `theta` `(S, n)`."""
        return self.model_map.models(theta).detach().numpy().astype(np.float32)


def _noise_groups(
    run: Run, weighting: Weighting | None, shots: Sequence[Shot]
) -> NoiseGroups | None:
    """Return the groups whose noise is an unknown; None where it is as given, or not used."""
    settings = run.likelihood.noise
    groups = None if weighting is None else weighting.noise_groups
    if weighting is None or groups is None or settings is None or not run.inference.use_data:
        return None
    counts = [groups.sums(shot, weighting.weights(shot).values) for shot in shots]
    return NoiseGroups(np.array(counts), NoisePrior(settings.shape, settings.scale))
