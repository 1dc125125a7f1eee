"""The metric of the polish: products with its inverse, and the search that it shortens."""

import numpy as np
import pytest
import torch
from test_noise_starts import ACTIVE, LinearShots, N, averages
from vi_targets import GaussianTarget

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.starts.noise_metric import METRIC, NoiseMetric
from pvi_hpc.inference.starts.settings import PreconditionerSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.store.checkpoint import CheckpointStore

#: Strengths of the data from cell to cell: what makes a plain search slow.
STRENGTH = np.geomspace(0.3, 100, N)


class Ridge(LinearShots):
    """Data that the mean does not fit yet, of very uneven strength."""

    def value(self, theta, batches=None):
        found = super().value(theta - 1)
        prior = torch.from_numpy(-0.5 * (theta.double().numpy() ** 2).sum(axis=1))
        gradient = found.gradient - 1  # the prior is about 0, not 1
        return TargetValue(
            found.log_likelihood, prior, gradient, prior, SimulationCount(done=self.n_shots)
        )


def target():
    return Ridge(averages(1.0) * STRENGTH, n_shots=12)


def dense(metric, state):
    """Return the matrix that the metric stands for."""
    rows = state.memory[METRIC]["rows"].double().numpy()
    cells = np.argwhere(ACTIVE)
    apart = ((cells[:, None] - cells) ** 2).sum(axis=2)
    taper = np.exp(-0.5 * apart / metric.settings.taper_cells**2)
    data = rows.T @ rows
    return np.eye(N) + data * taper + metric.settings.damping * np.diag(data.diagonal())


def after_the_sweep(draws=3):
    metric = NoiseMetric(target(), PreconditionerSettings(draws=draws, taper_cells=1.5), 5)
    zero = torch.zeros(N, dtype=torch.float64)
    state, info = metric.step(State(0, {"mu": zero}, {}))
    assert (state.iteration, info.count.done) == (1, 12)
    assert state.memory[METRIC]["rows"].shape == (12 * draws, N)
    return metric, state


def test_a_solve_is_that_of_the_tapered_matrix():
    metric, state = after_the_sweep()
    b = torch.from_numpy(keyed_rng(1, "b").standard_normal(N))
    exact = np.linalg.solve(dense(metric, state), b.numpy())
    found = metric.solve(state, b).numpy()
    wanted = metric.settings.damping  # the metric is positive definite whatever the taper
    assert np.linalg.eigvalsh(dense(metric, state)).min() > min(1, wanted) * 0.99
    assert abs(found - exact).max() < 5e-3 * abs(exact).max()
    assert float(b @ metric.solve(state, b)) > 0


def test_gradients_of_noise_are_averaged_over_draws():
    few, many = after_the_sweep(1), after_the_sweep(200)
    own = [
        state.memory[METRIC]["rows"].double().square().sum(dim=0) for _, state in (few, many)
    ]
    exact = (target().operator ** 2).sum(axis=0)
    error = [np.abs(found.numpy() / exact - 1).mean() for found in own]
    assert error[1] < 0.05
    assert error[1] < error[0]


def polished(store=None, **given):
    start = StartSettings(map_step=0.1, **given)
    family = MeanField.from_options(ACTIVE, MeanField.Options())
    settings = InferenceSettings(iterations=0)
    method = VariationalInference(family, target(), settings, start, 3)
    state = method.init(torch.zeros(N, dtype=torch.float64), 0.3)
    infos = []
    while state.iteration < start.iterations:
        state, info = method.step(state)
        infos.append(info)
        if store is not None:
            store.save(state.iteration, {"state": state.to_tree()})
            state = State.from_tree(store.load_latest().tree["state"])
    assert not {"lbfgs", METRIC} & set(state.memory)
    value = method.target.value(state.parameters["mu"][None])
    return float(value.log_likelihood + value.log_prior), infos, method


def best():
    """Return the largest log posterior, in closed form."""
    data = target().operator.T @ target().operator
    x = np.linalg.solve(np.eye(N) + data, data @ np.ones(N))
    value = target().value(torch.from_numpy(x)[None])
    return float(value.log_likelihood + value.log_prior)


def test_the_metric_spares_most_evaluations():
    plain, _, _ = polished(polish=26)
    found, infos, method = polished(polish=25, preconditioner={"draws": 6, "taper_cells": 1.5})
    assert best() - found < 0.1 * (best() - plain)
    assert [info.phase for info in infos] == [method.phase(i) for i in range(26)]
    assert [info.phase for info in infos][:2] == ["hessian", "map"]
    # A sweep is one simulation of every shot, as an evaluation is.
    assert [info.count.done for info in infos] == [12] * 26
    assert all(method.evaluations(i).whole == 1 for i in range(26))


def test_a_polish_that_is_resumed_after_every_iteration_has_the_same_bits(tmp_path):
    metric = {"draws": 2, "taper_cells": 1.5}
    whole, _, _ = polished(polish=8, preconditioner=metric)
    store = CheckpointStore(tmp_path, "settings")
    resumed, infos, _ = polished(store, polish=8, preconditioner=metric)
    assert resumed == whole
    assert len(infos) == 9


def test_a_metric_without_a_polish_or_with_tao_is_refused():
    for given in ({}, {"polish": 5, "lbfgs": "blmvm"}):
        with pytest.raises(ValueError, match="'preconditioner' must be null without 'polish'"):
            StartSettings(preconditioner={}, **given)


def test_a_density_without_noise_is_refused():
    start = StartSettings(polish=3, preconditioner={})
    family = MeanField.from_options(np.ones((1, 1, 4), bool), MeanField.Options())
    plain = GaussianTarget(np.eye(4), np.zeros(4))
    method = VariationalInference(family, plain, InferenceSettings(iterations=1), start, 1)
    with pytest.raises(ConfigError, match=r"'start\.preconditioner' must be null"):
        method.step(method.init(torch.zeros(4, dtype=torch.float64), 0.3))


def test_bits_do_not_depend_on_the_number_of_threads():
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            metric, state = after_the_sweep()
            found.append(metric.solve(state, torch.ones(N, dtype=torch.float64)))
        finally:
            torch.set_num_threads(1)
    assert torch.equal(*found)
