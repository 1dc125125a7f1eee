"""The strong Wolfe conditions, on functions with and without bumps, and its memory."""

from math import cos, exp, inf, sin

import pytest

from pvi_hpc.inference.starts.line_search import CURVATURE, DECREASE, LineSearch

#: Functions of the step, each with its derivative; all fall at 0.
FUNCTIONS = {
    "parabola": (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    "far": (lambda t: (t - 300) ** 2, lambda t: 2 * (t - 300)),
    "near": (lambda t: (t - 1e-4) ** 2, lambda t: 2 * (t - 1e-4)),
    "bumps": (
        lambda t: 0.05 * (t - 9) ** 2 + sin(2 * t + 2),
        lambda t: 0.1 * (t - 9) + 2 * cos(2 * t + 2),
    ),
    "wall": (
        lambda t: exp(-t) if t < 0.7 else inf,
        lambda t: -exp(-t) if t < 0.7 else inf,
    ),
    # More and Thuente's first function: almost flat for a long way.
    "flat": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
}


def searched(value, slope, trial, remember=lambda search: search):
    search = LineSearch.along(value(0.0), slope(0.0), trial)
    while not search.done and search.count < 60:
        search = remember(search.told(value(search.trial), slope(search.trial)))
    return search


@pytest.mark.parametrize("trial", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "wall"])
def test_a_step_fulfils_the_strong_wolfe_conditions(name, trial):
    value, slope = FUNCTIONS[name]
    search = searched(value, slope, trial)
    step = search.low.step
    assert search.done
    assert value(step) <= value(0.0) + DECREASE * step * slope(0.0)
    assert abs(slope(step)) <= CURVATURE * abs(slope(0.0))


def test_a_function_that_cannot_be_evaluated_far_out_is_followed_to_where_it_can():
    search = searched(*FUNCTIONS["wall"], 4.0)
    assert 0.1 <= search.low.step < 0.7


def test_a_search_goes_on_from_its_numbers():
    value, slope = FUNCTIONS["bumps"]
    through_memory = searched(value, slope, 0.1, lambda s: LineSearch.of_numbers(s.numbers()))
    assert through_memory == searched(value, slope, 0.1)


def test_a_step_in_a_straight_bracket_is_that_of_the_parabola():
    value, slope = FUNCTIONS["parabola"]
    search = LineSearch.along(value(0.0), slope(0.0), 8.0).told(value(8.0), slope(8.0))
    assert search.trial == pytest.approx(3.0)
