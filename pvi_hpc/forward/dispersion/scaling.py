"""Relations that give P velocity and density from shear velocity, with their derivatives."""

from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from pvi_hpc.plugins import Settings

__all__ = ["Rock", "ScalingSettings"]

Array = NDArray[np.float64]

#: Brocher (2005, BSSA 95), equations 9 and 1: vp [km/s] of vs [km/s], density [g/cm3] of vp.
BROCHER_VP: Final = Polynomial([0.9409, 2.0947, -0.8206, 0.2683, -0.0251])
BROCHER_DENSITY: Final = Polynomial([0.0, 1.6612, -0.4721, 0.0671, -0.0043, 0.000106])
#: Gardner, Gardner & Gregory (1974, Geophysics 39): density [kg/m3] of vp [km/s].
GARDNER: Final = 1741.0
GARDNER_POWER: Final = 0.25


class Rock(NamedTuple):
    """P velocity [m/s] and density [kg/m3] of some shear velocities, and their derivatives."""

    vp: Array
    density: Array
    vp_slope: Array
    density_slope: Array


class ScalingSettings(Settings):
    """Relations between shear velocity, P velocity and density."""

    vp: Literal["ratio", "brocher"] = Field(
        "ratio",
        description="P velocity: `ratio` times the shear velocity, or the polynomial of "
        "Brocher (2005), made for shear velocities of at most 4,500 m/s.",
    )
    ratio: Annotated[float, Field(gt=1.2)] = Field(
        1.7320508075688772, description="P velocity over shear velocity with `vp: ratio`."
    )
    density: Literal["gardner", "brocher"] | PositiveFloat = Field(
        "gardner",
        description="Density: 1741 vp^0.25 (Gardner et al. 1974; kg/m3, vp in km/s), the "
        "polynomial of Brocher (2005), or a number [kg/m3].",
    )

    def rock(self, vs: Array) -> Rock:
        """Return P velocities and densities of shear velocities [m/s]."""
        if self.vp == "ratio":
            vp, vp_slope = self.ratio * vs, np.full_like(vs, self.ratio)
        else:
            vp, vp_slope = 1e3 * BROCHER_VP(vs / 1e3), BROCHER_VP.deriv()(vs / 1e3)
        if self.density == "gardner":
            # A polynomial beyond its range may fall below 0, which `pvi check` refuses.
            positive = np.maximum(vp, 1.0)
            density = GARDNER * (positive / 1e3) ** GARDNER_POWER
            by_vp = GARDNER_POWER * density / positive
        elif self.density == "brocher":
            density, by_vp = 1e3 * BROCHER_DENSITY(vp / 1e3), BROCHER_DENSITY.deriv()(vp / 1e3)
        else:
            density, by_vp = np.full_like(vs, self.density), np.zeros_like(vs)
        return Rock(vp, density, vp_slope, by_vp * vp_slope)
