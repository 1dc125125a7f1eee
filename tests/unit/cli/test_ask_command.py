"""`pvi ask` answers from the files of a run, and says what is wrong with a question."""

import json

import numpy as np
import pytest
import yaml
from run_example import GOOD
from typer.testing import CliRunner

from pvi_hpc.cli.answers import ask_run
from pvi_hpc.cli.app import app
from pvi_hpc.config import load_project
from pvi_hpc.errors import ConfigError
from pvi_hpc.run.answers.ask import write_answers
from pvi_hpc.run.plan import write_project
from pvi_hpc.run.results import ProjectResults
from pvi_hpc.store.layout import ProjectPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, write_posterior
from pvi_hpc.store.samples import write_samples

QUESTIONS = """
questions:
  - {name: fast, kind: average, box: {z_m: [500, 600]}}
  - {name: body, kind: connected_volume, below_m_s: 2000, utility: {kind: absolute}}
  - {name: deep, kind: interface_depth, above_m_s: 9000}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A run of 40 draws, each constant: 1900, 1910, ... m/s."""
    folder = tmp_path_factory.mktemp("asked")
    tree = {k: v for k, v in GOOD.items() if k != "name"}
    tree |= {"name": "line", "runs": [{"name": "good"}], **yaml.safe_load(QUESTIONS)}
    (folder / "line.yaml").write_text(yaml.safe_dump(tree))
    settings = load_project(folder / "line.yaml")
    paths = ProjectPaths(folder / "results" / "line")
    paths.run("good").folder.mkdir(parents=True)
    write_project(settings, paths.config)
    grid = settings.resolved[0].grid.grid
    draws = [np.full(grid.shape, 1900 + 10 * i, np.float32) for i in range(40)]
    state = {"state_iteration": "10", "family": "none"}
    write_samples(paths.run("good").samples, grid, draws, 40, state)
    mean, zero = np.full(grid.shape, 2095, np.float32), np.zeros(grid.shape, np.float32)
    names = ("prior_mean", "prior_sd", "prior_lower", "prior_upper", "start")
    summary = PosteriorSummary(
        grid,
        mean,
        zero,
        {0.5: mean},
        fixed=zero > 0,
        true=mean + 5,
        **dict.fromkeys(names, mean),
    )
    write_posterior(summary, paths.run("good").posterior)
    (folder / "questions.yaml").write_text(QUESTIONS)
    return ProjectResults(settings, paths)


def test_answers_are_printed_with_all_that_a_reader_needs(project, monkeypatch, tmp_path):
    folder = project.paths.folder.parent.parent
    monkeypatch.chdir(folder)
    found = CliRunner().invoke(
        app, ["ask", "line/good", "questions.yaml", "--json", str(tmp_path / "answers.json")]
    )
    assert found.exit_code == 0, found.output
    assert "fast: 2095 ± 117 m/s" in found.output and "true model       2100" in found.output
    # Ten of forty models are slower than 2000 m/s, and those are slow everywhere.
    size = 20 * 28 * 24 * 50.0**3
    answers = json.loads((tmp_path / "answers.json").read_text())["answers"]
    assert answers["body"]["mean"] == pytest.approx(size / 4)
    assert answers["body"]["optimal_answer"] == 0
    slope = answers["body"]["sensitivity"]["slope"]
    assert slope == pytest.approx(size * 5 / 40 / 50)  # of 2000 ± 25 m/s
    assert answers["fast"]["prior"]["sd"] > 5  # of 3 * 672 independent cells
    assert "deep: none of 40 draws has an answer" in found.output


def test_a_run_may_be_named_by_its_folder(project):
    folder = project.paths.folder
    lines = list(
        ask_run(str(folder / "good"), folder.parents[1] / "questions.yaml", None, None)
    )
    assert lines[0].startswith("fast: 2095")


def test_the_workflow_writes_the_answers_with_the_state_that_they_are_of(project):
    run = project["good"]
    write_answers(run, project.settings.questions)
    told = json.loads(run.paths.answers.read_text())
    assert told["state"] == {"state_iteration": "10"}
    assert list(told["answers"]) == ["fast", "body", "deep"]
    assert len(told["answers"]["fast"]["values"]) == 40


def test_what_cannot_be_asked_is_told(project, tmp_path):
    file, good = tmp_path / "q.yaml", str(project.paths.folder / "good")
    file.write_text("questions: [{name: a, kind: average, box: {x_m: [9e3, 9.1e3]}}]")
    with pytest.raises(ConfigError, match=r"along x, where they go from 0 to 1150 m"):
        list(ask_run(good, file, None, None))
    file.write_text("questions: [{name: a, kind: average, boxx: 3}]")
    with pytest.raises(ConfigError, match=r"q\.yaml:\n  'questions\.0\.boxx': is no key"):
        list(ask_run(good, file, None, None))
    with pytest.raises(ConfigError, match="must be one of good, got 'bad'"):
        list(ask_run(str(project.paths.folder / "bad"), project.paths.config, None, None))
