"""Settings of the prior and of where the inference begins."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from pvi_hpc.config.base import Frozen
from pvi_hpc.config.inference import Depths, Hessian, Values
from pvi_hpc.config.survey import ModelFile

__all__ = ["Prior", "Profile", "Start"]


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
