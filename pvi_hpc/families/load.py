"""The variational family of a configuration."""

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.families.family import Family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.plugins import load_choice

__all__ = ["load_family"]


def load_family(settings: FamilySettings, active: NDArray[np.bool_]) -> Family:
    """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.families` has that name, or an option is wrong.
    """
    plugin, options = load_choice(settings, "inference.family")
    family: Family = plugin.from_options(active, options)
    return family
