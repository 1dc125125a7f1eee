"""Each question has the answer that can be counted by hand."""

import numpy as np
import pytest

from pvi_hpc.answers.questions.question import HasGradient, HasThreshold, load_question
from pvi_hpc.config.questions import QuestionFile
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells, Grid

GRID = Grid((4, 5, 6), (10.0, 20.0, 25.0), (0.0, 100.0, -50.0))
CELLS = Cells.of(GRID, fixed_above=5.0)  # the first plane is water
CELL = 10.0 * 20.0 * 25.0


def ask(model, cells=CELLS, **keys):
    (settings,) = QuestionFile.model_validate({"questions": [{"name": "it", **keys}]}).questions
    return load_question(settings, cells).answer(model)


def layered(*velocities):
    """A model of one velocity a depth [m/s]."""
    column = np.array(velocities, np.float32)[:, None, None]
    return np.broadcast_to(column, (len(velocities), 5, 6)).copy()


def test_an_average_is_of_the_unknown_cells_in_the_box():
    model = layered(1500, 2000, 3000, 4000)
    assert ask(model, kind="average") == 3000
    assert ask(model, kind="average", box={"z_m": [0, 10]}) == 2000
    model[1, 1, 2] += 500  # y = 120, x = 0
    box = {"z_m": [10, 20], "y_m": [120, 120], "x_m": [0, 25]}
    assert ask(model, kind="average", box=box) == pytest.approx((2500 + 2000 + 6000) / 4)


def test_a_volume_is_that_of_the_largest_body_or_of_the_one_at_the_seed():
    model = layered(1500, 3000, 3000, 3000)
    model[1, 0, :4] = 2000  # four cells in a row
    model[3, 4, :2] = 2000  # two cells far from them
    model[2, 1, 4] = 2000  # touches the four at a corner only
    question = {"kind": "connected_volume", "below_m_s": 2500}
    assert ask(model, **question) == 4 * CELL
    assert ask(model, **question, touch="corners") == 5 * CELL
    assert ask(model, **question, seed_m=[30, 180, -25]) == 2 * CELL
    assert ask(model, **question, seed_m=[30, 100, 75]) == 0  # the seed is not slow
    assert ask(model, **question, box={"x_m": [-50, -25]}) == 2 * CELL
    assert ask(model, kind="connected_volume", below_m_s=1900) == 0  # water does not count
    assert ask(model, kind="connected_volume", above_m_s=2500) == (90 - 7) * CELL


def test_on_a_grid_of_one_row_a_volume_is_an_area():
    cells = Cells.of(Grid((3, 1, 4), (10.0, 999.0, 20.0)))
    question = {"kind": "connected_volume", "above_m_s": 2000, "name": "it"}
    (settings,) = QuestionFile.model_validate({"questions": [question]}).questions
    found = load_question(settings, cells)
    model = np.full((3, 1, 4), 1000, np.float32)
    model[:2, 0, 3] = 3000
    assert found.unit == "m2" and found.answer(model) == 2 * 10 * 20


def test_an_interface_lies_where_the_velocity_passes_the_threshold():
    model = layered(1500, 2000, 3000, 4000)
    question = {"kind": "interface_depth", "above_m_s": 2400}
    assert ask(model, **question) == pytest.approx(14.0)  # from 10 to 20 m, 0.4 of the way
    model[:, 0, 0] = [1500, 2000, 2200, 2600]  # the one column that differs: 25 m
    assert ask(model, **question) == pytest.approx((29 * 14 + 25) / 30, rel=1e-6)
    down = layered(4000, 3500, 3000, 2000)
    assert ask(down, kind="interface_depth", below_m_s=2500) == pytest.approx(25.0)


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "average", "box": {"z_m": [10, 20], "x_m": [0, 25]}},
        {"kind": "interface_depth", "above_m_s": 2400},
        {"kind": "interface_depth", "below_m_s": 2400, "box": {"y_m": [120, 160]}},
    ],
)
def test_a_gradient_is_the_derivative_of_the_answer(keys):
    rng, down = np.random.default_rng(1), "below_m_s" in keys
    layers = (1500, 2100, 2900, 3800) if not down else (4000, 3300, 2800, 2000)
    model = (layered(*layers) + 50 * rng.standard_normal((4, 5, 6))).astype(np.float64)
    along = rng.standard_normal(model.shape)
    (settings,) = QuestionFile.model_validate({"questions": [{"name": "it", **keys}]}).questions
    question = load_question(settings, CELLS)
    assert isinstance(question, HasGradient)
    ends = [question.answer(model + step * along) for step in (0.01, -0.01)]
    slope = np.vdot(question.gradient(model), along)
    assert slope == pytest.approx((ends[0] - ends[1]) / 0.02, rel=1e-6)


def test_a_model_without_an_interface_has_no_answer():
    question = {"kind": "interface_depth", "above_m_s": 2400}
    assert np.isnan(ask(layered(1500, 2000, 2100, 2200), **question))  # never
    assert np.isnan(ask(layered(2500, 2600, 2700, 2800), **question))  # beyond it at the top
    model = layered(1500, 2000, 3000, 4000)
    model[:, :3] = 2000  # 18 of 30 columns have none
    assert np.isnan(ask(model, **question))


def test_questions_with_a_threshold_can_be_asked_at_another_one():
    keys = {"kind": "connected_volume", "below_m_s": 2500, "threshold_step_m_s": 40}
    (settings,) = QuestionFile.model_validate({"questions": [{"name": "a", **keys}]}).questions
    question = load_question(settings, CELLS)
    assert isinstance(question, HasThreshold)
    assert (question.threshold, question.threshold_step) == (2500, 40)
    assert question.at(1000).answer(layered(900, 900, 1100, 1100)) == 30 * CELL


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "average", "box": {"z_m": [41, 49]}}, r"along z.*0 to 30 m.*\[41, 49\]"),
        ({"kind": "average", "box": {"z_m": [0, 1]}}, r"unknown cell.*fixed_above_m"),
        ({"kind": "interface_depth", "above_m_s": 1, "threshold_step_m_s": 0.1,
          "box": {"z_m": [10, 15]}}, r"two depths or more, got one, at 10 m"),
        ({"kind": "connected_volume", "below_m_s": 2500, "seed_m": [0, 100, 0]}, r"seed_m"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_on_a_grid_is_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        ask(layered(1, 2, 3, 4), **keys)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([{"name": "a", "kind": "averag"}], "did you mean 'average'"),
        ([{"name": "a", "kind": "average", "box": {"z_m": [9, 3]}}], "swap them"),
        ([{"name": "a", "kind": "connected_volume"}], "exactly one of 'below_m_s'"),
        ([{"name": "a", "kind": "average"}] * 2, "different names, got a, a"),
        ([{"name": "a", "kind": "average", "utility": {"kind": "tolerance"}}], "'tolerance'"),
        ([], "at least 1"),
    ],
)
def test_a_file_with_faults_is_refused(questions, message):
    with pytest.raises(ValueError, match=message):
        QuestionFile.model_validate({"questions": questions})


def test_a_question_is_told_as_before_it_could_have_a_linear_response():
    given = {"name": "it", "kind": "average"}
    (plain,) = QuestionFile.model_validate({"questions": [given]}).questions
    assert "linear_response" not in plain.told() and "utility" in plain.told()
    asked = {**given, "linear_response": {"products": 7}}
    (other,) = QuestionFile.model_validate({"questions": [asked]}).questions
    assert '"linear_response":{"products":7,"tolerance":0.01}' in other.told()
