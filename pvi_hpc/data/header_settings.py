"""Settings that say what the headers of SEG-Y and SU files mean, where they are odd."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from pvi_hpc.data.trace_files.header_words import (
    BINARY_FIELDS,
    FIELDS,
    LENGTHS,
    TIME_SCALAR,
    Order,
    parse_word,
)
from pvi_hpc.plugins import Settings

__all__ = ["STANDARD", "HeaderSettings"]

WORDS: Final = {**FIELDS, **TIME_SCALAR}
Code = Annotated[int, Field(ge=-(2**15), lt=2**15)]
LengthUnit = Literal["m", "ft", "us_ft"]


class HeaderSettings(Settings):
    """Reading of the headers of SEG-Y and SU files; the defaults follow the standard."""

    bytes: dict[str, str] = Field(
        {},
        description="Words that are not at their standard bytes, as {SourceX: 193-196}; with "
        "'unsigned', 'float' or 'ibm' after the bytes if the word is no signed integer.",
    )
    values: dict[str, float] = Field(
        {},
        description="Words of trace headers and of the binary header that have this value "
        "whatever the files say, as {SourceGroupScalar: -10}.",
    )
    byte_order: Literal["big", "little"] | None = Field(
        None, description="Byte order; null: told by the headers."
    )
    swap_xy: bool = Field(
        False, description="true: what the headers call X is north, and Y is east."
    )
    length_unit: LengthUnit | Literal["arcsec", "degrees", "dms"] | None = Field(
        None,
        description="Unit of the coordinates, whatever the headers say; dms: DDDMMSS; null: "
        "metres, and files that say otherwise are refused.",
    )
    vertical_unit: LengthUnit | None = Field(
        None,
        description="Unit of elevations and depths; null: that of the coordinates, metres "
        "where these are angles.",
    )
    projection: str | None = Field(
        None,
        description="Projected reference system in metres that angles are brought to, as "
        "EPSG:32631; needs pyproj.",
    )
    geographic: str = Field(
        "EPSG:4326", description="Reference system of coordinates that are angles."
    )
    source_z: Literal["depth_below_surface", "depth", "elevation"] = Field(
        "depth_below_surface",
        description="Vertical position of sources: SourceDepth below SourceSurfaceElevation, "
        "SourceDepth alone, or SourceSurfaceElevation alone.",
    )
    receiver_z: Literal["elevation", "depth"] = Field(
        "elevation",
        description="What ReceiverGroupElevation holds: positive upwards, or a depth.",
    )
    datum_m: float = Field(
        0.0, description="Elevation of the plane z = 0, such as the sea level or a datum [m]."
    )
    origin_m: tuple[float, float] = Field(
        (0.0, 0.0), description="Map coordinates (y, x) of the grid's y = x = 0 [m]."
    )
    rotation_deg: float = Field(
        0.0, description="Angle from the map's X to the grid's x axis, towards the map's Y."
    )
    recording_delay: Literal["refuse", "apply"] = Field(
        "refuse",
        description="Traces that do not begin at t = 0 (DelayRecordingTime): refused, or cut "
        "off before it and filled with zeros up to it.",
    )
    receiver_codes: tuple[Code, ...] | None = Field(
        None,
        description="TraceIdentificationCodes of the receivers; null: those of 'component'.",
    )
    dead_codes: tuple[Code, ...] = Field(
        (2,), description="TraceIdentificationCodes of dead traces."
    )
    shot_number: Literal["FieldRecord", "source", "file"] = Field(
        "FieldRecord",
        description="What tells shots apart: FieldRecord, or the place of the source, or the "
        "file; the last two count the shots from 1 in the order of the files.",
    )
    trace_number: Literal["TraceNumber", "order"] = Field(
        "TraceNumber", description="Order of the traces of a shot: TraceNumber, or the file's."
    )
    on_bad_trace: Literal["refuse", "drop"] = Field(
        "refuse",
        description="Traces with NaN or infinite samples, or with another interval or number "
        "of samples than their file: refused, or left out and counted.",
    )
    ignore: tuple[Literal["layout_stanza", "trace_extension"], ...] = Field(
        (),
        description="Parts of revision 2 that move or replace words of the trace header, and "
        "are not read: a file that has them is refused unless they are named here.",
    )

    @field_validator("bytes")
    @classmethod
    def _words(cls, given: dict[str, str]) -> dict[str, str]:
        for name, text in given.items():
            _known(name, WORDS)
            parse_word(name, text)
        return given

    @field_validator("values")
    @classmethod
    def _numbers(cls, given: dict[str, float]) -> dict[str, float]:
        for name, value in given.items():
            _known(name, {**WORDS, **BINARY_FIELDS})
            if name not in (*LENGTHS, "Interval", "ExtendedInterval") and value != int(value):
                raise ValueError(f"{name} must be a whole number, got {value:g}")
            if abs(value) >= 2**31:
                raise ValueError(f"{name} must be less than 2147483648 in size, got {value:g}")
        return given

    @model_validator(mode="after")
    def _complete(self) -> Self:
        twice = sorted(set(self.bytes) & set(self.values))
        if twice:
            raise ValueError(f"'bytes' and 'values' must not both name {twice[0]}; remove one")
        both = set(self.receiver_codes or ()) & set(self.dead_codes)
        if both:
            raise ValueError(
                f"'receiver_codes' and 'dead_codes' must not both name {min(both)}; remove one"
            )
        if self.angular and self.projection is None:
            raise ValueError(
                f"'length_unit: {self.length_unit}' needs 'projection', a reference system in "
                "metres, such as EPSG:32631 (UTM zone 31 north)"
            )
        if self.projection is not None and not self.angular:
            raise ValueError(
                f"'projection' has no effect with 'length_unit: {self.length_unit or 'null'}'; "
                "remove it, or set 'length_unit' to arcsec, degrees or dms"
            )
        return self

    @property
    def angular(self) -> bool:
        """Tell whether coordinates are angles."""
        return self.length_unit in ("arcsec", "degrees", "dms")

    @property
    def words(self) -> dict[str, tuple[int, str]]:
        """First byte (from 1) and code of the words that `bytes` moves."""
        return {name: parse_word(name, text) for name, text in self.bytes.items()}

    @property
    def places(self) -> dict[str, tuple[int, str]]:
        """First byte (from 1) and code of every word that is read, moved or not."""
        return {**FIELDS, **self.words}

    def orders(self, *likely: Order) -> tuple[Order, ...]:
        """Return the byte order that is given; those that are `likely` where none is."""
        if self.byte_order is None:
            return likely
        return (">",) if self.byte_order == "big" else ("<",)

    def changed(self) -> list[str]:
        """Return the settings that are not at their default, as ``name: value``."""
        tree = self.model_dump(mode="json")
        return [
            f"{name}: {_text(tree[name])}"
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.get_default(call_default_factory=True)
        ]


#: Headers that follow the standard.
STANDARD: Final = HeaderSettings()


def _text(value: object) -> str:
    """Return a JSON value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _known(name: str, words: object) -> None:
    assert isinstance(words, dict)
    if name not in words:
        raise ValueError(f"must name words among {', '.join(sorted(words))}, got '{name}'")
