"""The starting model is smoothed where it is free, and only there."""

import numpy as np
import pytest
from run_example import make_run

from pvi_hpc.problem.starting_model import starting_model

#: Water down to the sea bed between 150 and 200 m, rock below.
STEP = {"depth_m": [0, 199, 200, 950], "velocity_m_s": [1500, 1500, 2400, 3000]}


def test_water_keeps_its_velocity_and_does_not_slow_the_rock_below():
    changes = {"start__model": STEP, "prior__fixed_above_m": 200.0}
    sharp = starting_model(make_run(**changes))
    smooth = starting_model(make_run(start__smooth_m=100.0, **changes))
    np.testing.assert_array_equal(smooth[:4], 1500.0)
    assert smooth[4:].min() >= 2400
    assert np.abs(smooth - sharp)[4:].max() > 1  # it was smoothed


def test_the_free_part_is_smoothed_as_if_there_were_nothing_above():
    other = {**STEP, "velocity_m_s": [4000, 4000, 2400, 3000]}
    changes = {"start__smooth_m": 100.0, "prior__fixed_above_m": 200.0}
    models = [starting_model(make_run(start__model=m, **changes)) for m in (STEP, other)]
    np.testing.assert_array_equal(models[0][4:], models[1][4:])


def test_without_fixed_cells_all_of_it_is_smoothed():
    model = starting_model(make_run(start__model=STEP, start__smooth_m=100.0))
    assert model[3].min() == model[3].max() == pytest.approx(1854, abs=80)


def test_a_run_whose_cells_are_all_fixed_is_left_to_the_check():
    run = make_run(start__model=STEP, start__smooth_m=100.0, prior__fixed_above_m=5000.0)
    assert starting_model(run).min() == 1500


@pytest.mark.parametrize("shape", [[20, 1, 24], [20, 1, 1], [1, 28, 24]])
def test_an_axis_of_one_cell_is_not_smoothed_along(shape):
    thick = [max(n, 9) for n in shape]
    changes = {"start__model": STEP, "start__smooth_m": 100.0}
    thin, same = (starting_model(make_run(grid__shape=s, **changes)) for s in (shape, thick))
    assert thin.shape == tuple(shape)
    if shape[0] > 1:  # the model differs by depth only
        np.testing.assert_allclose(thin, same[:, : shape[1], : shape[2]], rtol=1e-12)
    else:
        assert (thin == 1500).all()
