"""The variational inference of one run: settings in, method and first state out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.project import Run
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.state import VariationalState
from pvi_hpc.inference.target import Posterior
from pvi_hpc.inference.vi import VariationalInference
from pvi_hpc.likelihood import GaussianLikelihood, Likelihood, NoData
from pvi_hpc.simulate.simulator import Simulator
from pvi_hpc.transforms import ModelMap

__all__ = ["Inversion", "SurveySize"]


@dataclass(frozen=True)
class SurveySize:
    """Number of shots, and of data that count: samples of traces with finite noise."""

    n_shots: int
    n_data: int


@dataclass(frozen=True)
class Inversion:
    """A method, the map from its unknowns to models, and its start."""

    method: VariationalInference
    map: ModelMap
    start_sd: float

    @classmethod
    def build(
        cls, run: Run, start: NDArray[Any], simulator: Simulator | None, size: SurveySize
    ) -> "Inversion":
        """Return the inversion of a run from a starting model `(nz, ny, nx)` [m/s].

        `simulator` may be None with `use_data: false`.

        Raises
        ------
        ConfigError
            If the prior, the family or the starting model is impossible.
        """
        model_map = ModelMap.build(run.grid.grid, run.prior, start)
        family = load_family(run.inference.family, model_map.active)
        target = Posterior(model_map, _likelihood(run, simulator, size))
        iterations = run.start.map_iterations
        method = VariationalInference(family, target, run.inference, run.seed, iterations)
        return cls(method, model_map, run.start.sd)

    def initial(self) -> VariationalState:
        """Return the state before the first iteration."""
        return self.method.init(self.map.start_theta(), self.start_sd)

    def models(self, state: VariationalState, n: int, first: int = 0) -> NDArray[np.float64]:
        """Return posterior draws `first` to `first + n`, `(n, nz, ny, nx)` [m/s]."""
        models: NDArray[np.float64] = self.map.models(
            self.method.sample(state, n, first)
        ).numpy()
        return models


def _likelihood(run: Run, simulator: Simulator | None, size: SurveySize) -> Likelihood:
    if not run.inference.use_data or simulator is None:
        return NoData()
    return GaussianLikelihood(
        simulator,
        size.n_shots,
        size.n_data,
        shots_per_sample=run.inference.shots_per_sample,
        seed=run.seed,
        samples_per_batch=2 if run.inference.antithetic else 1,
    )
