"""The posterior in numbers: fields on the grid, in one HDF5 file.

The layout is described in docs/reference/files.md; `SCHEMA_VERSION` rises when it changes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.grid import Grid
from pvi_hpc.store.new_hdf5 import new_hdf5
from pvi_hpc.store.result_schema import (
    ResultFileError,
    check_schema,
    read_grid,
    stamp,
    write_grid,
)

__all__ = ["SCHEMA_VERSION", "Field", "PosteriorSummary", "read_posterior", "write_posterior"]

SCHEMA: Final = "pvi_hpc.posterior"
SCHEMA_VERSION: Final = 1

#: Values of one quantity at every cell, `(nz, ny, nx)`.
Field = NDArray[np.float32]

LONG_NAMES: Final[Mapping[str, str]] = {
    "mean": "posterior mean of the velocity",
    "sd": "posterior standard deviation of the velocity",
    "prior_mean": "prior mean of the velocity",
    "prior_sd": "prior standard deviation of the velocity",
    "prior_lower": "smallest velocity the prior allows",
    "prior_upper": "largest velocity the prior allows",
    "start": "velocity the inference started from",
    "true": "velocity the data were made with",
}


@dataclass(frozen=True)
class PosteriorSummary:
    """Marginals of the posterior and the prior; all fields `(nz, ny, nx)` float32 [m/s].

    Parameters
    ----------
    grid
        Cells the fields live on.
    mean, sd
        Posterior mean and standard deviation.
    quantiles
        Posterior quantiles by probability, e.g. `{0.05: ..., 0.95: ...}`.
    prior_mean, prior_sd, prior_lower, prior_upper
        The prior's mean, standard deviation and bounds.
    start
        Model that the inference started from.
    fixed
        Cells that are not inverted (water), bool.
    true
        Model that the data were made with, where it is known.
    attributes
        Provenance of the numbers, free text by name.

    Raises
    ------
    ResultFileError
        If a field has another shape than the grid.
    """

    grid: Grid
    mean: Field
    sd: Field
    quantiles: Mapping[float, Field]
    prior_mean: Field
    prior_sd: Field
    prior_lower: Field
    prior_upper: Field
    start: Field
    fixed: NDArray[np.bool_]
    true: Field | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the shape of every field."""
        levels = ((f"quantiles[{q}]", value) for q, value in self.quantiles.items())
        for name, value in [*self.fields(), ("fixed", self.fixed), *levels]:
            if value.shape != self.grid.shape:
                raise ResultFileError(
                    f"'{name}' must have the grid's shape {self.grid.shape}, got {value.shape}."
                )

    def fields(self) -> Iterator[tuple[str, Field]]:
        """Yield name and values of every velocity field but the quantiles."""
        for name in LONG_NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value

    @property
    def active(self) -> NDArray[np.bool_]:
        """Cells that are inverted, `(nz, ny, nx)`."""
        return ~self.fixed


def write_posterior(summary: PosteriorSummary, path: str | Path) -> None:
    """Write a summary to an HDF5 file, atomically."""
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        stamp(file, SCHEMA, SCHEMA_VERSION, summary.attributes)
        scales = write_grid(file, summary.grid)
        for name, value in summary.fields():
            data = file.create_dataset(name, data=np.asarray(value, dtype=np.float32))
            _label(data, LONG_NAMES[name], "m/s", scales)
        fixed = file.create_dataset("fixed", data=summary.fixed.astype(np.uint8))
        _label(fixed, "1: the cell is not inverted, 0: it is", "1", scales)
        _write_quantiles(file, summary, scales)


def read_posterior(path: str | Path) -> PosteriorSummary:
    """Read what `write_posterior` wrote.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged, or of another kind or version.
    """
    attributes = check_schema(path, SCHEMA, SCHEMA_VERSION)
    with h5py.File(path, "r") as file:
        try:
            fields = {name: file[name][...] for name in LONG_NAMES if name in file}
            levels = [float(q) for q in file["quantile"][...]]
            return PosteriorSummary(
                grid=read_grid(file),
                quantiles={q: file["quantiles"][i] for i, q in enumerate(levels)},
                fixed=file["fixed"][...].astype(bool),
                attributes=attributes,
                **fields,
            )
        except (KeyError, TypeError) as error:
            raise ResultFileError(
                f"'{path}' lacks a dataset that docs/reference/files.md asks for: {error}."
            ) from error


def _write_quantiles(file: Any, summary: PosteriorSummary, scales: Any) -> None:
    levels = sorted(summary.quantiles)
    probability = file.create_dataset("quantile", data=np.asarray(levels, dtype=np.float64))
    probability.make_scale("quantile")
    probability.attrs["units"] = "1"
    shape = (len(levels), *summary.grid.shape)
    data = file.create_dataset("quantiles", shape, dtype=np.float32)
    for i, q in enumerate(levels):
        data[i] = summary.quantiles[q]
    _label(data, "posterior quantiles of the velocity", "m/s", [probability, *scales])


def _label(data: Any, long_name: str, units: str, scales: Any) -> None:
    data.attrs["long_name"] = long_name
    data.attrs["units"] = units
    for i, scale in enumerate(scales):
        data.dims[i].attach_scale(scale)
