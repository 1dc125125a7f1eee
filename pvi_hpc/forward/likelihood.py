"""Settings of the likelihood: the data that count, and the model of their noise."""

from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Field, PositiveFloat, model_validator

from pvi_hpc.plugins import Settings

__all__ = [
    "LikelihoodSettings",
    "MuteSettings",
    "NoiseSettings",
    "SpectrumSettings",
    "TimeLineSettings",
]

Length = Annotated[float, Field(ge=0)]


class TimeLineSettings(Settings):
    """A straight line in a shot gather: ``time_s + offset / velocity_m_s``."""

    time_s: float = Field(0.0, description="Time of the line at zero offset [s].")
    velocity_m_s: PositiveFloat | None = Field(
        None, description="Slope of the line; null: one time at every offset."
    )
    taper_s: Length = Field(
        0.0, description="Time in which the weight rises to 1 behind the line [s]."
    )


class MuteSettings(Settings):
    """Data that are left out of the misfit; offsets are distances in 3D."""

    min_offset_m: Length = Field(
        0.0, description="Receivers nearer to the source than this do not count."
    )
    max_offset_m: PositiveFloat | None = Field(
        None, description="Receivers farther from the source than this do not count; null: all."
    )
    taper_m: Length = Field(
        0.0, description="Distance in which the weight rises to 1 from either limit [m]."
    )
    before: TimeLineSettings | None = Field(
        None, description="Samples before this line do not count; null: there is none."
    )
    after: TimeLineSettings | None = Field(
        None, description="Samples after this line do not count; null: there is none."
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.max_offset_m is not None and self.max_offset_m <= self.min_offset_m:
            raise ValueError(
                f"'max_offset_m' must be above 'min_offset_m', {self.min_offset_m:g} m, or "
                f"nothing is left, got {self.max_offset_m:g} m; raise it"
            )
        limits = (self.max_offset_m, self.before, self.after)
        if not self.min_offset_m and all(limit is None for limit in limits):
            raise ValueError("mutes nothing: set one of its keys, or remove 'mute'")
        return self


class NoiseSettings(Settings):
    """Factors on the noise sd as unknowns, one for each group of data; {}: one for all data."""

    offset_edges_m: tuple[PositiveFloat, ...] = Field(
        (), description="Offsets between one group and the next [m], in 3D."
    )
    time_edges_s: tuple[PositiveFloat, ...] = Field(
        (), description="Times between one group and the next [s]."
    )
    shape: PositiveFloat = Field(
        1.0,
        description="Shape a of the prior, InverseGamma(a, b), of each squared factor; it "
        "counts as 2 a data.",
    )
    scale: PositiveFloat = Field(
        1.0, description="Scale b of that prior: the 2 a data have a mean square of b / a."
    )
    in_start: bool = Field(
        False,
        description="true: factors move in a MAP phase by adam too; false: all of the start "
        "compares with the noise that is given.",
    )

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        for name in ("offset_edges_m", "time_edges_s"):
            edges = getattr(self, name)
            if any(b <= a for a, b in pairwise(edges)):
                raise ValueError(f"'{name}' must increase, got {list(edges)}; sort it")
        return self


class SpectrumSettings(Settings):
    """Noise that is correlated along a trace; the noise sd stays that of its samples."""

    correlation_s: PositiveFloat | None = Field(
        None,
        description="Time in which the correlation of the noise falls to 1 / e (AR(1)).",
    )
    band_hz: tuple[Length, PositiveFloat] | None = Field(
        None, description="Lowest and highest frequency of noise in a band."
    )
    floor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="Power of the noise outside `band_hz`, relative to inside."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.correlation_s is None) == (self.band_hz is None):
            raise ValueError("needs exactly one of 'correlation_s' and 'band_hz'")
        if self.band_hz is not None and self.band_hz[1] <= self.band_hz[0]:
            raise ValueError(f"'band_hz' must increase, got {list(self.band_hz)}; swap them")
        return self


class LikelihoodSettings(Settings):
    """The comparison of simulated with observed data; see docs/theory/likelihood.md."""

    mute: MuteSettings | None = Field(
        None, description="Data that do not count; null: all of live traces count."
    )
    noise: NoiseSettings | None = Field(
        None, description="Noise sd as an unknown; null: it is as the survey says."
    )
    spectrum: SpectrumSettings | None = Field(
        None, description="Correlation of the noise along a trace; null: it is white."
    )

    @model_validator(mode="after")
    def _whole_traces_for_a_band(self) -> Self:
        lines = None if self.mute is None else self.mute.before or self.mute.after
        if (
            lines is not None
            and self.spectrum is not None
            and self.spectrum.band_hz is not None
        ):
            raise ValueError(
                "'spectrum.band_hz' needs whole traces, but 'mute' has 'before' or 'after': "
                "cut noise leaves its band. Remove the lines, or use 'correlation_s'"
            )
        return self

    @property
    def is_default(self) -> bool:
        """True where every sample of a live trace counts, with the noise that is given."""
        return self == LikelihoodSettings()

    def lasting(self) -> dict[str, Any]:
        """Return what was set, as JSON: keys that come later change no claim of a run."""
        return self.model_dump(mode="json", exclude_defaults=True)
