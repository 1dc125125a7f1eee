"""Settings of the start and of the variational inference."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.families.gaussian.options import StencilSize
from pvi_hpc.families.settings import FamilySettings
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


class HessianSettings(Settings):
    """The start from the curvature at its mean: differences of gradients, or those of noise."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"kind", "sweeps", "draws", "smooth_cells", "shrink"}
    )

    kind: Literal["differences", "noise"] = Field(
        "differences",
        description="Origin of the curvature; noise: gradients of random noise in the data of "
        "each shot, one simulation each, which show every coupling at once.",
    )
    sweeps: PositiveInt = Field(
        2,
        description="With noise: number of sweeps over all shots; the first at the mean, "
        "others at draws of the mean field that is known by then.",
    )
    draws: PositiveInt = Field(
        1, description="With noise: number of gradients for each stored simulation."
    )
    smooth_cells: Annotated[float, Field(ge=0)] = Field(
        1.5,
        description="With noise: sd of the average of products over neighbours, in cells; 0: "
        "none.",
    )
    shrink: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto",
        description="With noise: share of the couplings that is believed; auto: that of the "
        "largest ELBO.",
    )
    probes: PositiveInt | None = Field(
        None,
        description="Number of random directions, one gradient each, for the sds; null: 8. "
        "From the number of unknowns on: every column of the precision. With stencil: "
        "number of rounds; null: 1.",
    )
    stencil: StencilSize | None = Field(
        None,
        description="[kz, ky, kx], odd: couplings between neighbours within it are probed too, "
        "for families that have them; kz * ky * kx gradients a round.",
    )
    difference: PositiveFloat = Field(
        0.01, description="Length of a difference, in units of the prior's sd."
    )
    max_sd: PositiveFloat = Field(
        1.0, description="Sd where there is no curvature, in units of the prior's sd."
    )

    @property
    def iterations(self) -> int:
        """Number of iterations of the whole start from the curvature."""
        if self.kind == "noise":
            return self.sweeps + (self.shrink == "auto")
        return 1 + self.products

    @property
    def products(self) -> int:
        """Number of gradients besides that at the mean, with differences."""
        if self.stencil is None:
            return self.probes or 8
        kz, ky, kx = self.stencil
        return (self.probes or 1) * kz * ky * kx


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


class StartSettings(Settings):
    """The start of the variational distribution."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"map_shots", "map_final", "map_average", "map_gain", "polish", "lbfgs", "map_bound"}
    )

    sd: PositiveFloat = Field(0.3, description="Sd of every cell, in units of the prior's sd.")
    map_iterations: Annotated[int, Field(ge=0)] = Field(
        0, description="Iterations of deterministic FWI before the variational ones."
    )
    map_optimiser: Literal["adam", "lbfgs"] = Field(
        "adam",
        description="Optimiser of the deterministic FWI; lbfgs has a line search and uses all "
        "shots.",
    )
    map_step: PositiveFloat | None = Field(
        None, description="Step of adam; null: that of `inference.optimiser`."
    )
    map_shots: PositiveInt | None = Field(
        None,
        description="Number of shots of a step of adam, dealt out of one random permutation "
        "after another; null: `inference.shots_per_sample`, drawn anew for each step.",
    )
    map_final: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Last step of adam relative to the first; null: that of "
        "`inference.optimiser`.",
    )
    map_average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the steps of adam, at the end, whose mean is the result."
    )
    polish: Annotated[int, Field(ge=0)] = Field(
        0, description="Iterations of lbfgs, with all shots, after those of adam."
    )
    lbfgs: Literal["own", "blmvm", "bqnls"] = Field(
        "own",
        description="Implementation of lbfgs: own, or a method of PETSc's TAO, which may have "
        "bounds: projected (blmvm) or by active sets (bqnls).",
    )
    map_bound: PositiveFloat | None = Field(
        None,
        description="Largest size of an unknown of the deterministic FWI, in units of the "
        "prior's sd, with blmvm and bqnls; null: none.",
    )
    map_gain: PositiveFloat | None = Field(
        None,
        description="Gain of a quasi-Newton step [nats] below which lbfgs has arrived and the "
        "rest of the iterations is skipped; null: never.",
    )
    hessian: HessianSettings | None = Field(
        None, description="Sds from the curvature; null: every cell starts with `sd`."
    )

    @property
    def to_map(self) -> int:
        """Iterations that move the mean alone."""
        return self.map_iterations + self.polish

    @property
    def iterations(self) -> int:
        """Iterations before the variational ones."""
        probing = 0 if self.hessian is None else self.hessian.iterations
        return self.to_map + probing

    @model_validator(mode="after")
    def _one_lbfgs(self) -> Self:
        if self.polish and self.map_optimiser == "lbfgs":
            raise ValueError(
                "'polish' must be 0 with 'map_optimiser: lbfgs', which it would only go on "
                f"with, got {self.polish}; give 'map_iterations' as many more"
            )
        return self

    @model_validator(mode="after")
    def _tao_is_used(self) -> Self:
        if self.lbfgs != "own" and not (self.polish or self.map_optimiser == "lbfgs"):
            raise ValueError(
                "'lbfgs' must be own without 'map_optimiser: lbfgs' or 'polish', got "
                f"'{self.lbfgs}'; give one of them"
            )
        if self.map_bound is not None and self.lbfgs == "own":
            raise ValueError(
                "'map_bound' must be null with 'lbfgs: own', which has no bounds, got "
                f"{self.map_bound:g}; choose blmvm or bqnls"
            )
        return self
