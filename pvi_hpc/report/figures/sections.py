"""Rows of sections through several fields, all to one scale in km."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pvi_hpc.grid import Grid
from pvi_hpc.report.places import KM, Plane, plane_title, planes, slice_indices
from pvi_hpc.report.style import Scale
from pvi_hpc.report.view import RunView

__all__ = ["Column", "Sheet", "draw_positions", "draw_sections", "thin"]

#: Lengths in inches.
LEFT, GAP, HEADING, AXIS, TOP, BAR = 0.62, 0.14, 0.24, 0.34, 0.3, 0.62
PAGE, WIDEST, TALLEST, TALLER = 12.6, 3.0, 3.2, 6.6
#: Least width and height of a panel, and its width where the grid is one row or column.
THINNEST, OF_ONE_ROW = 0.35, 1.25
#: More symbols than this hide what lies under them.
N_SYMBOLS: Final = 10_000


class Column(NamedTuple):
    """One field `(nz, ny, nx)`, shown on every plane."""

    title: str
    field: NDArray[Any]
    scale: Scale


@dataclass(frozen=True)
class Sheet:
    """The measures of a figure [in]: `n` columns of `width`, rows of `heights`.

    `widths` are those of the panels of each row.
    """

    n: int
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    free: float

    @classmethod
    def of(cls, grid: Grid, n: int, free: float = 0.0) -> "Sheet":
        """Measure out a figure of `n` columns and a free space on its right."""
        width = min(WIDEST, (PAGE - LEFT - free) / n - GAP)
        size = [k * h for k, h in zip(grid.shape, grid.spacing, strict=True)]
        shown = planes(grid)
        across = [size[plane.horizontal] for plane in shown]
        down = [size[plane.vertical] for plane in shown]
        inch_per_m = min(width / max(across), TALLEST / max(down))
        least = THINNEST if sum(k > 1 for k in grid.shape) > 1 else OF_ONE_ROW
        widths = tuple(max(metres * inch_per_m, least) for metres in across)
        heights = tuple(max(metres * inch_per_m, THINNEST) for metres in down)
        return cls(n, widths, heights, free)

    @property
    def width(self) -> float:
        """Width of a column."""
        return max(self.widths)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure [in]."""
        height = TOP + sum(self.heights) + len(self.heights) * (HEADING + AXIS) + BAR
        if self.free:  # room for two plots above each other
            height = max(height, TALLER)
        return max(LEFT + self.n * (self.width + GAP) + self.free, 4.0), height

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width, height of a panel as fractions of the figure."""
        w, h = self.size
        above = TOP + sum(self.heights[:row]) + row * AXIS + (row + 1) * HEADING
        left = LEFT + column * (self.width + GAP)
        bottom = h - above - self.heights[row]
        return left / w, bottom / h, self.widths[row] / w, self.heights[row] / h


def draw_sections(
    view: RunView, columns: Sequence[Column], *, free: float = 0.0
) -> tuple[Figure, Sheet]:
    """Draw every field on a depth slice, an inline and a crossline section, if it has them.

    `free` inches stay empty on the right. Neighbours with one scale share a colour bar.
    """
    grid = view.summary.grid
    sheet = Sheet.of(grid, len(columns), free)
    figure = Figure(figsize=sheet.size)
    indices = slice_indices(grid, view.settings)
    w, h = sheet.size
    for row, plane in enumerate(planes(grid)):
        panels = [
            _draw_panel(figure, view, plane, sheet, (row, i), column)
            for i, column in enumerate(columns)
        ]
        box = panels[0].get_position()
        heading = plane_title(plane, grid, indices[plane.normal])
        figure.text(LEFT / w, box.y1 + 0.05 / h, heading, color="#444444")
        panels[0].set_ylabel(f"{'zyx'[plane.vertical]} [km]")
    for i, column in enumerate(columns):
        centre = LEFT + i * (sheet.width + GAP) + sheet.width / 2
        figure.text(centre / w, 1 - 0.2 / h, column.title, ha="center", weight="bold")
    _draw_bars(figure, columns, sheet)
    return figure, sheet


def draw_positions(axes: Any, positions: NDArray[Any], plane: Plane, symbol: str) -> None:
    """Draw sources (`*`) or receivers (`v`) projected onto a plane."""
    points = np.unique(positions[:, [plane.horizontal, plane.vertical]], axis=0) * KM
    largest = 36.0 if symbol == "*" else 8.0
    # Symbols cover a twentieth of a map at most, however many there are.
    w, h = axes.get_position().size * axes.figure.get_size_inches() * 72
    size = np.clip(0.05 * w * h / max(len(points), 1), 0.8, largest)
    axes.scatter(
        *thin(points).T,
        marker=symbol,
        s=size,
        c="white",
        edgecolors="black",
        linewidths=min(0.5, 0.12 * size**0.5),
        zorder=3 if symbol == "*" else 2,
        clip_on=False,
    )


def thin(points: NDArray[Any], limit: int = N_SYMBOLS) -> NDArray[Any]:
    """Return every so-many-th of the points `(n, 2)`, at most `limit`."""
    return points[:: -(-len(points) // limit)] if len(points) else points


def extent(grid: Grid, plane: Plane) -> tuple[float, float, float, float]:
    """Return the edges of the outermost cells [km]: left, right, bottom, top."""
    edges = [
        (
            (grid.origin[i] - grid.spacing[i] / 2) * KM,
            (grid.upper[i] + grid.spacing[i] / 2) * KM,
        )
        for i in (plane.horizontal, plane.vertical)
    ]
    (left, right), (low, high) = edges
    # Depth increases downwards, y upwards as on a map.
    return (left, right, high, low) if plane.vertical == 0 else (left, right, low, high)


def _draw_panel(
    figure: Figure,
    view: RunView,
    plane: Plane,
    sheet: Sheet,
    cell: tuple[int, int],
    column: Column,
) -> Any:
    grid = view.summary.grid
    indices = slice_indices(grid, view.settings)
    axes = figure.add_axes(sheet.box(*cell))
    axes.set_facecolor("#dddddd")  # shows through where a field is nan
    axes.imshow(
        np.take(column.field, indices[plane.normal], axis=plane.normal),
        cmap=column.scale.cmap,
        norm=column.scale.norm,
        extent=extent(grid, plane),
        origin="upper" if plane.vertical == 0 else "lower",
        interpolation="nearest",
        aspect="equal" if min(grid.shape) > 1 else "auto",
    )
    cut = [other.normal for other in planes(grid)]
    for axis, line in ((plane.horizontal, axes.axvline), (plane.vertical, axes.axhline)):
        if axis in cut:
            line(grid.axis(axis)[indices[axis]] * KM, color="white", lw=0.6, ls=(0, (4, 4)))
    draw_positions(axes, view.receivers, plane, "v")
    draw_positions(axes, view.sources, plane, "*")
    axes.set_xlabel(f"{'zyx'[plane.horizontal]} [km]", labelpad=1)
    w, h = axes.get_position().size * np.asarray(sheet.size)
    axes.xaxis.set_major_locator(MaxNLocator(int(np.clip(w / 0.5, 1, 4))))
    axes.yaxis.set_major_locator(MaxNLocator(int(np.clip(h / 0.3, 1, 4))))
    axes.tick_params(labelleft=cell[1] == 0, length=2.5)
    return axes


def _draw_bars(figure: Figure, columns: Sequence[Column], sheet: Sheet) -> None:
    w, h = sheet.size
    first = 0
    bottom = sheet.box(len(sheet.heights) - 1, 0)[1] - (BAR - 0.42 + AXIS + 0.02) / h
    for i, column in enumerate(columns):
        following = columns[i + 1].scale if i + 1 < len(columns) else None
        if following is column.scale:
            continue
        count = i + 1 - first
        length = min(count * (sheet.width + GAP) - GAP, 5.0)
        middle = LEFT + (first + i + 1) / 2 * (sheet.width + GAP) - GAP / 2
        axes = figure.add_axes(((middle - length / 2) / w, bottom, length / w, 0.11 / h))
        _draw_bar(figure, axes, column.scale)
        first = i + 1


def _draw_bar(figure: Figure, axes: Any, scale: Scale) -> None:
    bar = figure.colorbar(
        ScalarMappable(scale.norm, scale.cmap),
        cax=axes,
        orientation="horizontal",
        extend=scale.extend,
        ticks=scale.ticks,
    )
    bar.set_label(scale.label, labelpad=2)
    bar.ax.tick_params(length=2.5)
