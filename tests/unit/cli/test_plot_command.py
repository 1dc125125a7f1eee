"""`pvi plot prior` writes a picture for each run's prior."""

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.config import parse_project
from pvi_hpc.errors import ConfigError
from pvi_hpc.report.figures.prior_draws import draw_prior


def tree(**prior):
    tables = {"depth_m": [0], "lower_m_s": [1500], "upper_m_s": [2500], "fixed_above_m": 60}
    return {
        "name": "drawn",
        "grid": {"shape": [10, 12, 14], "spacing_m": 50},
        "survey": {
            "format": "segy",
            "files": ["a.sgy"],
            "noise_sd": 1,
            "wavelet": {"ricker": {"peak_hz": 5, "delay_s": 0.24}},
        },
        "prior": {"kind": "matern", "length_m": 200, **tables, **prior},
        "inference": {"iterations": 3},
        "runs": [{"name": "alike"}, {"name": "alone", "prior": {"kind": "uniform"}}],
    }


def test_every_run_has_a_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree()))
    done = CliRunner().invoke(app, ["plot", "prior", "mine.yaml", "--draws", "2"])
    assert done.exit_code == 0, done.output
    pictures = [tmp_path / f"results/drawn/prior_{name}.png" for name in ("alike", "alone")]
    assert done.output.split() == [
        w for p in pictures for w in ("Wrote", str(p.relative_to(tmp_path)))
    ]
    for path in pictures:
        assert np.asarray(Image.open(path)).std() > 10


def test_panels_show_the_draws_and_fixed_cells_stay_empty():
    project = parse_project(tree())
    figure = draw_prior(project.run("alike"), project.report, 2, 7)
    images = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [image.shape for image in images] == 2 * [(12, 14)] + 2 * [(10, 14)] + 2 * [(10, 12)]
    assert np.isnan(np.ma.filled(images[2], np.nan)[:2]).all()
    rows = np.asarray(images[2][2:])
    assert 1.5 <= rows.min() < rows.max() <= 2.5
    assert abs(images[0] - images[1]).max() > 0.1


def test_a_prior_without_unknowns_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tree(fixed_above_m=9000)))
    from pvi_hpc.cli.plot import plot_priors

    with pytest.raises(ConfigError, match=r"'prior\.fixed_above_m' must leave unknown cells"):
        plot_priors("mine.yaml", None, 2, 1)
