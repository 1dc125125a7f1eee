"""Settings of the variational inference; those of its start are in `starts.settings`."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.starts.settings import HessianSettings, StartSettings
from pvi_hpc.plugins import PluginSettings, Settings

__all__ = [
    "CoordinateName",
    "EstimatorSettings",
    "HessianSettings",
    "InferenceSettings",
    "MethodSettings",
    "OptimiserSettings",
    "StartSettings",
    "StopSettings",
]


#: Coordinates of the unknowns.
CoordinateName: TypeAlias = Literal["whitened", "field"]


class MethodSettings(PluginSettings):
    """The method that approximates the posterior."""

    group: ClassVar = "pvi_hpc.methods"

    kind: str = Field(
        "vi", description="Name of a method; `pvi list methods` shows all of them."
    )


class EstimatorSettings(Settings):
    """Estimator of the gradient of the ELBO from samples; see docs/theory/estimators.md."""

    draws: Literal["pairs", "independent", "sobol"] = Field(
        "pairs",
        description="Random numbers: eps and -eps in turn, independent, or Sobol points.",
    )
    landing: Literal["regression", "always", "never"] = Field(
        "regression", description="Share of the score that is subtracted from a path gradient."
    )
    sobol_coordinates: Annotated[int, Field(ge=1, le=21201)] = Field(
        1000,
        description="Number of leading unknowns that are Sobol points; others are independent.",
    )


class OptimiserSettings(Settings):
    """Optimiser of the parameters; the step falls from `step` to `step * final`."""

    kind: Literal["adam", "sgd", "natural"] = Field(
        "adam",
        description="Direction of the steps; natural: for families that know their Fisher "
        "information, without momentum.",
    )
    step: PositiveFloat | None = Field(
        None, description="First step; null: 0.02, with natural as long as the samples allow."
    )
    schedule: Literal["cosine", "constant", "inverse_sqrt"] = Field(
        "cosine",
        description="Fall of the step; inverse_sqrt: step / sqrt(1 + i), without final.",
    )
    final: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="Last step relative to the first, with cosine."
    )
    beta1: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9, description="Decay of the momentum."
    )
    beta2: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.999, description="Decay of the squared gradients, with adam only."
    )
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the iterations, at the end, whose parameters are averaged."
    )


class StopSettings(Settings):
    """Stop early where the ELBO has stopped to grow."""

    window: Annotated[int, Field(ge=2)] = Field(
        50, description="Iterations whose mean ELBO is compared with that of as many before."
    )
    tolerance: PositiveFloat = Field(
        1.0,
        description="Growth of the mean ELBO at which a run stops, in its standard errors.",
    )


class InferenceSettings(Settings):
    """Variational inference: method, family, estimator, optimiser and length."""

    later: ClassVar[frozenset[str]] = frozenset({"coordinates"})

    coordinates: CoordinateName = Field(
        "whitened",
        description="Coordinates of the unknowns; whitened: independent under the prior; "
        "field: one standard normal unknown a cell, for priors of correlated cells.",
    )

    method: MethodSettings = MethodSettings()
    family: FamilySettings = FamilySettings()
    iterations: Annotated[int, Field(ge=0)] = Field(
        description="Number of iterations after the start; 0, with method vi only: the start "
        "is the result."
    )
    samples: PositiveInt = Field(2, description="Number of models simulated in one iteration.")
    shots_per_sample: PositiveInt | None = Field(
        None, description="Number of shots in a minibatch; null: all shots."
    )
    estimator: EstimatorSettings = EstimatorSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    stop: StopSettings | None = Field(
        None, description="Test of convergence; null: all iterations are done."
    )
    precision: Literal["double", "single"] = Field(
        "double", description="Precision of the variational parameters."
    )
    use_data: bool = Field(
        True, description="false: without data, so that the run must return its prior."
    )

    @model_validator(mode="after")
    def _iterates(self) -> Self:
        if not self.iterations and self.method.kind != "vi":
            raise ValueError(
                f"'iterations' must be at least 1 with 'method.kind: {self.method.kind}', "
                "whose start is no result, got 0"
            )
        return self

    @model_validator(mode="after")
    def _whole_designs(self) -> Self:
        draws, n = self.estimator.draws, self.samples
        if draws == "pairs" and n % 2:
            raise ValueError(
                f"'samples' must be even with 'estimator.draws: pairs', got {n}; add one, or "
                "choose 'independent'"
            )
        if draws == "sobol" and n & (n - 1):
            raise ValueError(
                "'samples' must be a power of two with 'estimator.draws: sobol', "
                f"got {n}; choose 2, 4, 8, ..."
            )
        return self
