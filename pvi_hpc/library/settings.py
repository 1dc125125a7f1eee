"""Arguments of `pvi_hpc.fit`, checked and completed."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import ValidationError

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.settings import HessianSettings, InferenceSettings, StartSettings

__all__ = ["inference_of", "mean_of", "shape_of", "start_of"]

#: Defaults of settings that the caller omits; `pvi_hpc.inference.settings` has all settings.
DEFAULTS: Final[Mapping[str, Any]] = {"iterations": 300, "samples": 2}
START: Final = StartSettings(sd=1.0, map_iterations=15, map_optimiser="lbfgs", map_step=0.3)


def shape_of(n: int | Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the unknowns; ConfigError unless of one to three axes."""
    shape = (n,) if isinstance(n, int) else tuple(n)
    if not 1 <= len(shape) <= 3 or not all(isinstance(k, int) and k > 0 for k in shape):
        raise ConfigError(
            "'n' must be a positive number of unknowns, or one to three of them (nz, ny, nx), "
            f"got {n!r}."
        )
    return shape


def inference_of(settings: Mapping[str, Any]) -> InferenceSettings:
    """Return the settings of the inference; ConfigError where they are wrong."""
    named = {
        key: {"kind": value}
        if key in ("family", "method") and isinstance(value, str)
        else value
        for key, value in settings.items()
    }
    try:
        return InferenceSettings.model_validate({**DEFAULTS, **named})
    except ValidationError as error:
        raise ConfigError(_faults(error)) from None


def start_of(start: StartSettings | Mapping[str, Any] | None) -> StartSettings:
    """Return the settings of the start; ConfigError where they are wrong."""
    try:
        found = START if start is None else StartSettings.model_validate(start)
    except ValidationError as error:
        raise ConfigError(_faults(error)) from None
    if start is not None:
        return found
    # Nothing is known about the scale of the unknowns: their sds may come out far above `sd`.
    return found.model_copy(update={"hessian": HessianSettings(max_sd=100 * found.sd)})


def _faults(error: ValidationError) -> str:
    found = json.loads(error.json(include_url=False))
    return "; ".join(f"'{'.'.join(map(str, e['loc']))}': {e['msg']}" for e in found)


def mean_of(mean: ArrayLike | None, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the starting mean `(n,)`; ConfigError unless finite and of that shape."""
    if mean is None:
        return torch.zeros(prod(shape), dtype=torch.float64)
    flat = np.array(mean, dtype=np.float64)
    if flat.shape not in (shape, (prod(shape),)) or not np.isfinite(flat).all():
        raise ConfigError(
            f"'mean' must be {prod(shape)} finite numbers of shape {shape}, got shape "
            f"{flat.shape}."
        )
    return torch.from_numpy(flat.ravel())
