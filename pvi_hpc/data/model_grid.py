"""The grid that an HDF5 file states for a model, compared with the grid of the run."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from pvi_hpc.data.hdf5_input import check_storage, text_of
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

__all__ = ["check_stated_grid", "has_stated_grid"]

AXES: Final = "zyx"
SPEEDS: Final = ("m/s", "ms-1", "m.s-1", "m*s-1", "ms^-1", "ms**-1", "metre/second",
                 "meter/second", "metres/second", "meters/second", "metrespersecond",
                 "meterspersecond")  # fmt: skip
#: Axes of NetCDF files that have no coordinates begin their names so.
NO_COORDINATES: Final = "This is a netCDF dimension but not a netCDF variable"


def check_stated_grid(dataset: Any, grid: Grid, what: str) -> None:
    """Check that nothing which a file says about a model contradicts the grid.

    Attributes are looked for at the dataset, then at the groups above it up to the root; the
    unit at the dataset only. Coordinates are those that HDF5 or NetCDF attach to its axes.

    Parameters
    ----------
    dataset
        The open dataset, of the grid's shape or without its y axis.
    grid
        Grid of the run.
    what
        Name of the file and the dataset, which a message begins with.

    Raises
    ------
    SurveyError
        With the first statement that differs.
    """
    kept = (0, 1, 2) if len(dataset.shape) == 3 else (0, 2)
    axes, letters = _attribute(dataset, "axes"), [AXES[axis] for axis in kept]
    if axes is not None and _letters(axes) != "".join(letters):
        raise SurveyError(
            f"{what} has the attribute axes = {_shown(axes)}, it must be "
            f"'{','.join(letters)}'; transpose the model, or correct the attribute."
        )
    for name, setting, of_grid in (
        ("spacing", "grid.spacing_m", grid.spacing),
        ("origin", "grid.origin_m", grid.origin),
    ):
        expected = [of_grid[axis] for axis in kept]
        found = _attribute(dataset, f"{name}_m", name)
        if found is not None and not _agrees(found, expected):
            raise SurveyError(
                f"{what} has {name} {_shown(found)} m, '{setting}' is {expected} m; "
                f"interpolate the model to the run's grid, or change '{setting}'."
            )
    unit = text_of(dataset.attrs.get("units", ""))
    if unit is None or "".join(unit.lower().split()) not in ("", *SPEEDS):
        raise SurveyError(
            f"{what} has the attribute units = {_shown(dataset.attrs['units'])}, it must be "
            "'m/s'; convert the values, or correct the attribute."
        )
    _check_coordinates(dataset, grid, what, kept)


def has_stated_grid(dataset: Any) -> bool:
    """Tell whether a file says both the spacing and the origin of a model."""
    if all(len(dataset.dims[axis]) for axis in range(len(dataset.dims))):
        return True
    names = (("spacing_m", "spacing"), ("origin_m", "origin"))
    return all(_attribute(dataset, *of) is not None for of in names)


def _check_coordinates(dataset: Any, grid: Grid, what: str, kept: Sequence[int]) -> None:
    for dimension, axis in enumerate(kept):
        for scale in dataset.dims[dimension].values():
            check_storage(dataset.file, str(scale.name), scale)
            named = text_of(scale.attrs.get("NAME", "")) or ""
            if scale.shape != grid.shape[axis : axis + 1] or named.startswith(NO_COORDINATES):
                continue
            if scale.dtype.kind not in "fiu":
                continue
            found, expected = scale[()].astype(np.float64), grid.axis(axis)
            off = ~(np.abs(found - expected) <= 1e-3 * grid.spacing[axis])
            if off.any():
                i = int(off.argmax())
                raise SurveyError(
                    f"{what} has cell {i} of axis {dimension} at '{scale.name}' = "
                    f"{found[i]:g}, the grid has it at {AXES[axis]} = {expected[i]:g} m; "
                    "interpolate the model to the run's grid, or change 'grid.origin_m' and "
                    "'grid.spacing_m'."
                )


def _attribute(dataset: Any, *names: str) -> Any:
    """Return the first attribute of these names at the dataset or above it, or None."""
    for node in _upwards(dataset):
        for name in names:
            if name in node.attrs:
                return node.attrs[name]
    return None


def _upwards(node: Any) -> Iterator[Any]:
    while node.name != "/":
        yield node
        node = node.parent
    yield node


def _agrees(found: Any, expected: Sequence[float]) -> bool:
    values = np.asarray(found)
    if values.dtype.kind not in "fiu" or values.shape not in ((), (1,), (len(expected),)):
        return False
    return bool(np.allclose(values.astype(np.float64), expected, rtol=1e-6, atol=1e-6))


def _letters(axes: Any) -> str:
    """Return ``zyx`` of the many ways to write that: "z,y,x", "Z Y X", ["z", "y", "x"]."""
    text = text_of(axes)
    parts = [text] if text is not None else [text_of(part) or "?" for part in np.ravel(axes)]
    return "".join(c for c in "".join(parts).lower() if c.isalnum())


def _shown(value: Any) -> str:
    text = text_of(value)
    return repr(text) if text is not None else str(np.asarray(value).tolist())[:80]
