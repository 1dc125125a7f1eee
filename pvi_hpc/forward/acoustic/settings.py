"""Settings of the wave solver."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.plugins import PathName, Settings

__all__ = ["AcousticSettings", "GradientSettings"]


#: Cells of the solver for one of a model's along an axis.
Factor = Annotated[int, Field(ge=1, le=8)]


class GradientSettings(Settings):
    """Memory, time and exactness of the gradient of a shot; see docs/theory/gradient.md."""

    storage: Literal["auto", "full", "decimated", "checkpointed"] = Field(
        "auto", description="Storage of time steps; auto: the fastest that fits the memory."
    )
    every: PositiveInt | None = Field(
        None,
        description="Time steps from one stored step to the next; null: as the wavelet allows.",
    )
    memory_gb_per_rank: PositiveFloat = Field(
        8.0, description="Memory of one MPI rank [GB]; fixed for a begun run."
    )
    max_error: PositiveFloat = Field(
        1e-3, description="Largest relative error of the gradient that a storage may cause."
    )
    scratch: PathName | None = Field(
        None, description="Folder for the history, on a disk of the node; null: in memory."
    )

    @model_validator(mode="after")
    def _full_is_every_step(self) -> Self:
        if self.storage == "full" and self.every not in (None, 1):
            raise ValueError(
                f"'storage: full' keeps every step, got 'every: {self.every}'; remove it, or "
                "set 'storage: decimated'"
            )
        return self


class AcousticSettings(ForwardSettings):
    """The acoustic wave equation, by our own C/MPI solver."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {"gradient.max_error", "gradient.scratch"}
    )
    later: ClassVar[frozenset[str]] = frozenset({"refine"})

    kind: Literal["acoustic"] = "acoustic"

    steps_per_sample: PositiveInt = Field(1, description="Time steps for one data sample.")
    refine: Factor | tuple[Factor, Factor, Factor] = Field(
        1,
        description="Cells of the solver's grid for one of `grid` along each axis, or "
        "[z, y, x]; models are interpolated linearly.",
    )
    n_pml: Annotated[int, Field(ge=4, le=40)] = Field(
        10, description="Absorbing cells on each side of the solver's grid."
    )
    order: Literal[4, 8, 12] = Field(8, description="Order of accuracy in space.")
    free_surface: bool = Field(
        False, description="true: the top is free of pressure instead of absorbing."
    )
    precision: Literal["float32", "float64"] = "float32"
    gradient: GradientSettings = GradientSettings()
    min_points_per_wavelength: PositiveFloat = Field(
        3.0, description="Fewest cells for a wavelength at the prior's slowest velocity."
    )

    @property
    def refinement(self) -> Refinement:
        """The solver's grid, relative to that of the models."""
        if isinstance(self.refine, int):
            return Refinement((self.refine,) * 3)
        return Refinement(self.refine)
