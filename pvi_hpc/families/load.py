"""The variational family of a configuration."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pvi_hpc.families.family import Family
from pvi_hpc.plugins import Settings, load_plugin

__all__ = ["FamilySettings", "load_family"]


class FamilySettings(Settings):
    """The variational distribution."""

    kind: str = Field(
        "mean_field", description="mean_field, structured, or an entry point of families."
    )
    options: dict[str, Any] = Field({}, description="e.g. stencil: [3, 3, 3] for structured.")


def load_family(settings: FamilySettings, active: NDArray[np.bool_]) -> Family:
    """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.families` has that name, or an option is wrong.
    """
    plugin = load_plugin("pvi_hpc.families", settings.kind, "inference.family.kind")
    family: Family = plugin.from_options(active, settings.options)
    return family
