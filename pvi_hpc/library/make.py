"""Families and priors made at a prompt, without a configuration."""

from collections.abc import Sequence
from math import prod
from typing import Any

from pydantic import ValidationError

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import Family
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.grid import Grid
from pvi_hpc.library.settings import grid_of, shape_of
from pvi_hpc.plugins import describe_fault
from pvi_hpc.priors.load import load_prior
from pvi_hpc.priors.prior import Prior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["make_family", "make_prior"]


def make_family(kind: str, shape: int | Sequence[int], **options: Any) -> Family:
    """Return a variational family of unknowns.

    Parameters
    ----------
    kind
        Name of the family; `pvi list families` prints all of them.
    shape
        Number of unknowns, or their shape, up to `(nz, ny, nx)`.
    **options
        Options of the family.

    Raises
    ------
    ConfigError
        If there is no such family, or an option is wrong.

    Examples
    --------
    >>> make_family("structured", (4, 1, 5), stencil=[3, 1, 3])
    <Structured family of 20 unknowns>
    """
    return load_family(FamilySettings(kind=kind, options=options), grid_of(shape_of(shape)))


def make_prior(
    kind: str,
    shape: Sequence[int],
    spacing_m: float | Sequence[float] = 1.0,
    **keys: Any,
) -> Prior:
    """Return a prior of the cells of a grid.

    Parameters
    ----------
    kind
        Name of the prior; `pvi list priors` prints all of them.
    shape
        Number of cells `(nz, ny, nx)`; one along the axes that a problem lacks.
    spacing_m
        Size of a cell, one or `(dz, dy, dx)` [m].
    **keys
        Keys of the section `prior`, such as `depth_m`, `lower_m_s` and `upper_m_s`.

    Raises
    ------
    ConfigError
        If there is no such prior, or a key is wrong.

    Examples
    --------
    >>> make_prior("uniform", (3, 1, 2), depth_m=[0], lower_m_s=[1500], upper_m_s=[2500])
    <Uniform prior of 6 cells, 1500 to 2500 m/s>
    """
    given = [spacing_m] * 3 if isinstance(spacing_m, (int, float)) else list(spacing_m)
    if len(shape) != 3 or len(given) != 3 or prod(shape) < 1 or min(given) <= 0:
        raise ConfigError(
            "'shape' must be three numbers of cells (nz, ny, nx) and 'spacing_m' positive, got "
            f"{shape!r} and {spacing_m!r}."
        )
    try:
        settings = PriorSettings.model_validate({"kind": kind, **keys})
    except ValidationError as error:
        faults = (describe_fault(fault) for fault in error.errors())
        raise ConfigError(" ".join(dict.fromkeys(faults))) from error
    nz, ny, nx = (int(k) for k in shape)
    grid = Grid((nz, ny, nx), (float(given[0]), float(given[1]), float(given[2])))
    return load_prior(settings, settings.cells(grid))
