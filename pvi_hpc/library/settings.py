"""Arguments of `pvi_hpc.fit`, checked and completed."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import ceil, prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import ClosedForm, NaturalGradient
from pvi_hpc.families.family import Family
from pvi_hpc.inference.settings import InferenceSettings, MethodSettings, StartSettings

__all__ = [
    "DENSE",
    "draws_of",
    "grid_of",
    "inference_of",
    "mean_of",
    "points_of",
    "seed_of",
    "shape_of",
    "start_of",
    "target_file",
    "with_method",
]

#: Number of unknowns up to which whole matrices are used.
DENSE: Final = 100
#: Defaults of settings that the caller omits; `pvi_hpc.inference.settings` has all settings.
DEFAULTS: Final[Mapping[str, Any]] = {"iterations": 300, "samples": 2}
#: Settings of a method that differ from the defaults, by the number of unknowns.
OF_METHOD: Final[Mapping[str, Callable[[int], dict[str, Any]]]] = {
    "batch_and_match": lambda n: {"samples": 4},
    "fixed_draws": lambda n: {"samples": draws_of(n)},
    # Any number of paths, not of pairs.
    "pathfinder": lambda n: {"samples": 4, "estimator": {"draws": "independent"}},
}
#: Settings that say how `vi` steps: with one of them the method is not chosen here.
OF_VI: Final = ("samples", "optimiser", "estimator", "stop", "shots_per_sample")


def shape_of(n: int | Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the unknowns; ConfigError unless of one to three axes."""
    shape = tuple(np.atleast_1d(np.asarray(n, object)))
    sizes = [k for k in shape if _is_integer(k) and k > 0]
    if not 1 <= len(shape) <= 3 or len(sizes) < len(shape):
        raise ConfigError(
            "'n' must be a positive number of unknowns, or one to three of them (nz, ny, nx), "
            f"got {n!r}."
        )
    return tuple(int(k) for k in sizes)


def seed_of(seed: int) -> int:
    """Return the seed; ConfigError unless it is an integer that is not negative."""
    if not _is_integer(seed) or seed < 0:
        raise ConfigError(f"'seed' must be an integer of at least 0, got {seed!r}.")
    return int(seed)


def _is_integer(value: object) -> bool:
    # NumPy's integers are integers; a bool is none.
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def target_file(path: str | Path) -> Path:
    """Return where a result is to go; ConfigError where no file can be made there.

    It is tried now, so that hours of work do not end without a place.
    """
    place = Path(path)
    try:
        if place.is_dir():
            raise IsADirectoryError("it is a folder")
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}."):
            return place
    except OSError as error:
        raise ConfigError(
            f"'path' must be a file in a folder that exists and can be written to, got "
            f"'{place}': {error}."
        ) from error


def grid_of(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return all cells of a grid `(nz, ny, nx)` of unknowns of that shape."""
    return np.ones((1,) * (3 - len(shape)) + shape, bool)


def inference_of(settings: Mapping[str, Any], n: int) -> InferenceSettings:
    """Return the settings of the inference of `n` unknowns; ConfigError where they are wrong.

    Up to a hundred unknowns the family is `full_rank` where none is named.
    """
    named = {
        key: {"kind": value}
        if key in ("family", "method") and isinstance(value, str)
        else value
        for key, value in settings.items()
    }
    small: dict[str, Any] = {"family": {"kind": "full_rank"}} if n <= DENSE else {}
    method = named.get("method")
    kind = method.get("kind") if isinstance(method, Mapping) else getattr(method, "kind", None)
    if kind in OF_METHOD:
        small |= OF_METHOD[str(kind)](n)
    try:
        return InferenceSettings.model_validate({**DEFAULTS, **small, **named})
    except ValidationError as error:
        raise ConfigError(_faults(error)) from None


def with_method(
    found: InferenceSettings, given: Mapping[str, Any], family: Family
) -> InferenceSettings:
    """Return the settings with a method of our choice, where the caller leaves it open.

    That is `fixed_draws`, up to a hundred unknowns, for a family that knows natural gradients,
    unless a setting that is `given` speaks of the steps of `vi`.
    """
    knows = isinstance(family, NaturalGradient) and isinstance(family, ClosedForm)
    of_vi = found.precision == "single" or any(key in given for key in OF_VI)
    if family.n > DENSE or "method" in given or of_vi or not knows:
        return found
    method = MethodSettings(kind="fixed_draws")
    return found.model_copy(update={"method": method, "samples": draws_of(family.n)})


def draws_of(n: int) -> int:
    """Return the number of draws that stand for a density of `n` unknowns."""
    return 2 * max(16, ceil(1.5 * n))


def start_of(start: StartSettings | Mapping[str, Any]) -> StartSettings:
    """Return the settings of the start; ConfigError where they are wrong."""
    try:
        return StartSettings.model_validate(start)
    except ValidationError as error:
        raise ConfigError(_faults(error)) from None


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


def points_of(theta: ArrayLike, shape: tuple[int, ...]) -> torch.Tensor:
    """Return points `(S, *shape)` as `(S, n)`; ConfigError where they have another shape."""
    points = np.asarray(theta, dtype=np.float64)
    if points.shape[1:] != shape:
        raise ConfigError(
            f"'theta' must be points of shape (S, {', '.join(map(str, shape))}), got "
            f"{points.shape}; one point is theta[None]."
        )
    return torch.from_numpy(points.reshape(len(points), prod(shape)))
