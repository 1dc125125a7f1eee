"""Settings of the start of an inference: its mean, its curvature, and a last step."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.families.gaussian.options import StencilSize
from pvi_hpc.plugins import Settings

__all__ = ["HessianSettings", "PreconditionerSettings", "StartSettings"]


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


class PreconditionerSettings(Settings):
    """The metric of `polish`: the prior's precision and gradients of noise of every shot."""

    draws: PositiveInt = Field(
        6, description="Number of gradients of noise for each shot, of one stored simulation."
    )
    taper_cells: PositiveFloat = Field(
        3.0,
        description="Sd of the Gaussian taper of what distant cells seem to share, in cells.",
    )
    damping: PositiveFloat = Field(
        1.0, description="Part of the diagonal of the data's curvature that is added to it."
    )


class StartSettings(Settings):
    """The start of the variational distribution."""

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "map_shots",
            "map_final",
            "map_average",
            "map_gain",
            "polish",
            "lbfgs",
            "map_bound",
            "newton",
            "preconditioner",
        }
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
    preconditioner: PreconditionerSettings | None = Field(
        None,
        description="Metric of polish, from one simulation of every shot; null: none.",
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
    newton: Annotated[int, Field(ge=0)] = Field(
        0,
        description="With hessian: most points, with all shots, along a Newton step of the "
        "mean, of which the best is taken, such as 2; 0: the mean stays.",
    )

    @property
    def recorded(self) -> int:
        """Most vectors of float64 that a search by TAO has in a checkpoint."""
        quasi = self.polish + (self.map_iterations if self.map_optimiser == "lbfgs" else 0)
        return 0 if self.lbfgs == "own" else quasi + 2

    @property
    def to_map(self) -> int:
        """Iterations that move the mean alone."""
        return self.to_polish + self.polish

    @property
    def to_polish(self) -> int:
        """Iterations until the polish begins: of adam, and one for its metric."""
        return self.map_iterations + (self.preconditioner is not None)

    @property
    def iterations(self) -> int:
        """Iterations before the variational ones."""
        return self.to_curvature + self.stepping

    @property
    def to_curvature(self) -> int:
        """Iterations until the curvature is known."""
        return self.to_map + (0 if self.hessian is None else self.hessian.iterations)

    @property
    def stepping(self) -> int:
        """Iterations of the Newton step: the gradient at the mean, and points along it."""
        return 1 + self.newton if self.newton and self.hessian is not None else 0

    @model_validator(mode="after")
    def _one_lbfgs(self) -> Self:
        if self.polish and self.map_optimiser == "lbfgs":
            raise ValueError(
                "'polish' must be 0 with 'map_optimiser: lbfgs', which it would only go on "
                f"with, got {self.polish}; give 'map_iterations' as many more"
            )
        return self

    @model_validator(mode="after")
    def _metric_is_used(self) -> Self:
        if self.preconditioner is not None and (not self.polish or self.lbfgs != "own"):
            raise ValueError(
                "'preconditioner' must be null without 'polish' by 'lbfgs: own', which it "
                f"serves, got polish {self.polish} and lbfgs '{self.lbfgs}'; give 'polish', or "
                "remove it"
            )
        return self

    @model_validator(mode="after")
    def _newton_knows_the_curvature(self) -> Self:
        if self.newton and self.hessian is None:
            raise ValueError(
                "'newton' must be 0 without 'hessian', which its step needs, got "
                f"{self.newton}; give 'hessian'"
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
