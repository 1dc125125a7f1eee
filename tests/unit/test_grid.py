"""The grid, and which of its cells are unknown."""

import numpy as np
import pytest

from pvi_hpc.grid import Cells, Grid, apart_from_middle

GRID = Grid((4, 3, 2), (10.0, 20.0, 30.0), (5.0, 0.0, 0.0))


@pytest.mark.parametrize(("depth", "layers"), [(None, 4), (15.0, 3), (15.1, 2), (99.0, 0)])
def test_cells_at_and_below_a_depth_are_active(depth, layers):
    cells = Cells.of(GRID, depth)
    assert cells.n == layers * 6
    assert cells.active[4 - layers :].all()
    assert not cells.active[: 4 - layers].any()


def test_depths_are_in_the_order_of_the_flattened_grid():
    cells = Cells.of(GRID, 20.0)
    np.testing.assert_array_equal(cells.depth, np.repeat([25.0, 35.0], 6))


def test_the_box_of_the_active_cells_is_found_if_they_fill_one():
    assert Cells.of(GRID, 20.0).box == (slice(2, 4), slice(0, 3), slice(0, 2))
    assert Cells.of(GRID, 99.0).box is None
    active = Cells.of(GRID).active
    active[0, 0, 0] = False
    assert Cells(GRID, active).box is None
    active[:] = False
    active[1:3, 2, 1] = True
    assert Cells(GRID, active).box == (slice(1, 3), slice(2, 3), slice(1, 2))


def test_the_middle_is_an_active_cell_and_distances_are_of_active_cells():
    active = np.ones((3, 1, 5), bool)
    active[1, 0, 2] = False  # the middle itself is known
    middle, apart = apart_from_middle(active)
    places = np.argwhere(active)
    assert middle == 2  # (0, 0, 2), a cell above; the one below is as near and comes later
    assert apart.shape == (14, 3)
    assert apart[middle].tolist() == [0, 0, 0]
    assert apart[-1].tolist() == np.abs(places[-1] - places[middle]).tolist() == [2, 0, 2]
