"""Options of the flows, checked before anything is built."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field, PositiveInt

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import Seed, Settings

__all__ = [
    "MAX_AUTOREGRESSIVE",
    "CouplingOptions",
    "FieldOptions",
    "LayerOptions",
    "NetworkOptions",
    "SplineOptions",
    "check_size",
]

#: Numbers a family may hold; with gradient and Adam's two means 6.4 GB in float64.
MAX_NUMBERS: Final = 200_000_000

#: Unknowns of an autoregressive flow: zuko builds `(n, n)` matrices of float64.
MAX_AUTOREGRESSIVE: Final = 4096

Hidden = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class LayerOptions(Settings):
    """Options of planar and radial flows."""

    layers: PositiveInt = Field(
        16, description="Layers of the chain.", json_schema_extra={"unit": "layers"}
    )
    seed: Seed = Field(0, description="Seed of the starting weights and permutations.")


class NetworkOptions(LayerOptions):
    """Options of flows whose layers are conditioned by networks."""

    layers: PositiveInt = Field(
        4, description="Layers of the chain.", json_schema_extra={"unit": "layers"}
    )
    hidden: Hidden = Field(
        (64, 64),
        description="Widths of the networks' hidden layers.",
        json_schema_extra={"unit": "neurons"},
    )


class CouplingOptions(NetworkOptions):
    """Options of affine coupling."""

    layers: PositiveInt = Field(
        8, description="Layers of the chain.", json_schema_extra={"unit": "layers"}
    )


class SplineOptions(NetworkOptions):
    """Options of spline coupling."""

    bins: Annotated[int, Field(ge=2)] = Field(
        8, description="Pieces of a spline.", json_schema_extra={"unit": "pieces"}
    )


class FieldOptions(Settings):
    """Options of coupling with convolutions on the grid."""

    blocks: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        (1, 2, 4),
        description="Sides of a checkerboard's blocks; each makes two layers.",
        json_schema_extra={"unit": "cells"},
    )
    channels: PositiveInt = Field(
        8,
        description="Hidden channels of the convolutions.",
        json_schema_extra={"unit": "channels"},
    )
    seed: Seed = Field(0, description="Seed of the starting weights.")


def check_size(kind: str, n: int, widths: Sequence[int], layers: int) -> None:
    """Refuse a flow with dense networks that cannot be held.

    `widths` are those of one network, from its inputs to its outputs.

    Raises
    ------
    ConfigError
        If there are fewer than two unknowns, or the networks are too large.
    """
    if n < 2:
        raise ConfigError(
            f"'inference.family.kind: {kind}' needs at least 2 unknowns to couple, got {n}; "
            "choose 'radial' or 'mean_field'."
        )
    numbers = layers * sum(a * b for a, b in pairwise(widths))
    if numbers > MAX_NUMBERS:
        raise ConfigError(
            f"'inference.family.kind: {kind}' would hold {numbers:.2g} numbers for {n} "
            f"unknowns, more than {MAX_NUMBERS:.2g}; lower 'hidden' or 'layers', or choose "
            "'convolutional', whose size does not grow with the grid, or 'structured'."
        )
