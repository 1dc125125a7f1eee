"""Settings of the prior and of where the inference begins."""

from typing import Self

from pydantic import Field, model_validator

from pvi_hpc.plugins import Depths, Settings, Values

__all__ = ["PriorSettings"]


class PriorSettings(Settings):
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
