"""Dispersion curves of a layered sphere, by Earth flattening.

Surface waves of a sphere are those of a flat model whose velocities grow with depth: with the
radius `r` of a layer and `a` of the surface, velocities are multiplied by `a / r`, depths
become `a log(a / r)` and densities are multiplied by a power of `r / a`. For Love waves that is
exact with a power of 5 (Biswas & Knopoff 1970, BSSA 60), for Rayleigh waves a good
approximation with 2.275 (Biswas 1972, Pure and Applied Geophysics 96). The wavenumber of a mode
of degree `l` is `(l + 1/2) / a`, which changes phase and group velocities once more.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.forward.dispersion.curves import Curves, Layers, Points, curves

__all__ = ["curves_of_sphere", "flattened"]

Array = NDArray[np.float64]

#: Of Rayleigh and of Love waves: the power of `r / a` of densities, and the number `q` by which
#: the squared wavenumber of the sphere is larger, `(q / 2 a)^2`.
POWERS: Final = (2.275, 5.0)
CONSTANTS: Final = (1.0, 3.0)


def flattened(layers: Layers, radius: float, power: float) -> tuple[Layers, Array]:
    """Return the flat model of a layered sphere, and the factor `(n,)` of each velocity.

    Parameters
    ----------
    layers
        Layers of the sphere; the last one, which reaches to its centre, is given the factor of
        its top.
    radius
        Radius of the surface, that of the water where there is some [m].
    power
        Power of `r / a` that densities are multiplied by.
    """
    depth, speed, density = layers.water
    steps = np.append(depth, layers.thickness[:-1])
    below = radius - np.cumsum(steps)
    above = np.append(radius, below[:-1])
    factor = np.append(2 * radius / (above + below), radius / below[-1])
    thickness = radius * np.log1p(steps / below)
    its = factor[1:]
    water = (float(thickness[0]), speed * factor[0], density * factor[0] ** -power)
    flat = replace(
        layers,
        thickness=np.append(thickness[1:], layers.thickness[-1]),
        vp=layers.vp * its,
        vs=layers.vs * its,
        density=layers.density * its**-power,
        water=(water[0], float(water[1]), float(water[2])),
    )
    return flat, its


def curves_of_sphere(
    layers: Layers, points: Points, radius: float, *, gradient: bool = False, threads: int = 1
) -> Curves:
    """Return the velocities of some modes of a sphere, and their derivatives if `gradient`.

    As `curves`; velocities are those along the surface, and a mode that is not guided has those
    of the flattened half-space.

    Raises
    ------
    SolverError
        If the model is impossible.
    NonFiniteError
        If a velocity or a derivative is not finite.
    """
    n = len(points.period)
    phase, group, exists = np.empty(n), np.empty(n), np.empty(n, bool)
    slopes = np.empty((n, 2, 3, len(layers.vs)) if gradient else 0)
    for wave in np.unique(points.wave):
        at = np.flatnonzero(points.wave == wave)
        flat, factor = flattened(layers, radius, POWERS[wave])
        of_wave = Points(points.wave[at], points.mode[at], points.period[at])
        found = curves(flat, of_wave, gradient=gradient, threads=threads)
        # k_sphere^2 = k_flat^2 + (q / 2 a)^2, so that c falls and u grows by one ratio.
        share = CONSTANTS[wave] * of_wave.period / (4 * np.pi * radius)
        ratio = np.sqrt(1 + (share * found.phase) ** 2)
        phase[at], group[at] = found.phase / ratio, found.group * ratio
        exists[at] = found.exists
        if gradient:
            by_flat = found.slopes * np.stack([factor, factor, factor ** -POWERS[wave]])
            grown, wide = ratio[:, None, None], (found.group * share**2 * found.phase / ratio)
            slopes[at, 0] = by_flat[:, 0] / grown**3
            slopes[at, 1] = by_flat[:, 1] * grown + by_flat[:, 0] * wide[:, None, None]
    return Curves(phase, group, exists, slopes)
