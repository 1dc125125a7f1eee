"""Settings of surface-wave dispersion."""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.forward.dispersion.scaling import ScalingSettings
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.plugins import Depths, PathName, Seed, Settings, Values

__all__ = ["DispersionSettings", "LayersSettings", "SyntheticCurvesSettings", "WaterSettings"]


class WaterSettings(Settings):
    """A layer of water above the first cell, the same above every column."""

    thickness_m: PositiveFloat = Field(description="Its thickness [m].")
    velocity_m_s: PositiveFloat = Field(1500.0, description="Velocity of sound [m/s].")
    density_kg_m3: PositiveFloat = Field(1000.0, description="Its density [kg/m3].")


class LayersSettings(Settings):
    """Shear velocities by depth, the same in every column."""

    depth_m: Depths = Field(description="Depths of the tops of layers, increasing [m].")
    vs_m_s: Values = Field(description="Shear velocity of each layer [m/s].")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.depth_m) != len(self.vs_m_s):
            raise ValueError(
                f"needs as many 'vs_m_s' as 'depth_m', got {len(self.vs_m_s)} and "
                f"{len(self.depth_m)}"
            )
        if any(a >= b for a, b in pairwise(self.depth_m)):
            raise ValueError(f"'depth_m' must increase, got {list(self.depth_m)}")
        return self


class SyntheticCurvesSettings(Settings):
    """Velocities computed in a known model, and noise."""

    model: ModelFileSettings | LayersSettings = Field(
        description="The true shear velocities: a file, or layers that are read off at the "
        "middle of each cell."
    )
    noise_sd_m_s: PositiveFloat = Field(description="Standard deviation of the noise [m/s].")
    seed: Seed = 1


class DispersionSettings(ForwardSettings):
    """Velocities of surface waves; the model is a shear velocity [m/s] in layers."""

    # What other problems of users set, and what is always so here.
    returns: ClassVar[Literal["data"]] = "data"
    gradient: ClassVar[Literal["returned"]] = "returned"
    files: ClassVar[tuple[str, ...]] = ()
    max_error: ClassVar[None] = None
    difference: ClassVar[float] = 1e-3
    seconds: ClassVar[float] = 1e-2

    kind: Literal["dispersion"] = "dispersion"
    picks: PathName = Field(
        description="Measured velocities: a CSV table or SURF96 text "
        "(docs/guide/dispersion.md)."
    )
    noise_sd_m_s: PositiveFloat | None = Field(
        None, description="Standard deviation of picks that the file gives none for [m/s]."
    )
    noise_floor_m_s: NonNegativeFloat = Field(
        0.0, description="Smallest standard deviation of a pick; smaller ones are raised [m/s]."
    )
    scaling: ScalingSettings = Field(
        ScalingSettings(), description="P velocity and density of a shear velocity."
    )
    water: WaterSettings | None = Field(
        None, description="Water above the first cell; null: the first cell has a free surface."
    )
    radius_m: PositiveFloat | None = Field(
        6_371_000.0,
        description="Radius of the sphere that the layers are shells of, for whose curvature "
        "the velocities are corrected (Earth flattening); null: the layers are flat [m].",
    )
    synthetic: Annotated[
        SyntheticCurvesSettings | None,
        Field(
            description="Compute the velocities of `picks` in a known model, whatever the file "
            "says they are; null: they are the file's."
        ),
    ] = None

    @model_validator(mode="after")
    def _one_noise(self) -> Self:
        if self.synthetic is not None and (self.noise_sd_m_s or self.noise_floor_m_s):
            raise ValueError(
                "'noise_sd_m_s' and 'noise_floor_m_s' have no effect with 'synthetic'; remove "
                "them and set 'synthetic.noise_sd_m_s'"
            )
        return self

    @property
    def water_layer(self) -> tuple[float, float, float]:
        """Thickness [m], velocity [m/s] and density [kg/m3] of the water; thickness 0: none."""
        water = self.water
        if water is None:
            return 0.0, 1500.0, 1000.0
        return water.thickness_m, water.velocity_m_s, water.density_kg_m3
