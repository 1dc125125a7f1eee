"""Settings of the start of an inversion: its model, and what inference needs to know."""

from typing import Annotated, Literal

from pydantic import Field

from pvi_hpc.data.settings import ModelFileSettings, ProfileSettings
from pvi_hpc.inference.settings import StartSettings

__all__ = ["StartingModelSettings"]


class StartingModelSettings(StartSettings):
    """The start of the variational distribution, and the starting model."""

    model: Literal["prior_mean"] | ProfileSettings | ModelFileSettings = Field(
        "prior_mean",
        description="Starting model: the prior's mean, a profile by depth, or a file.",
    )
    smooth_m: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Gaussian smoothing length of the starting model [m]."
    )
