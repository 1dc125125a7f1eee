"""Self-contained HTML pages: pictures inside, nothing loaded from anywhere."""

import base64
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from pvi_hpc.report.answers import answer_rows, response_rows, sensitivity_rows
from pvi_hpc.report.catalogue import CATALOGUE
from pvi_hpc.report.corrected import corrected_rows
from pvi_hpc.report.figures.models import comparison
from pvi_hpc.report.hypotheses import hypothesis_rows, ranking_sentence
from pvi_hpc.report.learnt import learnt_rows, learnt_warnings
from pvi_hpc.report.restarts import restart_rows
from pvi_hpc.report.style import DPI, png
from pvi_hpc.report.tables import (
    comparison_rows,
    fact_rows,
    group_rows,
    noise_rows,
    provenance_rows,
    score_rows,
)
from pvi_hpc.report.view import RunView
from pvi_hpc.report.warnings import warnings_of
from pvi_hpc.store.atomic import atomic_path, write_text

__all__ = ["Page", "build_comparison", "build_report", "write_site"]


class Page(NamedTuple):
    """An HTML text and its figures as PNG, by name."""

    html: str
    figures: dict[str, bytes]


def build_report(view: RunView) -> Page:
    """Draw all figures that the view has the data for, and the page that shows them."""
    entries = [entry for entry in CATALOGUE if entry.possible(view)]
    figures = {entry.name: png(partial(entry.draw, view)) for entry in entries}
    html = _render(
        "run.html",
        title=f"{view.project}: {view.run}",
        view=view,
        figures=[(e.name, e.title, e.caption, *_embed(figures[e.name])) for e in entries],
        facts=fact_rows(view),
        scores=score_rows(view),
        groups=group_rows(view),
        noise=noise_rows(view),
        answers=answer_rows(view),
        responses=response_rows(view),
        corrected=corrected_rows(view.corrected),
        sensitivity=sensitivity_rows(view),
        learnt=learnt_rows(view),
        hypotheses=hypothesis_rows(view),
        ranking=ranking_sentence(view),
        provenance=provenance_rows(view),
    )
    return Page(html, figures)


def build_comparison(views: Sequence[RunView]) -> Page:
    """Make the page that puts the runs of a project side by side.

    Pictures are drawn for runs on the grid of the first one; the table has them all. Links
    lead to `<run>.html` beside the page.
    """
    alike = [view for view in views if view.summary.grid == views[0].summary.grid]
    figures = {name: png(partial(comparison, alike, name)) for name in ("mean", "sd")}
    html = _render(
        "comparison.html",
        title=views[0].project,
        runs=[view.run for view in views],
        left_out=[view.run for view in views if view not in alike],
        rows=comparison_rows(list(views)),
        warnings=[*learnt_warnings(views), *warnings_of(views)],
        restarts=restart_rows(views),
        figures={name: _embed(figure) for name, figure in figures.items()},
    )
    return Page(html, figures)


def write_site(views: Sequence[RunView], folder: str | Path) -> list[Path]:
    """Write `index.html`, one `<run>.html` each, and `figures/<run>/<figure>.png`.

    Returns the paths of the HTML pages, the index last: it is there when all is.
    """
    folder = Path(folder)
    pages = {view.run: build_report(view) for view in views}
    pages["index"] = build_comparison(views)
    for name, page in pages.items():
        figure_folder = "comparison" if name == "index" else name
        for figure, picture in page.figures.items():
            with atomic_path(folder / "figures" / figure_folder / f"{figure}.png") as path:
                path.write_bytes(picture)
        write_text(folder / f"{name}.html", page.html)
    return [folder / f"{name}.html" for name in pages]


def _embed(picture: bytes) -> tuple[str, int]:
    """Return a PNG as a URL, and the width [CSS pixels] that keeps its letters one size."""
    pixels = int.from_bytes(picture[16:20], "big")
    url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
    return url, round(pixels * 96 / DPI)


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("pvi_hpc.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
