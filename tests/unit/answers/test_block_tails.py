"""k-hat of blocks: near zero where `q` is the posterior, large where it is too narrow."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from run_example import make_run

from pvi_hpc.answers.block_tails import block_k_hats
from pvi_hpc.checks.resources import cost_of
from pvi_hpc.checks.run import check_run
from pvi_hpc.config.project import BlockTailsSettings
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.grid import Grid
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import InferenceSettings
from pvi_hpc.inference.target import NoTarget
from pvi_hpc.priors.normal import NormalSettings
from pvi_hpc.problem.forward import forward_problem, survey_geometry
from pvi_hpc.problem.model_map import ModelMap

GRID = Grid((5, 2, 6), (100.0, 100.0, 100.0))
PRIOR = NormalSettings(
    kind="normal",
    depth_m=(0,),
    lower_m_s=(100,),
    upper_m_s=(9000,),
    mean_m_s=(2000,),
    sd_m_s=(100,),
    fixed_above_m=150,
)


def problem_of(model_map):
    """The parts of a problem that k-hat needs; its posterior is that of `log_likelihood`."""
    family = MeanField(model_map.n)
    method = VariationalInference(family, NoTarget(), InferenceSettings(iterations=1))
    return SimpleNamespace(
        run=SimpleNamespace(grid=SimpleNamespace(grid=GRID)),
        model_map=model_map,
        family=family,
        method=lambda simulator: method,
        models=lambda theta: model_map.models(theta).numpy(),
    )


@pytest.mark.parametrize(("sd_of_q", "reliable"), [(0.5, True), (0.2, False)])
def test_k_hat_of_a_block_tells_a_right_sd_from_one_too_small(sd_of_q, reliable):
    model_map = ModelMap.build(PRIOR.cells(GRID), PRIOR, np.full(GRID.shape, 2000.0))
    problem, sizes = problem_of(model_map), []

    def log_likelihood(models):
        """Data of precision 3 and a prior of 1: the posterior's sd is a half."""
        sizes.append(len(models))
        theta = model_map.unknowns(torch.from_numpy(models)).numpy()
        return -0.5 * 3 * (theta**2).sum(axis=1)

    method = problem.method(None)
    state = method.init(torch.zeros(model_map.n, dtype=torch.float64), sd_of_q)
    settings = BlockTailsSettings(blocks=(5, 1, 2), draws=400)
    found = block_k_hats(problem, state, settings, log_likelihood)
    # Two of five planes are fixed.
    assert len(found) == 3 * 2 and sizes == [400] * 6
    assert "z 200 to 200 m, y 0 to 100 m, x 0 to 200 m" in found
    assert all((k < 0.7) == reliable for k in found.values())


def test_k_hat_needs_a_gaussian_and_its_simulations_are_counted():
    tails = {"blocks": (1, 2, 2), "draws": 50}
    run = make_run(posterior__k_hat=tails)
    assert not [f for f in check_run(run) if f.setting == "posterior.k_hat"]
    geometry = survey_geometry(run)
    one = forward_problem(run).cost(geometry)
    before = cost_of(make_run(), geometry, one).predictions
    more = cost_of(run, geometry, one).predictions - before
    assert more == 4 * 50 * len(geometry.shots)
    particles = make_run(posterior__k_hat=tails, inference__method={"kind": "svgd"})
    (fault,) = (f for f in check_run(particles) if f.setting == "posterior.k_hat")
    assert fault.level == "error" and "got 'svgd' with 'mean_field'" in fault.message
