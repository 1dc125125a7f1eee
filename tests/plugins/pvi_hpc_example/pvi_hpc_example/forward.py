"""A forward problem: the mean velocity of every depth, as an example in one file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from pvi_hpc.data.prepare import Simulate
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import Finding, NonFiniteError, ok
from pvi_hpc.forward.comparison import compare
from pvi_hpc.forward.problem import Domain, ShotResult, SimulationCost, Want
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["DepthMeans"]


class DepthMeansSettings(ForwardSettings):
    """Mean velocity of every depth, as it might come from a well."""

    kind: Literal["depth_means"] = "depth_means"
    means_m_s: tuple[PositiveFloat, ...] = Field(
        description="Observed mean velocity of every depth of the grid [m/s]."
    )
    noise_sd_m_s: PositiveFloat = Field(20.0, description="Sd of their noise [m/s].")


class DepthMeans:
    """Mean velocity of every depth of the grid."""

    Options: ClassVar[type[ForwardSettings]] = DepthMeansSettings
    has_data = True
    has_positions = False

    def __init__(self, options: DepthMeansSettings, domain: Domain) -> None:
        self.options, self.domain = options, domain

    @classmethod
    def from_options(cls, options: DepthMeansSettings, domain: Domain) -> Self:
        return cls(options, domain)

    @classmethod
    def solver(cls, setup: SimulationSetup, folder: Path, comm: Any) -> "DepthMeansSolver":
        return DepthMeansSolver(SurveyFile(setup.survey))

    def inputs(self) -> list[str]:
        return []

    def geometry(self) -> Survey:
        data = np.array(self.options.means_m_s, dtype=np.float32)[:, None]
        noise = np.full(len(data), self.options.noise_sd_m_s)
        shot = Shot(1, np.zeros(3), np.zeros((len(data), 3)), data, noise)
        return Survey((shot,), Wavelet(np.zeros(1), 1.0), 1.0, 1)

    def prepare(self, simulate: Simulate) -> Survey:
        return self.geometry()

    def check(self, survey: Survey) -> Iterator[Finding]:
        yield ok("forward", f"{survey.n_traces} mean velocities.")

    def measure(self, survey: Survey) -> Iterator[Finding]:
        yield ok("forward", "the gradient is exact.")

    def cost(self, survey: Survey) -> SimulationCost:
        return SimulationCost(10**8, 1e-3, 2e-3, "keeps nothing.", "a guess")

    def setup(self, survey: SurveyFile, digest: str) -> SimulationSetup:
        grid, scratch = self.domain.grid, 32 * self.domain.grid.size
        return SimulationSetup("depth_means", grid, str(survey.path), digest, scratch=scratch)


class DepthMeansSolver:
    """Averages and their transpose, on one rank."""

    storage = ""

    def __init__(self, survey: SurveyFile) -> None:
        self.survey = survey

    def set_model(self, model: NDArray[Any]) -> None:
        if not np.isfinite(model).all():
            raise NonFiniteError("The model holds NaN or infinite values.")
        self.model = np.asarray(model, dtype=np.float64)

    def simulate(self, shots: Any, want: Want) -> ShotResult:
        means = self.model.mean(axis=(1, 2))[:, None]
        if want == "traces":
            return ShotResult(traces=tuple(means.astype(np.float32) for _ in shots))
        compared = compare(means, self.survey.shot(0))
        cells = self.model[0].size
        gradient = np.broadcast_to(compared.derivative[:, :, None] / cells, self.model.shape)
        return ShotResult(compared.misfit, gradient.copy() if want == "gradient" else None)

    def close(self) -> None:
        """Nothing is open."""
