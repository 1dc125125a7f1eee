"""Weights that differentiate between cells, as exact over a band as eight cells allow."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["slope_weights"]

#: Wavenumbers fitted, in radians a cell: up to four points a wavelength.
BAND: Final = np.linspace(0.02, np.pi / 2, 64)


def slope_weights(distance: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weights `(n, 8)` of cells at `distance` `(n, 8)` from each point [cells].

    Least squares of the relative error of the slope of plane waves over `BAND`. The error is
    below 0.4 % from 4 points a wavelength on, 0.15 % from 5. (The derivative of the windowed
    sinc errs by 2 % on long waves, where its weights do not sum up right.)

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> bool(abs(slope_weights(x[None] - 3.3)[0] @ x - 1) < 2e-3)
    True
    """
    offsets, which = np.unique(np.round(distance, 9), axis=0, return_inverse=True)
    phase = offsets[:, None, :] * BAND[:, None]
    equations = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    equations /= np.concatenate([BAND, BAND])[:, None]
    wanted = np.concatenate([np.zeros_like(BAND), np.ones_like(BAND)])
    weights: NDArray[np.float64] = np.linalg.pinv(equations) @ wanted
    return weights[which.reshape(-1)]
