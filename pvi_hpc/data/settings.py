"""Settings of the grid, the survey, the wavelet and the solver."""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.survey import Component
from pvi_hpc.plugins import Depths, PathName, Seed, Settings, Values

__all__ = [
    "GeneratorSettings",
    "LineSettings",
    "ModelFileSettings",
    "PositionsSettings",
    "ProfileSettings",
    "RickerSettings",
    "SurveySettings",
    "SyntheticSettings",
    "WaveletSettings",
]


class RickerSettings(Settings):
    """Ricker wavelet ``a (1 - 2 u) exp(-u)``, ``u = (pi f (t - delay))**2``."""

    peak_hz: PositiveFloat
    delay_s: PositiveFloat = Field(description="Time of the peak [s]; 1.2 / peak_hz is enough.")
    amplitude: float = 1.0


class WaveletSettings(Settings):
    """The source term: a file (columns time [s] and value) or a Ricker wavelet."""

    file: PathName | None = None
    ricker: RickerSettings | None = None
    resample: bool = Field(
        False, description="true: resample a file whose interval is not the solver's time step."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.file is None) == (self.ricker is None):
            raise ValueError("needs exactly one of 'file' and 'ricker'")
        return self


class LineSettings(Settings):
    """`n` equally spaced positions from `first_m` to `last_m`."""

    first_m: float
    last_m: float
    n: PositiveInt

    @property
    def points(self) -> list[float]:
        """Coordinates [m]."""
        return [float(x) for x in np.linspace(self.first_m, self.last_m, self.n)]


class PositionsSettings(Settings):
    """A rectangular array at one depth, or a line along x."""

    depth_m: float
    y: LineSettings | None = Field(
        None, description="Positions along y; null: y = 0, where the grid has one cell along y."
    )
    x: LineSettings


class GeneratorSettings(Settings):
    """A seedable, geologically plausible model: layers, folds, faults, channels."""

    seed: Seed = 1
    velocity_top_m_s: PositiveFloat = 1800.0
    velocity_bottom_m_s: PositiveFloat = 3600.0
    n_layers: PositiveInt = 8
    contrast: Annotated[float, Field(ge=0, lt=0.5)] = 0.08
    fold_m: Annotated[float, Field(ge=0)] = 60.0
    n_faults: Annotated[int, Field(ge=0)] = 2
    throw_m: Annotated[float, Field(ge=0)] = 60.0
    n_channels: Annotated[int, Field(ge=0)] = 1
    water_m: Annotated[float, Field(ge=0)] = Field(0.0, description="Depth of the sea bed [m].")


class ModelFileSettings(Settings):
    """A velocity model [m/s] in HDF5, .npy or SEG-Y, axes (z, y, x), on the run's grid."""

    file: PathName
    dataset: str = Field("vp", description="Name of the HDF5 dataset.")


class SyntheticSettings(Settings):
    """A survey made by our own solver."""

    model: ModelFileSettings | GeneratorSettings
    sources: PositionsSettings
    receivers: PositionsSettings
    n_samples: PositiveInt
    dt_s: PositiveFloat
    noise_level: Annotated[float, Field(ge=0)] = Field(
        description="Noise sd as a fraction of the rms of the clean data."
    )
    seed: Seed = 1


class SurveySettings(Settings):
    """The survey: data, wavelet and noise."""

    later: ClassVar[frozenset[str]] = frozenset({"headers"})

    format: Literal["segy", "su", "hdf5", "synthetic"]
    files: tuple[PathName, ...] = Field(
        (), description="Data files, one a survey or one a shot; with * and ?."
    )
    headers: HeaderSettings = Field(
        STANDARD,
        description="What the headers of SEG-Y and SU files mean, where they are odd.",
    )
    synthetic: SyntheticSettings | None = None
    wavelet: WaveletSettings | None = Field(
        None, description="Wavelet; HDF5 surveys bring their own."
    )
    noise_sd: PositiveFloat | None = Field(
        None, description="Noise sd of every trace, in units of the data."
    )
    noise_window_s: PositiveFloat | None = Field(
        None,
        description="Measure the noise sd of a trace before this time, ahead of arrivals [s].",
    )
    component: Component = Field(
        "pressure",
        description="Component that receivers record; vz, vy, vx: particle velocity. HDF5 "
        "surveys bring their own.",
    )
    density_kg_m3: PositiveFloat = Field(
        1000.0, description="Density of the medium [kg/m3]; it scales particle velocities."
    )
    true_model: ModelFileSettings | None = Field(
        None, description="True model, if it is known; only drawn and scored."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.format == "synthetic":
            if self.synthetic is None or self.files:
                raise ValueError("'format: synthetic' needs 'synthetic' and no 'files'")
        elif self.synthetic is not None or not self.files:
            raise ValueError(f"'format: {self.format}' needs 'files' and no 'synthetic'")
        if self.format != "hdf5" and self.wavelet is None:
            raise ValueError(f"'format: {self.format}' needs 'wavelet'")
        if self.format not in ("segy", "su") and self.headers != STANDARD:
            raise ValueError(
                f"'headers' has no effect with 'format: {self.format}', got "
                f"{self.headers.changed()}; remove it"
            )
        given = [n for n in ("noise_sd", "noise_window_s") if getattr(self, n) is not None]
        if self.format in ("segy", "su") and len(given) != 1:
            raise ValueError("needs exactly one of 'noise_sd' and 'noise_window_s'")
        if self.format == "hdf5" and self.component != "pressure":
            raise ValueError(
                f"'component' has no effect with 'format: hdf5', got '{self.component}'; "
                "remove it: the file's attribute 'component' says what was recorded"
            )
        if self.format == "hdf5" and len(given) == 2:
            raise ValueError(
                "must have at most one of 'noise_sd' and 'noise_window_s', got both; "
                "remove one, or both to keep the noise levels in the file"
            )
        if self.format == "synthetic":
            self._refuse_ignored()
        return self

    def _refuse_ignored(self) -> None:
        """Refuse what a synthetic survey takes from `synthetic` instead."""
        instead = {
            "noise_sd": "synthetic.noise_level",
            "noise_window_s": "synthetic.noise_level",
            "true_model": "synthetic.model",
        }
        for name, other in instead.items():
            if (value := getattr(self, name)) is not None:
                raise ValueError(
                    f"'{name}' has no effect with 'format: synthetic', got {value}; remove "
                    f"it and set '{other}'"
                )


class ProfileSettings(Settings):
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
