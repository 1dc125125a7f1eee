"""Lengths of rays in cells against geometry."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array

from pvi_hpc.data.picks import Picks
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.linear.rays import ray_lengths
from pvi_hpc.grid import Grid

DATA = Path(os.environ.get("PVI_DATA", Path(__file__).parents[5].parent / "shared" / "data"))


def picks(units, sources, receivers):
    sources, receivers = np.array(sources, float), np.array(receivers, float)
    return Picks(units, sources, receivers, np.ones(len(sources)), None)


def test_straight_rays_have_their_lengths_in_their_cells():
    grid = Grid((3, 4, 5), (10.0, 20.0, 30.0))
    sources = [(0, 0, 0), (-5, 20, 15), (0, 60, 0)]
    ways = picks("metres", sources, [(0, 0, 120), (25, 20, 15), (20, 0, 120)])
    found = ray_lengths(grid, ways).toarray().reshape(3, 3, 4, 5)
    np.testing.assert_allclose(found[0, 0, 0], [15, 30, 30, 30, 15])
    assert found[0].sum() == pytest.approx(120)
    down = found[1].sum(axis=2)  # along the face of two cells, in one of them
    np.testing.assert_allclose(down[:, 1], [10, 10, 10])
    assert found[2].sum() == pytest.approx(np.sqrt(20**2 + 60**2 + 120**2))
    # The product with a linear field is its integral, up to what is curved in a cell: nothing.
    x = np.broadcast_to(grid.axis(2), grid.shape)
    assert np.sum(found[2] * x) == pytest.approx(60 * found[2].sum(), rel=1e-12)


def test_an_axis_of_one_cell_is_no_axis():
    grid = Grid((1, 4, 4), (1.0, 10.0, 10.0))
    found = ray_lengths(grid, picks("metres", [(7, 0, 0)], [(-3, 30, 30)]))
    assert found.sum() == pytest.approx(30 * np.sqrt(2))
    np.testing.assert_allclose(found.toarray().reshape(4, 4).diagonal().sum(), found.sum())


def test_great_circles_have_their_angles_in_their_cells():
    grid = Grid((1, 30, 40), (1.0, 2.0, 2.0), (0.0, -29.0, 151.0))  # over the date line
    ends = (
        [(0, -20, 170), (0, 10, 180), (0, 5, 160)],
        [(0, 15, 170), (0, 10, -140), (0, -25, 220)],
    )
    found = ray_lengths(grid, picks("degrees", *ends), radius_km=1.0)
    assert found.shape == (3, 1200)
    cells = found.toarray().reshape(3, 30, 40)
    # A meridian: 35 degrees in one column, cell by cell.
    np.testing.assert_allclose(np.degrees(cells[0].sum(axis=0)[9:11].sum()), 35)
    np.testing.assert_allclose(np.degrees(cells[0].sum(axis=1)[6:20]), 2)
    for k, (a, b) in enumerate(zip(*ends, strict=True)):
        (_, p, q), (_, r, s) = np.radians(a), np.radians(b)
        cosine = np.sin(p) * np.sin(r) + np.cos(p) * np.cos(r) * np.cos(q - s)
        assert cells[k].sum() == pytest.approx(np.arccos(cosine))
    # Between two points of 10 degrees north the shortest way bends to the north.
    np.testing.assert_array_equal(np.flatnonzero(cells[1].sum(axis=1) > 1e-9), [20])
    # Against many points of the third ray.
    t = (np.arange(200_000) + 0.5) / 200_000
    u, v = (
        np.array([np.cos(p) * np.cos(q), np.cos(p) * np.sin(q), np.sin(p)])
        for _, p, q in np.radians([ends[0][2], ends[1][2]])
    )
    angle = np.arccos(u @ v)
    points = np.outer(np.sin((1 - t) * angle), u) + np.outer(np.sin(t * angle), v)
    points /= np.sin(angle)
    lat = np.degrees(np.arcsin(points[:, 2]))
    lon = np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360
    counts = np.zeros((30, 40))
    np.add.at(counts, (((lat + 30) // 2).astype(int), ((lon - 150) // 2).astype(int)), 1)
    np.testing.assert_allclose(cells[2], counts * angle / len(t), atol=2e-5)


def test_rays_that_cannot_be_are_refused():
    grid = Grid((1, 4, 4), (1.0, 10.0, 10.0))
    with pytest.raises(SurveyError, match=r"Pick 2: its ray leaves the grid at .*enlarge"):
        ray_lengths(grid, picks("metres", [(0, 0, 0), (0, 0, 0)], [(0, 9, 9), (0, 50, 9)]))
    globe = Grid((1, 18, 36), (1.0, 10.0, 10.0), (0.0, -85.0, -175.0))
    with pytest.raises(SurveyError, match=r"Pick 1: .* opposite sides"):
        ray_lengths(globe, picks("degrees", [(0, 20, 10)], [(0, -20, 190)]))
    same = ray_lengths(globe, picks("degrees", [(0, 20, 10)], [(0, 20, 10)]))
    assert same.sum() == 0


def test_rays_of_australia_are_those_of_others():
    path = DATA / "rayleigh_australia" / "sw_tomography.npz"
    if not path.is_file():
        pytest.skip(f"no {path}; set PVI_DATA to the folder of test data")
    with np.load(path, allow_pickle=False) as file:
        parts = file["jac_data"], file["jac_indices"], file["jac_indptr"]
        theirs = csr_array(parts, shape=tuple(file["jac_shape"]))[:400]
        places, mesh = file["station_coords"][:400], file["grid_mesh"]
    grid = Grid((1, 127, 151), (1.0, 0.3, 0.3), (0.0, -46.05, 111.05))
    level = np.zeros((400, 1))
    ends = np.hstack([level, places[:, :2]]), np.hstack([level, places[:, 2:]])
    ours = ray_lengths(grid, picks("degrees", *ends))
    shares = (diags_array(1 / ours.sum(axis=1)) @ ours).toarray()
    row = np.rint((mesh[:, 0] + 46.2) / 0.3).astype(int)
    column = np.rint((mesh[:, 2] - 110.9) / 0.3).astype(int)
    np.testing.assert_allclose(shares[:, 151 * row + column], theirs.toarray(), atol=1e-9)
