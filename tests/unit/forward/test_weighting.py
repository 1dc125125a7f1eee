"""Weights of data: limits of offset and lines in time, with tapers, in the misfit."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from pvi_hpc.data.survey import Shot
from pvi_hpc.forward.comparison import compare
from pvi_hpc.forward.grouping import Groups, offsets
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.weighting import Weighting, counts

N, DT = 21, 0.01
X = np.array([0.0, 100.0, 150.0, 200.0, 900.0])


def a_shot(seed=3):
    """Receivers on a line 30 m above the source, which is at x = 0; the third is dead."""
    rng = np.random.default_rng(seed)
    receivers = np.column_stack([np.full(5, 20.0), np.full(5, 7.0), X])
    sd = np.array([1.0, 2.0, np.inf, 0.5, 1.5])
    data = rng.standard_normal((5, N)).astype(np.float32)
    return Shot(4, np.array([50.0, 7.0, 0.0]), receivers, data, sd)


def weighting(**mute):
    return Weighting(LikelihoodSettings.model_validate({"mute": mute}), DT, N)


def test_offsets_are_distances_in_space():
    np.testing.assert_allclose(offsets(a_shot()), np.hypot(X, 30))


def test_the_weight_is_the_square_of_half_a_cosine():
    values = weighting(min_offset_m=80, taper_m=50).weights(a_shot()).values
    at_100 = (0.5 - 0.5 * np.cos(np.pi * (np.hypot(100, 30) - 80) / 50)) ** 2
    np.testing.assert_allclose(values[:, 0], [0, at_100, 0, 1, 1], atol=1e-11)


def test_far_receivers_are_left_out_and_limits_themselves_count():
    shot = a_shot()
    exact = float(offsets(shot)[3])
    values = weighting(max_offset_m=exact).weights(shot).values
    np.testing.assert_array_equal(values[:, 0], [1, 1, 0, 1, 0])
    values = weighting(min_offset_m=exact).weights(shot).values
    np.testing.assert_array_equal(values[:, 0], [0, 0, 0, 1, 1])


def test_samples_between_two_lines_count():
    lines = {"before": {"velocity_m_s": 2000, "taper_s": 0.03}, "after": {"time_s": 0.15}}
    values = weighting(**lines).weights(a_shot()).values
    assert values.shape == (5, N)
    time, line = DT * np.arange(N), np.hypot(X[1], 30) / 2000
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - line) / 0.03, 0, 1))
    np.testing.assert_allclose(values[1], rise**2 * (time <= 0.15), atol=1e-11)
    assert not values[2].any()
    assert not values[4].any()  # its line is behind the other one


def test_the_number_of_data_is_the_sum_of_the_weights():
    shot = a_shot()
    assert counts(shot, N, None) == 4 * N
    tapered = weighting(min_offset_m=80, taper_m=50)
    weights = tapered.weights(shot)
    assert counts(shot, N, tapered) == pytest.approx(N * weights.values.sum())
    assert weights.n_squared == pytest.approx(N * (weights.values**2).sum())
    assert weights.muted.tolist() == [True, False, True, False, False]


def test_without_weights_the_misfit_is_that_of_all_live_samples():
    shot, simulated = a_shot(), np.random.default_rng(8).standard_normal((5, N))
    every = Weighting(LikelihoodSettings(), DT, N).weights(shot)
    plain, weighted = compare(simulated, shot), compare(simulated, shot, every)
    assert plain.misfit == weighted.misfit
    np.testing.assert_array_equal(plain.derivative, weighted.derivative)


def test_the_derivative_is_that_of_the_weighted_misfit():
    shot, rng = a_shot(), np.random.default_rng(9)
    mute = {"min_offset_m": 80, "taper_m": 50, "after": {"time_s": 0.1, "taper_s": 0.05}}
    weights = weighting(**mute).weights(shot)
    simulated, along = rng.standard_normal((5, N)), rng.standard_normal((5, N))
    found = compare(simulated, shot, weights)
    ends = [compare(simulated + h * along, shot, weights).misfit for h in (1e-4, -1e-4)]
    slope = float(np.vdot(found.derivative, along))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-8)
    assert found.misfit == pytest.approx(0.5 * found.squares.sum())
    residual = (simulated - shot.data) / np.where(np.isinf(shot.noise_sd), 1, shot.noise_sd)[
        :, None
    ]
    assert found.misfit == pytest.approx(0.5 * (weights.values * residual**2).sum())


def test_what_is_muted_may_hold_anything():
    shot, rng = a_shot(), np.random.default_rng(9)
    simulated = rng.standard_normal((5, N))
    weights = weighting(min_offset_m=80, taper_m=10).weights(shot)
    spoilt = shot.data.copy()
    spoilt[0] = 1e6
    a, b = (
        compare(simulated, shot, weights),
        compare(simulated, replace(shot, data=spoilt), weights),
    )
    assert a.misfit == b.misfit
    np.testing.assert_array_equal(a.derivative, b.derivative)


@pytest.mark.parametrize(
    ("mute", "message"),
    [
        ({}, "mutes nothing"),
        (
            {"min_offset_m": 200, "max_offset_m": 100},
            "'max_offset_m' must be above 'min_offset_m'",
        ),
        ({"min_offset_m": -1}, "greater than or equal to 0"),
        ({"before": {"velocity_m_s": 0}}, "greater than 0"),
    ],
)
def test_a_mute_that_makes_no_sense_is_refused(mute, message):
    with pytest.raises(ValidationError, match=message):
        LikelihoodSettings.model_validate({"mute": mute})


def test_groups_share_out_every_sample():
    groups = Groups((100.0, 300.0), (0.05,), DT, N)
    shot, values = a_shot(), np.random.default_rng(2).random((5, N))
    sums = groups.sums(shot, values)
    assert groups.n == len(groups.names) == len(sums) == 6
    # Offsets of 30, 104, 153, 202 and 900 m; sample 5 is the first of the later window.
    parts = [values[:1], values[1:4], values[4:]]
    expected = [part[:, w].sum() for part in parts for w in (slice(0, 5), slice(5, None))]
    np.testing.assert_allclose(sums, expected, rtol=1e-13)
    assert groups.names[0] == "offset up to 100 m, time up to 0.05 s"
    assert groups.names[5] == "offset above 300 m, time above 0.05 s"


def test_a_value_along_a_trace_counts_for_each_of_its_samples():
    groups, shot = Groups((100.0,), (0.05,), DT, N), a_shot()
    column = np.arange(1.0, 6.0)[:, None]
    expected = groups.sums(shot, np.repeat(column, N, axis=1))
    np.testing.assert_array_equal(groups.sums(shot, column), expected)


def test_factors_are_spread_over_the_samples_that_they_belong_to():
    groups, shot = Groups((100.0, 300.0), (0.05, 0.12), DT, N), a_shot()
    factors = np.arange(1.0, 10.0)
    spread = groups.spread(shot, factors)
    counted = groups.sums(shot, np.ones((5, N)))
    np.testing.assert_allclose(groups.sums(shot, spread), factors * counted)


def test_one_group_is_called_all_data():
    assert Groups().names == ("all data",)
