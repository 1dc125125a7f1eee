"""Plug-ins of another package work without a change of ours: they are only installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

HERE = Path(__file__).parent
TINY = HERE.parent / "workflow" / "tiny.yaml"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of an interpreter that finds the example package, and ours."""
    folder = tmp_path_factory.mktemp("plugins")
    source, target = folder / "source", folder / "site"
    shutil.copytree(HERE / "pvi_hpc_example", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", target, source], check=True, cwd=folder
    )
    return {**os.environ, "PYTHONPATH": str(target), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}


def run(environment, *command):
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def pvi(environment, *arguments):
    return run(environment, "-c", "from pvi_hpc.cli import main; main()", *arguments)


def test_plugins_of_another_package_are_listed_with_where_they_come_from(environment):
    code, text = pvi(environment, "list", "families")
    assert code == 0
    assert "heavy_tailed" in text and "(from pvi_hpc_example)" in text
    code, text = pvi(environment, "list", "methods", "random_walk")
    assert code == 0
    assert "package: pvi_hpc_example" in text
    assert "length: number > 0 [prior sd], default 1.0" in text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"tail": 0.2}, 0, "OK      cost"),
        ({"tial": 0.2}, 2, "'inference.family.options.tial' is unknown to 'heavy_tailed': did"),
    ],
)
def test_a_project_with_such_a_family_is_checked(environment, tmp_path, options, code, message):
    tree = yaml.safe_load(TINY.read_text())
    tree["inference"]["family"] = {"kind": "heavy_tailed", "options": options}
    tree["runs"] = [{"name": "run"}]
    config = tmp_path / "project.yaml"
    config.write_text(yaml.safe_dump(tree))
    found, text = pvi(environment, "check", str(config))
    assert (found, message in text) == (code, True), text


FIT = """
import numpy as np
import torch
from pvi_hpc import fit, load_fit

def log_prob(theta):  # heavy tails: the logarithm of a hyperbolic secant
    return -torch.log(torch.cosh((theta - 1.0) / 0.5)).sum(dim=1)

family = {"kind": "heavy_tailed", "options": {"tail": 0.5}}
posterior = fit(log_prob, 3, family=family, iterations=300, samples=8, path="fit.h5", seed=2)
gaussian = fit(log_prob, 3, iterations=300, samples=8, seed=2)
assert np.abs(posterior.mean - 1).max() < 0.1, posterior.mean
assert np.abs(posterior.sd / (0.5 * np.pi / 2) - 1).max() < 0.1, posterior.sd
assert posterior.elbo(4000).mean > gaussian.elbo(4000).mean + 0.02
assert (load_fit("fit.h5").sample(4) == posterior.sample(4)).all()

method = {"kind": "random_walk", "options": {"length": 0.8}}
start = {"sd": 1.0}
walk = fit(log_prob, 2, method=method, iterations=3000, samples=2, start=start, seed=3)
assert np.abs(walk.mean - 1).max() < 0.2, walk.mean
assert np.abs(walk.sd / (0.5 * np.pi / 2) - 1).max() < 0.25, walk.sd
print("fitted")
"""


def test_such_a_family_and_such_a_method_fit_a_posterior(environment, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FIT.replace("fit.h5", str(tmp_path / "fit.h5")))
    code, text = run(environment, str(script))
    assert code == 0 and "fitted" in text, text


@pytest.mark.slow
def test_a_prior_and_a_forward_problem_of_another_package_run_to_the_report(
    environment, tmp_path
):
    means = [2000, 2100, 2300, 2600, 2500, 2400, 2600, 2700]
    tree = {
        "name": "means",
        "grid": {"shape": [8, 1, 4], "spacing_m": 50},
        "forward": {"kind": "depth_means", "means_m_s": means},
        "prior": {"kind": "triangular", "lowest_m_s": 1500, "highest_m_s": 3500},
        "start": {"map_iterations": 10, "map_step": 0.1},
        "inference": {"iterations": 60, "optimiser": {"step": 0.05}},
        "execution": {"workers": 1, "shots_per_task": 1},
        "posterior": {"samples": 50, "predictive_draws": 2},
        "segments": 1,
    }
    (tmp_path / "means.yaml").write_text(yaml.safe_dump(tree))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", "from pvi_hpc.cli import main; main()", "run", "means.yaml"],
        env={**environment, "PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results" / "means"
    assert (results / "report" / "index.html").exists()
    with h5py.File(results / "run" / "posterior.h5") as file:
        mean, sd = file["mean"][...], file["sd"][...]
        prior_sd = file["prior_sd"][...]
    assert prior_sd == pytest.approx(np.full(mean.shape, 2000 / np.sqrt(24)), rel=1e-3)
    # Noise of 20 m/s of a mean of four cells: the means are known, the cells are not.
    assert mean.mean(axis=(1, 2)) == pytest.approx(np.array(means), abs=60)
    assert (sd < prior_sd).all()
