"""Settings of travel-time tomography with rays that bend."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.plugins import Axes, Counts, PathName, Seed, Settings

__all__ = ["BallSettings", "BallsSettings", "EikonalSettings", "SyntheticTimesSettings"]


class BallSettings(Settings):
    """A ball of one velocity; a disc where an axis has one cell."""

    centre_m: Axes = Field(description="Its middle (z, y, x) [m].")
    radius_m: PositiveFloat = Field(description="Its radius [m].")
    velocity_m_s: PositiveFloat = Field(description="Velocity in it [m/s].")


class BallsSettings(Settings):
    """A velocity everywhere, but for some balls."""

    background_m_s: PositiveFloat = Field(description="Velocity outside of balls [m/s].")
    balls: Annotated[tuple[BallSettings, ...], Field(min_length=1)] = Field(
        description="Balls; where they overlap the last one counts."
    )


class SyntheticTimesSettings(Settings):
    """Travel times computed in a known model, and noise."""

    model: ModelFileSettings | BallsSettings = Field(
        description="The true model: a file, or a velocity with balls."
    )
    noise_sd_s: PositiveFloat = Field(description="Standard deviation of the noise [s].")
    refine: PositiveInt | Counts | None = Field(
        None,
        description="Nodes that times are computed at for each cell, as `refine` above; balls "
        "have their edges on these nodes; null: as for the inversion.",
    )
    seed: Seed = 1


class EikonalSettings(ForwardSettings):
    """First-arrival travel times; the model is a velocity [m/s], positions are in metres."""

    # What other problems of users set, and what is always so here.
    returns: ClassVar[Literal["data"]] = "data"
    gradient: ClassVar[Literal["returned"]] = "returned"
    files: ClassVar[tuple[str, ...]] = ()
    max_error: ClassVar[None] = None
    seconds: ClassVar[float] = 1e-3

    kind: Literal["eikonal"] = "eikonal"
    picks: PathName | None = Field(
        None,
        description="CSV table of picks (docs/guide/travel-times.md); null: a synthetic time "
        "for each pair of stations.",
    )
    stations: PathName | None = Field(
        None, description="CSV table of stations, where picks name these, or there are none."
    )
    noise_sd_s: PositiveFloat | None = Field(
        None,
        description="Standard deviation of all picks, if the table has no column `sd_s` [s].",
    )
    refine: PositiveInt | Counts = Field(
        4,
        description="Nodes that times are computed at for each cell of the model, along all "
        "axes or along z, y, x; velocities between cells are linear.",
    )
    synthetic: SyntheticTimesSettings | None = Field(
        None, description="Make the times by our own solver; null: they are in `picks`."
    )

    @model_validator(mode="after")
    def _has_picks(self) -> Self:
        if self.synthetic is None and self.picks is None:
            raise ValueError("needs 'picks', or 'synthetic' to make them; add one")
        if self.synthetic is not None:
            if self.picks is None and self.stations is None:
                raise ValueError("'synthetic' needs 'stations' or 'picks'; add one")
            if self.noise_sd_s is not None:
                raise ValueError(
                    f"'noise_sd_s' has no effect with 'synthetic', got {self.noise_sd_s:g}; "
                    "remove it and set 'synthetic.noise_sd_s'"
                )
        return self

    @property
    def refinement(self) -> Refinement:
        """Nodes of times relative to cells of the model."""
        return _refinement(self.refine)

    @property
    def refinement_of_truth(self) -> Refinement:
        """The same for synthetic times."""
        own = None if self.synthetic is None else self.synthetic.refine
        return self.refinement if own is None else _refinement(own)


def _refinement(factors: int | tuple[int, int, int]) -> Refinement:
    return Refinement((factors,) * 3 if isinstance(factors, int) else factors)
