"""A chain of tinyDA on a served likelihood finds the posterior that is known.

tinyDA asks for older versions of numpy and ArviZ than the package. For this test, which needs
nothing that differs: `pip install --no-deps tinyda tqdm`, and ray, which it imports.
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from serving_example import a_run, listening, served

umbridge = pytest.importorskip("umbridge")

DENSITY = """
def log_likelihood(model):
    residual = (model - 2650.0) / 150.0
    return -0.5 * (residual**2).sum(), -residual / 150.0
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_chain_of_tinyda_finds_the_known_posterior(tmp_path, capsys):
    tda = pytest.importorskip("tinyDA")
    (tmp_path / "gaussian_of_mine.py").write_text(DENSITY)
    given = {"function": "gaussian_of_mine:log_likelihood", "directory": str(tmp_path)}
    run = a_run(tmp_path, **given, arguments={}, returns="log_likelihood")
    # Two unknowns, normal with 2500 and 150 m/s: half of what the data say, in prior sds.
    prior = {"kind": "normal", "mean_m_s": [2500], "sd_m_s": [150], "depth_m": [0]}
    grid = {"shape": [1, 1, 2], "spacing_m": 50}
    run = run.model_validate({**run.model_dump(), "prior": prior, "grid": grid})
    np.random.seed(1)  # noqa: NPY002 (tinyDA has no other)
    with served(run, tmp_path) as (_, _, models), listening(models) as url:

        class Told:
            """The model gives the log likelihood itself."""

            def loglike(self, value):
                return float(value[0])

        model = tda.UmBridgeModel(umbridge.HTTPModel(url, "likelihood"))
        posterior = tda.Posterior(multivariate_normal(np.zeros(2)), Told(), model)
        proposal = tda.CrankNicolson(scaling=0.8)
        chain = tda.sample(posterior, proposal, iterations=1500, n_chains=1)
    draws = np.array([link.parameters for link in chain["chain_0"]])[200:]
    # Some 300 independent draws of N(0.5, 0.5).
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 0.2
    assert np.abs(draws.std(axis=0) - np.sqrt(0.5)).max() < 0.15
