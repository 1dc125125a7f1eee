"""Results of a user's simulation, refused where they are not what they must be."""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot
from pvi_hpc.errors import NonFiniteError, SolverError

__all__ = ["BadResultError", "number_of", "numbers_of"]

Array = NDArray[np.float64]


class BadResultError(SolverError):
    """A simulation gave something else than it must."""

    failure = "wrong_result"


def number_of(value: Any, shot: Shot) -> float:
    """Return a misfit or log-likelihood; BadResultError or NonFiniteError where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadResultError(
            f"Shot {shot.id}: the misfit must be one number, got {value!r}."
        ) from error
    if not isfinite(number):
        raise NonFiniteError(f"The misfit of shot {shot.id} is not finite.")
    return number


def numbers_of(values: Any, name: str, shape: tuple[int, ...], shot: Shot) -> Array:
    """Return an array of this shape; errors as `number_of`."""
    try:
        array: Array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadResultError(
            f"Shot {shot.id}: the {name} must be numbers, got {type(values).__name__}."
        ) from error
    if array.shape != shape:
        raise BadResultError(
            f"Shot {shot.id}: the {name} must have shape {shape}, got {array.shape}."
        )
    if not np.isfinite(array).all():
        raise NonFiniteError(f"The {name} of shot {shot.id} holds NaN or infinite values.")
    return array
