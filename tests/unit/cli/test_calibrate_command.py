"""`pvi calibrate` finds the user's case and the site's workers, or says what is wrong."""

import pickle
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from pvi_hpc.cli.calibrate import load_problem, site_execution
from pvi_hpc.errors import ConfigError

CASE = """
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class Case:
    n: int
    def invert(self, index):
        rng = np.random.default_rng(index)
        return rng.standard_normal(self.n), rng.standard_normal((9, self.n))

case, nothing = Case(3), 5
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "user_case.py"
    path.write_text(CASE)
    yield path
    sys.modules.pop("user_case", None)


def test_a_case_travels_to_workers_that_do_not_have_its_file(file):
    sent = cloudpickle.dumps(load_problem(f"{file}:case"))
    file.unlink()
    del sys.modules["user_case"]
    truth, draws = pickle.loads(sent).invert(4)
    assert truth.shape == (3,) and draws.shape == (9, 3)
    np.testing.assert_array_equal(truth, np.random.default_rng(4).standard_normal(3))


def test_what_is_no_case_is_refused(file):
    for place in (f"{file}", "missing.py:case", "case"):
        with pytest.raises(ConfigError, match=r"must name an object in a Python file"):
            load_problem(place)
    for name in ("nothing", "other"):
        with pytest.raises(ConfigError, match=r"must be an object with a method 'invert"):
            load_problem(f"{file}:{name}")


@pytest.mark.parametrize(
    ("text", "workers", "message"),
    [
        ("", 0, r"--workers 0:\n  'workers': .*greater than 0, got 0"),
        ("executer: sge", 2, r"dask\.yaml with --workers 2:\n  'executer' is unknown .*'sge'"),
        ("cluster: {queu: a}", 2, r"'cluster\.queu' is unknown .*correct the spelling"),
        ("min_workers: 2", 1, r"'min_workers' must be at most 'workers' \(1\), got 2; raise"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path, text, workers, message):
    if text:
        (tmp_path / "dask.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        site_execution(tmp_path, workers)


def test_workers_come_from_the_profile(tmp_path):
    assert site_execution(tmp_path, 3).executor == "local"
    (tmp_path / "dask.yaml").write_text("executor: sge\ncluster: {queue: all.q}\n")
    found = site_execution(tmp_path, 7)
    assert (found.executor, found.workers, found.cluster.queue) == ("sge", 7, "all.q")
    assert site_execution(Path("cluster_profiles/local"), 2).workers == 2
