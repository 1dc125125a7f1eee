"""Options of the Gaussian families, and the checks that need the number of unknowns."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PositiveFloat

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import Settings

__all__ = [
    "FullRankOptions",
    "RankOptions",
    "RankStencilOptions",
    "StencilOptions",
    "StencilSize",
    "check_rank",
    "default_size",
    "fitting_size",
]

#: Place where a user writes the options of a family.
PLACE: Final = "inference.family.options"
#: Cells of the default stencil along each axis, where the grid has as many.
DEFAULT_SIZE: Final = 5


Count = Annotated[int, Field(strict=True, ge=1)]
Counts = tuple[Count, Count, Count]


def _odd(size: Counts) -> Counts:
    if any(k % 2 == 0 for k in size):
        raise ValueError(f"must be three odd numbers of cells [kz, ky, kx], got {list(size)}")
    return size


#: Cells of a stencil along each axis, `[kz, ky, kx]`.
StencilSize = Annotated[Counts, AfterValidator(_odd)]


class StencilOptions(Settings):
    """Options of families that couple a cell to its neighbours."""

    stencil: StencilSize | None = Field(
        None,
        description="Size [kz, ky, kx], three odd numbers, of the box around a cell that holds "
        "the neighbours it is coupled to; null: 5 along each axis, fewer where the grid is "
        "smaller.",
        json_schema_extra={"unit": "cells"},
    )
    mask: Literal["box", "ellipsoid"] = Field(
        "box",
        description="Neighbours in all of the box, or within the ellipsoid that it encloses.",
    )


class RankOptions(Settings):
    """Options of families that add a few directions of any shape."""

    rank: Count = Field(
        description="Number of directions, at most the number of unknowns; give about as many "
        "as the data inform.",
        json_schema_extra={"unit": "directions"},
    )
    of: Literal["precision", "covariance"] = Field(
        "precision",
        description="Matrix of low rank: directions add information, or variance.",
    )


class RankStencilOptions(RankOptions, StencilOptions):
    """Options of the family with neighbours and directions."""


class FullRankOptions(Settings):
    """Options of the family with every correlation."""

    memory_gb: PositiveFloat = Field(
        8.0,
        description="Memory that the matrices may take; with more unknowns the run is refused.",
        json_schema_extra={"unit": "GB"},
    )


def default_size(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return a stencil of 5 cells along each axis, or of all cells but an even one."""
    kz, ky, kx = (min(DEFAULT_SIZE, n - 1 + n % 2) for n in shape)
    return kz, ky, kx


def fitting_size(
    size: tuple[int, int, int], shape: Sequence[int], setting: str = f"{PLACE}.stencil"
) -> tuple[int, int, int]:
    """Return a stencil's `size` once it is known to fit the grid's `shape`.

    Raises
    ------
    ConfigError
        If it is larger than the grid; `setting` is where the user wrote it.
    """
    if any(k > n for k, n in zip(size, shape, strict=True)):
        raise ConfigError(
            f"'{setting}' must not be larger than the grid {tuple(shape)}, got "
            f"{list(size)}; choose a smaller one."
        )
    return size


def check_rank(rank: int, n: int) -> None:
    """Check that there are no more directions than unknowns.

    Raises
    ------
    ConfigError
        If `rank` is above `n`.
    """
    if rank > n:
        raise ConfigError(
            f"'{PLACE}.rank' must be a whole number from 1 to the number of unknown cells "
            f"{n}, got {rank}; give about as many as the data inform directions."
        )
