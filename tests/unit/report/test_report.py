"""Pages: complete, self-contained, and possible with whatever a run has."""

import json
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from report_example import FACTS, example_view

from pvi_hpc.config import parse_project
from pvi_hpc.config.project import ReportSettings
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.grid import Grid
from pvi_hpc.report.catalogue import CATALOGUE
from pvi_hpc.report.figures.gathers import receiver_line
from pvi_hpc.report.figures.geometry import geometry
from pvi_hpc.report.figures.histories import histories
from pvi_hpc.report.figures.sections import extent
from pvi_hpc.report.pages import build_comparison, build_report, write_site
from pvi_hpc.report.places import planes, slice_indices, wells
from pvi_hpc.report.view import load_view
from pvi_hpc.store.posterior_file import write_posterior
from pvi_hpc.store.predictive_file import write_predictive
from pvi_hpc.store.samples import write_samples

GRID = Grid((10, 16, 24), (50.0, 60.0, 40.0), (0.0, -300.0, 2000.0))


class Links(HTMLParser):
    """Collects what a page refers to, and checks that tags are balanced."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, html):
        super().__init__()
        self.links, self.open = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def assert_self_contained(html, local=()):
    for link in Links(html).links:
        assert link.startswith(("#", "data:image/png;base64,")) or link in local, link[:80]
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", without_pictures)


def png_size(picture):
    assert picture.startswith(b"\x89PNG")
    return struct.unpack(">II", picture[16:24])


@pytest.fixture(scope="module")
def view():
    return example_view(GRID)


@pytest.fixture(scope="module")
def page(view):
    return build_report(view)


def test_a_complete_run_has_every_figure(page):
    assert set(page.figures) == {entry.name for entry in CATALOGUE}
    assert page.html.count("data:image/png;base64,") == len(CATALOGUE)
    for picture in page.figures.values():
        width, height = png_size(picture)
        assert 500 < width < 2000
        assert 300 < height < 2500


def thin(view, *axes):
    """Return the view with only the middle cell along some axes."""
    part = tuple(slice(n // 2, n // 2 + 1) if i in axes else slice(None)
                 for i, n in enumerate(GRID.shape))  # fmt: skip
    s = view.summary
    origin = tuple(GRID.axis(i)[p][0] for i, p in enumerate(part))
    fields = {name: value[part] for name, value in (*s.fields(), ("fixed", s.fixed))}
    summary = replace(
        s,
        grid=Grid(s.mean[part].shape, GRID.spacing, origin),
        quantiles={q: value[part] for q, value in s.quantiles.items()},
        **fields,
    )
    return replace(view, summary=summary, samples=view.samples[(slice(None), *part)])


@pytest.mark.parametrize("axes", [(0,), (1,), (1, 2), (0, 1, 2)])
def test_grids_of_one_cell_along_an_axis_have_their_figures(view, axes):
    page = build_report(replace(thin(view, *axes), predictive=None, history={}, answers={}))
    wanted = {"sections", "updates", "calibration", "draws", "wells", "spread", "geometry"}
    assert set(page.figures) == wanted - ({"wells"} if 0 in axes else set())
    for picture in page.figures.values():
        width, height = png_size(picture)
        assert 300 < width < 2000
        assert 150 < height < 2500


def test_only_planes_of_more_than_one_cell_are_shown(view):
    names = {axes: [p.name for p in planes(thin(view, *axes).summary.grid)]
             for axes in [(), (1,), (0,), (1, 2), (0, 1)]}  # fmt: skip
    assert names == {
        (): ["Depth slice", "Inline section", "Crossline section"],
        (1,): ["Inline section"],
        (0,): ["Depth slice"],
        (1, 2): ["Crossline section"],
        (0, 1): ["Inline section"],
    }


def test_the_geometry_of_a_section_is_its_side_alone(view):
    titles = {axes: {a.get_title() for a in geometry(thin(view, *axes)).axes}
              for axes in ((), (1,))}  # fmt: skip
    assert titles == {(): {"Map", "Side view"}, (1,): {"Side view"}}


def test_a_page_loads_nothing_from_anywhere(page):
    assert_self_contained(page.html, local={"index.html"})


def test_answers_are_told_with_their_prior_and_their_sensitivity(page):
    for text in ("slow body", "optimal answer (squared)", "m3 per m/s", "true 210,000,000"):
        assert text in page.html, text
    assert "4\u202f% of the draws have none" in page.html  # 7 of 200


def test_hypotheses_are_ranked_and_those_refused_are_told(page):
    for text in ("long waves", "3.25 ± 0.12", "0.963", "150,000,000 ± 20,000,000 m3"):
        assert text in page.html, text
    assert page.html.index("long waves") < page.html.index("the run&#39;s own prior")
    assert "refused: the old posterior has no mass" in page.html


def test_scores_facts_and_configuration_are_on_the_page(page):
    for text in ("Final ELBO", "-1,143,210.4", "17,000", "1 h 23 min", "18.9", "0123abc"):
        assert text in page.html
    assert "seed: 7" in page.html
    assert "<details>" in page.html


def test_text_of_the_user_is_escaped(view):
    nasty = replace(view, config="<script>x</script>", facts={**view.facts, "a": "<b>"})
    html = build_report(replace(nasty, predictive=None, history={})).html
    assert "<script>" not in html
    assert "&lt;b&gt;" in html


def test_a_run_with_nothing_but_a_posterior_has_a_page(view):
    summary = replace(view.summary, true=None, quantiles={})
    bare = replace(
        view,
        summary=summary,
        predictive=None,
        history={},
        facts={},
        answers={},
        samples=view.samples[:0],
    )
    page = build_report(bare)
    assert set(page.figures) == {"sections", "updates", "wells", "spread", "geometry"}
    assert_self_contained(page.html, local={"index.html"})


def test_equal_runs_give_equal_pictures(view, page):
    wells_entry = next(entry for entry in CATALOGUE if entry.name == "geometry")
    assert wells_entry.possible(view)
    bare = replace(view, predictive=None, history={})
    assert build_report(bare).figures["geometry"] == page.figures["geometry"]


def test_the_comparison_shows_runs_on_one_grid_and_lists_all(view):
    other = example_view(Grid((12, 10, 14), (50.0, 50.0, 50.0)), run="coarse")
    page = build_comparison([view, replace(view, run="mean_field"), other])
    assert set(page.figures) == {"mean", "sd"}
    assert "on another grid: coarse" in page.html
    links = {"psvi.html", "mean_field.html", "coarse.html"}
    assert links <= set(Links(page.html).links)
    assert_self_contained(page.html, local=links)


def test_restarts_are_compared_and_other_runs_are_not(view):
    rng = np.random.default_rng(3)
    same, apart = rng.standard_normal((2, 200, 27)), rng.standard_normal((200, 27))
    apart[:, 5] += 2

    def run(name, seed, means, **settings):
        config = json.dumps({"name": name, "seed": seed, "inference": settings})  # is YAML too
        return replace(view, run=name, config=config, block_means=means)

    views = [run("a", 1, same[0]), run("b", 2, same[1]), run("other", 1, apart, samples=4)]
    html = build_comparison(views).html
    assert re.search(r"a, b</th><td class=.number.>1\.0[0-4]", html) and "of 27 blocks" in html
    html = build_comparison([*views[:2], run("c", 3, apart)]).html
    assert re.search(r"a, b, c</th><td class=.number.>1\.[1-9]", html)
    assert "Restarts" not in build_comparison(views[1:]).html


def test_a_site_of_one_run_lies_where_snakemake_looks(view, tmp_path):
    small = replace(view, predictive=None, history={}, samples=view.samples[:0])
    pages = write_site([small], tmp_path)
    assert [path.name for path in pages] == ["psvi.html", "index.html"]
    assert (tmp_path / "figures/psvi/sections.png").exists()
    assert (tmp_path / "figures/comparison/mean.png").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_templates_are_part_of_the_package():
    folder = files("pvi_hpc.report") / "templates"
    names = {path.name for path in folder.iterdir()}
    assert {"base.html", "run.html", "comparison.html", "tables.html", "style.css"} <= names


def test_chosen_places_are_the_nearest_cells():
    settings = ReportSettings(depth_m=130, y_m=0, wells_y_x_m=((-301, 2961), (100, 2085)))
    assert slice_indices(GRID, settings) == (3, 5, 12)
    assert [(well.iy, well.ix) for well in wells(GRID, settings)] == [(0, 23), (7, 2)]
    assert wells(GRID, settings)[0].label == "y = -0.30 km, x = 2.92 km"


def test_pictures_reach_to_the_edges_of_cells_with_depth_downwards():
    from pvi_hpc.report.places import PLANES

    assert extent(GRID, PLANES[0]) == pytest.approx((1.98, 2.94, -0.33, 0.63))
    assert extent(GRID, PLANES[1]) == pytest.approx((1.98, 2.94, 0.475, -0.025))
    assert extent(GRID, PLANES[2]) == pytest.approx((-0.33, 0.63, 0.475, -0.025))


def test_a_gather_shows_the_line_nearest_to_the_source(view):
    shot = view.predictive.shots[0]
    order, name = receiver_line(shot)
    assert len(order) == 15
    assert len(set(shot.receivers[order, 1])) == 1
    assert np.all(np.diff(shot.receivers[order, 2]) > 0)
    assert name.startswith("line y =")
    scattered = replace(shot, receivers=shot.receivers + np.arange(225)[:, None] * 1.7)
    order, name = receiver_line(scattered)
    assert sorted(order) == list(range(225))
    assert "offset" in name


def test_a_view_is_read_from_the_files_of_a_run(view, tmp_path):
    project = parse_project(PROJECT)
    run = project.resolved[0]
    folder = tmp_path / "psvi"
    write_posterior(view.summary, folder / "posterior.h5")
    write_samples(folder / "samples.nc", GRID, [view.summary.mean] * 5, 5)
    write_predictive(folder / "predictive.h5", view.predictive)
    (folder / "summary.json").write_text(json.dumps(FACTS))
    receivers = np.asarray(view.receivers)
    shots = tuple(
        Shot(
            i, s, receivers, np.zeros((len(receivers), 4), np.float32), np.ones(len(receivers))
        )
        for i, s in enumerate(view.sources)
    )
    write_survey(Survey(shots, Wavelet(np.ones(9), 0.004), 0.004, 4), tmp_path / "survey.h5")
    history = view.history
    loaded = load_view(folder, tmp_path / "survey.h5", project, run, history=history)
    assert (loaded.project, loaded.run) == ("example", "psvi")
    assert loaded.samples.shape == (3, *GRID.shape)
    assert loaded.facts["elbo"] == FACTS["elbo"]
    assert "peak_hz" in loaded.config
    assert set(loaded.history) == set(view.history)
    np.testing.assert_allclose(loaded.sources, np.unique(view.sources, axis=0))
    np.testing.assert_allclose(loaded.receivers, np.unique(view.receivers, axis=0))
    (folder / "samples.nc").unlink()
    given = {"iteration": np.arange(3)}
    loaded = load_view(folder, tmp_path / "survey.h5", project, run, history=given)
    assert loaded.samples.shape == (0, *GRID.shape)
    assert loaded.history is given


PROJECT = {
    "name": "example",
    "grid": {"shape": [10, 16, 24], "spacing_m": [50, 60, 40]},
    "survey": {
        "format": "segy",
        "files": ["x.sgy"],
        "wavelet": {"ricker": {"peak_hz": 5, "delay_s": 0.24}},
        "noise_sd": 1.0,
    },
    "prior": {
        "kind": "uniform",
        "depth_m": [0, 500],
        "lower_m_s": [1400, 2000],
        "upper_m_s": [2600, 4000],
    },
    "inference": {"iterations": 10},
    "runs": [{"name": "psvi"}],
}


def test_a_run_that_is_its_start_has_a_history_of_its_own():
    view = example_view()
    n = len(view.history["iteration"])
    alone = {**view.history, "phase": np.zeros(n), "elbo": np.linspace(-9.0, -1.0, n)}
    alone["elbo"][-1] = np.nan  # a sweep of noise has no density
    panels = histories(replace(view, history=alone)).axes
    assert panels[1].get_title() == "Log posterior of the mean, last half"
    assert panels[1].lines
    shown = np.asarray(panels[1].lines[-1].get_ydata())
    assert shown[-1] == alone["elbo"][-2]
