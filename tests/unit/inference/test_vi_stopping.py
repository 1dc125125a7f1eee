"""When an inference stops, what it averages, and how its step falls."""

import numpy as np
import pytest
import torch

from pvi_hpc.inference.optimisers.optimiser import average, step_of, window_start
from pvi_hpc.inference.settings import OptimiserSettings, StopSettings
from pvi_hpc.inference.stopping import fresh_trace, growth, has_converged


def stopped_at(elbos, stop):
    """Return after how many iterations a trace of ELBOs stops; None: never."""
    trace = fresh_trace(stop)
    for i, elbo in enumerate(elbos):
        trace[i % len(trace)] = elbo
        if has_converged(stop, trace, i):
            return i + 1
    return None


def test_an_elbo_that_grows_beyond_its_noise_does_not_stop():
    noise = np.random.default_rng(1).standard_normal(1000)
    # 20 nats a window of 40, whose mean has a standard error of 0.16.
    assert stopped_at(0.5 * np.arange(1000) + noise, StopSettings(window=40)) is None


def test_a_level_elbo_stops_at_the_end_of_a_window():
    rng = np.random.default_rng(2)
    elbos = np.concatenate([np.arange(200.0), np.full(800, 200.0)]) + rng.standard_normal(1000)
    found = stopped_at(elbos, StopSettings(window=40))
    assert found is not None and found % 40 == 0 and 240 < found <= 480


def test_nothing_stops_before_two_windows():
    assert stopped_at(np.zeros(79), StopSettings(window=40)) is None
    assert stopped_at(np.zeros(80), StopSettings(window=40)) == 80


def test_a_larger_tolerance_stops_earlier():
    rng = np.random.default_rng(3)
    elbos = -1000 * np.exp(-np.arange(3000) / 150) + 3 * rng.standard_normal(3000)
    ends = [stopped_at(elbos, StopSettings(window=50, tolerance=t)) for t in (8.0, 2.0, 0.5)]
    assert ends == sorted(ends) and ends[0] < ends[2]


def test_growth_and_its_standard_error_are_those_of_two_means():
    rng = np.random.default_rng(4)
    windows = rng.standard_normal((4000, 2, 25))
    found = np.array([growth(a, b) for a, b in windows])
    assert found[:, 0].std() == pytest.approx(np.sqrt(2 / 25), rel=0.05)
    assert found[:, 1].mean() == pytest.approx(np.sqrt(2 / 25), rel=0.05)


def test_the_average_is_the_mean_of_what_it_is_given():
    values = torch.from_numpy(np.random.default_rng(5).standard_normal((7, 3)))
    memory = {"average": {"mu": torch.full((3,), 9.0, dtype=torch.float64)}}
    for i, value in enumerate(values):
        average({"mu": value}, memory, i)
    torch.testing.assert_close(memory["average"]["mu"], values.mean(dim=0))


def test_the_averaged_share_is_at_the_end():
    assert window_start(OptimiserSettings(average=0.25), 100) == 75
    assert window_start(OptimiserSettings(average=0.25), 3) == 2
    assert window_start(OptimiserSettings(), 100) == 100


def test_schedules():
    def steps(**settings):
        return [
            step_of(OptimiserSettings(step=0.4, final=0.1, **settings), i, 101)
            for i in (0, 50, 100)
        ]

    assert steps() == pytest.approx([0.4, 0.22, 0.04])
    assert steps(schedule="constant") == [0.4, 0.4, 0.4]
    assert steps(schedule="inverse_sqrt") == pytest.approx([0.4, 0.4 / 51**0.5, 0.4 / 101**0.5])
