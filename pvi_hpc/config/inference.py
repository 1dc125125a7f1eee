"""Settings of the prior, the start and the variational inference."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.config.base import Frozen
from pvi_hpc.config.survey import ModelFile

__all__ = [
    "Estimator",
    "Family",
    "Hessian",
    "Inference",
    "Method",
    "Optimiser",
    "Prior",
    "Profile",
    "Start",
    "Stop",
]

Values = tuple[PositiveFloat, ...]
Depths = Annotated[tuple[float, ...], Field(min_length=1)]


class Profile(Frozen):
    """A velocity by depth, linear between the nodes and constant beyond them."""

    depth_m: Depths
    velocity_m_s: Values

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if len(self.depth_m) != len(self.velocity_m_s):
            raise ValueError("'depth_m' and 'velocity_m_s' must have the same length")
        if any(b <= a for a, b in zip(self.depth_m, self.depth_m[1:], strict=False)):
            raise ValueError(f"'depth_m' must increase, got {self.depth_m}")
        return self


class Prior(Frozen):
    """Independent cells, by depth; every velocity stays inside `lower` and `upper`."""

    kind: str = Field(description="uniform, normal, or an entry point of pvi_hpc.priors.")
    depth_m: Depths = Field(description="Nodes of the tables below.")
    lower_m_s: Values
    upper_m_s: Values
    mean_m_s: Values | None = None
    sd_m_s: Values | None = None
    fixed_above_m: float | None = Field(
        None, description="Cells above this depth keep the starting model (a water layer)."
    )

    @model_validator(mode="after")
    def _tables(self) -> Self:
        tables = {n: getattr(self, n) for n in ("lower_m_s", "upper_m_s", "mean_m_s", "sd_m_s")}
        for name, values in tables.items():
            if values is not None and len(values) != len(self.depth_m):
                raise ValueError(
                    f"'{name}' must have {len(self.depth_m)} values like 'depth_m', "
                    f"got {len(values)}"
                )
        for z, a, b in zip(self.depth_m, self.lower_m_s, self.upper_m_s, strict=True):
            if a >= b:
                raise ValueError(
                    f"'lower_m_s' must be below 'upper_m_s', got {a} >= {b} at {z} m"
                )
        if any(b <= a for a, b in zip(self.depth_m, self.depth_m[1:], strict=False)):
            raise ValueError(f"'depth_m' must increase, got {self.depth_m}")
        given = [n for n in ("mean_m_s", "sd_m_s") if getattr(self, n) is not None]
        # A prior of a plug-in may use them or not.
        if self.kind == "normal" and len(given) < 2:
            raise ValueError(f"'kind: normal' needs 'mean_m_s' and 'sd_m_s', got {given}")
        if self.kind == "uniform" and given:
            raise ValueError(
                f"'kind: uniform' must not have {' and '.join(given)}; remove them, or choose "
                "'kind: normal'"
            )
        return self


class Hessian(Frozen):
    """The start from the curvature at its mean: differences of gradients."""

    probes: PositiveInt | None = Field(
        None,
        description="Random directions, one gradient each, for the sds; null: 8. From the "
        "number of unknowns on: every column of the precision. With stencil: rounds; null: 1.",
    )
    stencil: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
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
    def products(self) -> int:
        """Gradients besides that at the mean."""
        if self.stencil is None:
            return self.probes or 8
        kz, ky, kx = self.stencil
        return (self.probes or 1) * kz * ky * kx


class Start(Frozen):
    """Where the variational distribution starts."""

    model: Literal["prior_mean"] | Profile | ModelFile = "prior_mean"
    smooth_m: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Gaussian smoothing length of the starting model."
    )
    sd: PositiveFloat = Field(0.3, description="Sd in units of the prior's sd.")
    map_iterations: Annotated[int, Field(ge=0)] = Field(
        0, description="Iterations of deterministic FWI before the variational ones."
    )
    map_optimiser: Literal["adam", "lbfgs"] = Field(
        "adam", description="Of the deterministic FWI; lbfgs uses all shots."
    )
    map_step: PositiveFloat | None = Field(
        None, description="Step of adam; null: that of `inference.optimiser`."
    )
    hessian: Hessian | None = Field(
        None, description="null: every cell starts with `sd`; otherwise see Hessian."
    )

    @property
    def iterations(self) -> int:
        """Iterations before the variational ones."""
        probing = 0 if self.hessian is None else 1 + self.hessian.products
        return self.map_iterations + probing


class Family(Frozen):
    """The variational distribution."""

    kind: str = Field(
        "mean_field", description="mean_field, structured, or an entry point of families."
    )
    options: dict[str, Any] = Field({}, description="e.g. stencil: [3, 3, 3] for structured.")


class Method(Frozen):
    """How the posterior is approximated."""

    kind: str = Field("vi", description="vi, or an entry point of pvi_hpc.methods.")
    options: dict[str, Any] = Field({}, description="Those of the method; none for vi.")


class Estimator(Frozen):
    """How the gradient of the ELBO is estimated from samples; see docs/inference.md."""

    draws: Literal["pairs", "independent", "sobol"] = Field(
        "pairs", description="eps and -eps in turn, independent, or scrambled Sobol points."
    )
    landing: Literal["regression", "always", "never"] = Field(
        "regression", description="How much of the score is subtracted from a path gradient."
    )
    sobol_coordinates: Annotated[int, Field(ge=1, le=21201)] = Field(
        1000, description="Leading unknowns that are Sobol points; the others are independent."
    )


class Optimiser(Frozen):
    """How the parameters move; the step falls from `step` to `step * final`."""

    kind: Literal["adam", "sgd", "natural"] = Field(
        "adam",
        description="natural: for families that know their Fisher information; no momentum.",
    )
    step: PositiveFloat | None = Field(
        None, description="null: 0.02; with natural what the samples of an iteration allow."
    )
    schedule: Literal["cosine", "constant", "inverse_sqrt"] = Field(
        "cosine", description="inverse_sqrt: step / sqrt(1 + i); final counts for cosine only."
    )
    final: Annotated[float, Field(gt=0, le=1)] = 0.1
    beta1: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Momentum.")
    beta2: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="Adam only.")
    average: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the iterations, at the end, whose parameters are averaged."
    )


class Stop(Frozen):
    """Stop early where the ELBO has stopped to grow."""

    window: Annotated[int, Field(ge=2)] = Field(
        50, description="Iterations whose mean ELBO is compared with that of as many before."
    )
    tolerance: PositiveFloat = Field(
        1.0, description="Stop where it grew by less than so many of its standard errors."
    )


class Inference(Frozen):
    """Variational inference: method, family, estimator, optimiser and length."""

    method: Method = Method()
    family: Family = Family()
    iterations: PositiveInt
    samples: PositiveInt = Field(2, description="Models per iteration.")
    shots_per_sample: PositiveInt | None = Field(None, description="Minibatch; null: all.")
    estimator: Estimator = Estimator()
    optimiser: Optimiser = Optimiser()
    stop: Stop | None = Field(None, description="null: all iterations are done.")
    precision: Literal["double", "single"] = Field(
        "double", description="Of the variational parameters."
    )
    use_data: bool = Field(True, description="false: the run must return its prior.")

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
