"""Positions of sources and receivers: units, projection, datum, and the axes of the grid."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.trace_files.header_words import bytes_of
from pvi_hpc.data.trace_files.trace_headers import Traces, scale_factor
from pvi_hpc.errors import SurveyError

__all__ = ["METRES", "positions"]

Array = NDArray[np.float64]
#: Metres in a unit; a US survey foot is 1200/3937 m.
METRES: Final[Mapping[str, float]] = {"m": 1.0, "ft": 0.3048, "us_ft": 1200 / 3937}


def positions(traces: Traces, description: HeaderSettings) -> tuple[Array, Array]:
    """Return sources and receivers, both `(n, 3)`, each `(z, y, x)` [m], z downwards.

    Elevations are positive upwards and the source's depth is below its surface elevation,
    so that z = datum - elevation. A negative scalar divides, a positive one multiplies, 0
    means 1. Coordinates are then projected if they are angles, the origin of the grid is
    taken off, and they are turned to its axes.

    Raises
    ------
    SurveyError
        If a coordinate is no finite number or outside the projection, or pyproj is missing.
    """
    _check_finite(traces, description)
    headers = traces.headers
    horizontal = scale_factor(headers["SourceGroupScalar"])
    source_z, receiver_z = _depths(headers, description)
    sources = _map_positions(traces, "Source", horizontal, description)
    receivers = _map_positions(traces, "Group", horizontal, description)
    # Adding 0 turns -0.0 into 0.0.
    return (
        np.stack((source_z, *sources), axis=1) + 0.0,
        np.stack((receiver_z, *receivers), axis=1) + 0.0,
    )


def _depths(
    headers: Mapping[str, NDArray[Any]], description: HeaderSettings
) -> tuple[Array, Array]:
    unit = description.vertical_unit or description.length_unit
    vertical = scale_factor(headers["ElevationScalar"]) * METRES.get(unit or "m", 1.0)
    surface, depth, group = (
        headers[name].astype(np.float64)
        for name in ("SourceSurfaceElevation", "SourceDepth", "ReceiverGroupElevation")
    )
    source = {
        "depth_below_surface": depth - surface,
        "depth": depth,
        "elevation": -surface,
    }[description.source_z]
    receiver = group if description.receiver_z == "depth" else -group
    return source * vertical + description.datum_m, receiver * vertical + description.datum_m


def _map_positions(
    traces: Traces, kind: str, factor: Array, description: HeaderSettings
) -> tuple[Array, Array]:
    """Return y and x `(n,)` [m] in the grid, of all sources or all receivers."""
    x, y = (traces.headers[f"{kind}{axis}"] * factor for axis in "XY")
    if description.swap_xy:
        x, y = y, x
    if description.angular:
        y, x = _projected(traces, kind, x, y, description)
    elif description.length_unit is not None:
        metres = METRES[description.length_unit]
        x, y = x * metres, y * metres
    y, x = y - description.origin_m[0], x - description.origin_m[1]
    if not description.rotation_deg:
        return y, x
    angle = np.deg2rad(description.rotation_deg)
    return y * np.cos(angle) - x * np.sin(angle), x * np.cos(angle) + y * np.sin(angle)


def _projected(
    traces: Traces, kind: str, x: Array, y: Array, description: HeaderSettings
) -> tuple[Array, Array]:
    """Return northing and easting [m] of longitudes `x` and latitudes `y`."""
    try:
        from pyproj import Transformer
        from pyproj.exceptions import ProjError
    except ImportError as error:
        raise SurveyError(
            f"'survey.headers.projection' = '{description.projection}' needs pyproj, which is "
            "not installed; install it: pip install 'pvi_hpc[projection]'."
        ) from error
    longitude, latitude = _degrees(x, description), _degrees(y, description)
    outside = (np.abs(longitude) > 360) | (np.abs(latitude) > 90)
    if outside.any():
        i = int(outside.argmax())
        _refuse(
            traces, i, kind, f"longitude {longitude[i]:g}, latitude {latitude[i]:g} degrees; "
            "correct 'survey.headers.length_unit', 'swap_xy', or the scalar in 'values'",
            description,
        )  # fmt: skip
    try:
        transformer = Transformer.from_crs(
            description.geographic, description.projection, always_xy=True
        )
        target = transformer.target_crs
        metric = target is not None and all(
            a.unit_conversion_factor == 1 for a in target.axis_info
        )
        east, north = transformer.transform(longitude, latitude)
    except ProjError as error:
        raise SurveyError(
            "'survey.headers.projection' and 'geographic' must be reference systems that "
            f"pyproj knows, got '{description.projection}' and '{description.geographic}': "
            f"{error}."
        ) from error
    if not metric or target is None or not target.is_projected:
        raise SurveyError(
            "'survey.headers.projection' must be a projected reference system in metres, got "
            f"'{description.projection}'; for UTM zone 31 north it is EPSG:32631."
        )
    lost = ~(np.isfinite(east) & np.isfinite(north))
    if lost.any():
        i = int(lost.argmax())
        _refuse(
            traces, i, kind, f"longitude {longitude[i]:g}, latitude {latitude[i]:g} degrees, "
            f"outside 'survey.headers.projection: {description.projection}'; correct it",
            description,
        )  # fmt: skip
    return np.asarray(north, dtype=np.float64), np.asarray(east, dtype=np.float64)


def _degrees(value: Array, description: HeaderSettings) -> Array:
    if description.length_unit == "degrees":
        return value
    if description.length_unit == "arcsec":
        return value / 3600
    # DDDMMSS with the sign of the whole; rounding first, since a scalar may leave 59.99...
    size = np.round(np.abs(value), 6)
    degrees: Array = size // 10000 + size // 100 % 100 / 60 + size % 100 / 3600
    return np.copysign(degrees, value)


def _check_finite(traces: Traces, description: HeaderSettings) -> None:
    """Refuse words of fractions that hold no number, or none of a length."""
    for name, word in description.words.items():
        if word[1].startswith(("f", "ibm")):
            bad = ~(np.abs(traces.headers[name]) < 1e12)
            if bad.any():
                i = int(bad.argmax())
                raise SurveyError(
                    f"'{traces.file}': trace {traces.number[i]} has {name} = "
                    f"{traces.headers[name][i]:g} ({bytes_of(word)}), which is no length; "
                    "correct 'survey.headers.bytes'."
                )


def _refuse(
    traces: Traces, i: int, kind: str, text: str, description: HeaderSettings
) -> NoReturn:
    words = description.places
    names = (f"{kind}X", f"{kind}Y")
    found = " and ".join(
        f"{name} = {traces.headers[name][i]} ({bytes_of(words[name])})" for name in names
    )
    raise SurveyError(f"'{traces.file}': trace {traces.number[i]} has {found}: {text}.")
