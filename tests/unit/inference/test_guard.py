"""The guard of natural gradients: brings the best back, halves the step, or changes nothing."""

import numpy as np
import torch

from pvi_hpc.inference.optimisers.guard import RETURNS, WINDOW, Guard, fresh_guard


def watched(elbos, n=1000):
    """Return guard and parameters, which count the updates, after so many ELBOs."""
    parameters = {"mu": torch.zeros(5, dtype=torch.float64)}
    guard = Guard(fresh_guard(parameters))
    guard.begin(parameters)
    for i, elbo in enumerate(elbos):
        parameters["mu"] += 1
        guard.watch(parameters, (i, n), elbo)
    return guard, parameters["mu"]


def test_a_growing_elbo_changes_nothing():
    guard, mu = watched(np.linspace(-100, 0, 5 * WINDOW))
    assert guard.scale == 1.0 and guard.returns == 0 and bool((mu == 5 * WINDOW).all())


def test_noise_changes_nothing():
    noise = np.random.default_rng(1).normal(0, 20, 50 * WINDOW)
    assert watched(noise)[0].returns == 0


def test_after_a_far_fall_the_best_comes_back_and_steps_are_halved():
    guard, mu = watched([0.0] * WINDOW + [-1e4] * WINDOW)
    assert guard.scale == 0.5 and guard.returns == 1 and bool((mu == WINDOW).all())


def test_a_fall_at_the_very_end_is_seen_too():
    n = 2 * WINDOW + 3
    guard, mu = watched([0.0] * 2 * WINDOW + [-1e4] * 3, n)
    assert guard.returns == 1 and bool((mu == 2 * WINDOW).all())


def test_what_comes_back_too_often_is_left_alone():
    guard, _ = watched([0.0] * WINDOW + [-1e4] * (RETURNS + 3) * WINDOW)
    assert guard.returns == RETURNS and guard.scale == 2.0**-RETURNS
    assert not guard.recover({"mu": torch.zeros(5)})


def test_a_state_of_an_older_version_is_not_guarded():
    guard = Guard({})
    guard.watch({"mu": torch.zeros(2)}, (0, 1), -1e9)
    assert guard.scale == 1.0 and not guard.recover({})
