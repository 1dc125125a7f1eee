"""Settings of the choice of a family."""

from typing import ClassVar

from pydantic import Field

from pvi_hpc.plugins import PluginSettings

__all__ = ["FamilySettings"]


class FamilySettings(PluginSettings):
    """The variational distribution."""

    group: ClassVar = "pvi_hpc.families"

    kind: str = Field(
        "mean_field", description="Name of a family; `pvi list families` shows all of them."
    )
