"""A posterior in the files of other programs: SEG-Y cubes, NumPy arrays, VTKHDF images."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.cube_segy import write_cube
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Grid
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.numpy_file import write_array, write_stack
from pvi_hpc.store.posterior_file import PosteriorSummary, read_posterior
from pvi_hpc.store.samples import count_samples, iter_samples
from pvi_hpc.store.vtkhdf import write_vtkhdf

__all__ = ["FIELDS", "Form", "export"]

Form: TypeAlias = Literal["segy", "numpy", "vtkhdf"]
#: Fields that can be exported.
FIELDS: Final = ("mean", "sd", "quantiles", "samples")

Field = NDArray[Any]


def export(
    paths: RunPaths, fields: Sequence[str], form: str, folder: Path, samples: int | None = None
) -> list[Path]:
    """Write fields of a posterior into a folder, and return the files.

    SEG-Y has a file for each field, quantile and sample; NumPy one of `(nz, ny, nx)` each and
    `samples.npy` `(S, nz, ny, nx)`; VTKHDF one image with all but the samples, and one for each
    of these. Samples are taken one at a time.

    Parameters
    ----------
    paths
        Files of a run, or of one of its hypotheses.
    fields
        Some of `FIELDS`.
    form
        `segy`, `numpy` or `vtkhdf`.
    folder
        Where to write; it is made.
    samples
        Number of samples; None: all that were saved.

    Raises
    ------
    ConfigError
        If a field or a form does not exist, or there are fewer samples.
    ResultFileError
        If the posterior is not there yet.
    """
    _check(fields, form)
    summary = read_posterior(paths.posterior)
    chosen = _chosen(summary, fields)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if chosen and form == "vtkhdf":
        written.append(folder / "fields.vtkhdf")
        write_vtkhdf(written[-1], summary.grid, chosen)
    elif chosen:
        written += [
            _write(folder / name, summary.grid, field, form) for name, field in chosen.items()
        ]
    if "samples" in fields:
        written += _samples(paths, summary.grid, form, folder, samples)
    return written


def _check(fields: Sequence[str], form: str) -> None:
    if form not in get_args(Form):
        raise ConfigError(f"'format' must be one of {', '.join(get_args(Form))}, got '{form}'.")
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or not fields:
        got = f"'{unknown[0]}'" if unknown else "none"
        raise ConfigError(f"'fields' must be some of {', '.join(FIELDS)}, got {got}.")


def _chosen(summary: PosteriorSummary, fields: Sequence[str]) -> Mapping[str, Field]:
    """Return the fields but the samples, by the names of their files."""
    found: dict[str, Field] = {
        name: getattr(summary, name) for name in ("mean", "sd") if name in fields
    }
    if "quantiles" in fields:
        for level, values in summary.quantiles.items():
            found[f"q{100 * level:04.1f}".replace(".0", "")] = values
    return found


def _samples(
    paths: RunPaths, grid: Grid, form: str, folder: Path, wanted: int | None
) -> list[Path]:
    saved = count_samples(paths.samples)
    n = saved if wanted is None else wanted
    if not 1 <= n <= saved:
        raise ConfigError(
            f"'samples' must be 1 to {saved}, the number that the run saved, got {n}; raise "
            "'posterior.samples' and run again for more."
        )
    models = iter_samples(paths.samples, stop=n)
    if form == "numpy":
        path = folder / "samples.npy"
        write_stack(path, (n, *grid.shape), models, np.float32)
        return [path]
    return list(_one_by_one(models, grid, form, folder))


def _one_by_one(models: Iterable[Field], grid: Grid, form: str, folder: Path) -> Iterator[Path]:
    for i, model in enumerate(models):
        yield _write(folder / f"sample_{i:04d}", grid, model, form)


def _write(stem: Path, grid: Grid, field: Field, form: str) -> Path:
    """Write one field; return its path, with the suffix of the form."""
    if form == "segy":
        path = stem.with_name(f"{stem.name}.sgy")
        write_cube(path, grid, field, f"POSTERIOR {stem.name.upper()} OF VELOCITY IN M/S")
        return path
    if form == "numpy":
        path = stem.with_name(f"{stem.name}.npy")
        write_array(path, np.asarray(field, dtype=np.float32))
        return path
    path = stem.with_name(f"{stem.name}.vtkhdf")
    write_vtkhdf(path, grid, {"velocity": field})
    return path
