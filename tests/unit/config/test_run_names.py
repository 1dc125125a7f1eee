"""No run can have the name of a file or folder that the project itself uses."""

import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from run_example import make_run

from pvi_hpc.config.project import RESERVED
from pvi_hpc.run import workers as module
from pvi_hpc.store.layout import ProjectPaths

ROOT = Path(__file__).parents[3]
FOLDER = ProjectPaths(Path("results/p"))
#: Words of the attributes of `ProjectPaths`, and what each is called beside the runs.
USED = {
    getattr(FOLDER, name).name
    for name, value in vars(ProjectPaths).items()
    if isinstance(value, property)
}
#: What the rules of the workflow write beside the runs.
RULES = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
WRITTEN = set(re.findall(r"results/\{project\}/([^/\"{]+)", RULES))
#: Pages and folders of figures in report/ that are of no run.
PAGES = {"index.html", "comparison"}


def accepted(name: str) -> bool:
    """Return whether a run may have the name."""
    try:
        return make_run(name=name).name == name
    except ValueError:
        return False


def test_every_name_that_a_project_uses_is_refused():
    assert {"report", "stop", "config.yaml"} <= USED
    assert {"logs", "benchmarks", "survey.h5"} <= WRITTEN
    taken = {name for name in USED | WRITTEN | PAGES if accepted(name)}
    assert not taken
    assert not {name for name in PAGES if accepted(name.removesuffix(".html"))}


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_refused_in_any_case(name):
    with pytest.raises(ValueError, match="choose another name"):
        make_run(name=name.upper())


def test_a_survey_is_simulated_in_a_folder_that_no_run_can_have(tmp_path, monkeypatch):
    folders = []

    @contextmanager
    def workers(run, setup, paths):
        folders.append(paths.folder)
        yield SimpleNamespace(simulate=lambda models, shots: [["traces"]])

    monkeypatch.setattr(module, "workers_of", workers)
    monkeypatch.setattr(module, "simulation_setup", lambda run, file: None)
    monkeypatch.setattr(module, "write_survey", lambda survey, file: None)
    finished = tmp_path / "simulation" / "checkpoints"
    finished.mkdir(parents=True)
    survey = SimpleNamespace(shots=[1])
    module.simulate_survey(make_run(), survey, np.zeros((1, 1, 1)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["simulation"] and finished.exists()
    assert [accepted(folder.name) for folder in folders] == [False]
