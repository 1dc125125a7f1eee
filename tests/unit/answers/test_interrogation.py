"""The posterior of an answer, and which answer is best."""

import numpy as np
import pytest
from scipy.stats import norm

from pvi_hpc.answers.interrogation import Asked, interrogate, summarise
from pvi_hpc.answers.questions.question import load_question
from pvi_hpc.answers.utility import best_answer
from pvi_hpc.config.questions import QuestionFile, UtilitySettings
from pvi_hpc.grid import Cells, Grid

CELLS = Cells.of(Grid((2, 1, 10), (10.0, 10.0, 10.0)))


def asked(**keys):
    (settings,) = QuestionFile.model_validate({"questions": [{"name": "it", **keys}]}).questions
    return Asked(load_question(settings, CELLS), settings.utility)


def models(n, seed=1):
    """Independent normal cells, mean 2000 and sd 100 m/s, the second row 1000 m/s faster."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        model = rng.normal(2000, 100, (2, 1, 10))
        model[1] += 1000
        yield model.astype(np.float32)


@pytest.mark.parametrize(
    ("utility", "answer", "cost"),
    [
        ({}, 5.0, 4.0),  # the mean, the variance
        ({"kind": "absolute"}, 5.0, 2 * np.sqrt(2 / np.pi)),
        # Too high costs four times as much: the 0.2 quantile, and its pinball loss.
        ({"kind": "absolute", "cost_too_high": 4}, 5 + 2 * norm.ppf(0.2),
         2 * 5 * norm.pdf(norm.ppf(0.2))),
        ({"kind": "tolerance", "tolerance": 1.5}, 5.0, 2 * norm.cdf(-0.75)),
    ],
)  # fmt: skip
def test_the_best_answer_of_a_normal_posterior_is_known(utility, answer, cost):
    draws = 5 + 2 * norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = best_answer(draws, UtilitySettings(**utility))
    assert found.answer == pytest.approx(answer, abs=0.01)
    assert found.cost == pytest.approx(cost, rel=2e-3)


def test_no_other_answer_costs_less():
    draws = np.random.default_rng(2).gamma(2.0, 3.0, 500)
    utility = UtilitySettings(kind="absolute", cost_too_low=3)
    best = best_answer(draws, utility)
    for other in np.linspace(0, 30, 301):
        error = other - draws
        assert best.cost <= np.where(error > 0, error, -3 * error).mean() + 1e-12


def test_the_mean_and_sd_of_an_average_are_those_of_the_cells():
    question = asked(kind="average", box={"z_m": [0, 0]})
    values = interrogate({"a": question}, models(4000))["a"]
    found = summarise(question, values, values["asked"][:5])
    assert found["mean"] == pytest.approx(2000, abs=3 * found["mean_se"])
    assert found["sd"] == pytest.approx(100 / np.sqrt(10), rel=0.04)
    assert found["quantiles"]["0.95"] == pytest.approx(2000 + 1.645 * found["sd"], abs=3)
    assert found["prior"]["mean"] == pytest.approx(np.mean(found["values"][:5]))
    assert "sensitivity" not in found


def test_the_slope_by_the_threshold_is_that_of_the_number_of_slow_cells():
    # Cells at a corner touch too, so that nearly all slow cells of ten in a row are one body:
    # of twenty in one the expected number below the threshold grows by the density of a cell.
    question = asked(kind="connected_volume", below_m_s=2400, threshold_step_m_s=20)
    values = interrogate({"v": question}, models(300))["v"]
    found = summarise(question, values, values["asked"])
    assert found["mean"] == pytest.approx(10 * 100, rel=1e-3)  # the whole first row [m2]
    told = found["sensitivity"]
    assert abs(told["slope"]) < 0.01 and told["mean_lower"] <= told["mean_higher"]

    thin = Cells.of(Grid((1, 1, 1), (10.0, 10.0, 10.0)))
    settings = {"name": "v", "kind": "connected_volume", "below_m_s": 2000}
    (its,) = QuestionFile.model_validate({"questions": [settings]}).questions
    one = Asked(load_question(its, thin), its.utility)
    draws = (m[:1, :, :1] for m in models(6000))
    values = interrogate({"v": one}, draws)["v"]
    told = summarise(one, values, values["asked"])["sensitivity"]
    # A cell is slow with probability 1/2, whose slope is the normal density, 0.4 / 100.
    assert told["slope"] == pytest.approx(norm.pdf(0) / 100, abs=3 * told["slope_se"])


def test_models_are_taken_one_at_a_time():
    alive = 0

    def counted():
        nonlocal alive
        for model in models(5):
            alive += 1
            assert alive == 1
            yield model
            alive -= 1

    interrogate({"a": asked(kind="average")}, counted())


def test_draws_without_an_answer_are_counted():
    question = asked(kind="interface_depth", above_m_s=2500)
    values = {name: np.array([4.0, np.nan, 6.0]) for name in ("asked", "lower", "higher")}
    found = summarise(question, values, np.array([np.nan]))
    assert found["mean"] == 5 and found["without_answer"] == pytest.approx(1 / 3)
    assert found["values"] == [4, None, 6] and found["prior"]["mean"] is None
    none = {name: np.array([np.nan]) for name in values}
    assert summarise(question, none, np.array([1.0]))["mean"] is None
