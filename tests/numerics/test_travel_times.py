"""Travel times against closed forms, their order, and the adjoint of exactly these times."""

import numpy as np
import pytest

from pvi_hpc.errors import NonFiniteError, SolverError
from pvi_hpc.forward.eikonal.times import Rays, TravelTimes
from pvi_hpc.grid import Grid

#: Side of the square or cube [m].
SIDE = 3000.0


def square(n: int, n_axes: int = 2) -> Grid:
    spacing = SIDE / (n - 1)
    shape = (n if n_axes == 3 else 1, n, n)
    return Grid(shape, (spacing, spacing, spacing), (0.0, -500.0, 250.0))


def rays(n_axes: int, n: int = 120, seed: int = 1) -> Rays:
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.02, 0.98, (n + 1, 3)) * SIDE + [0, -500, 250]
    places[:, 0] *= n_axes == 3
    return Rays(places[0], places[1:])


def growing(grid: Grid, slopes: np.ndarray) -> np.ndarray:
    axes = np.meshgrid(*(grid.axis(i) for i in range(3)), indexing="ij")
    return 2000 + sum(k * x for k, x in zip(slopes, axes, strict=True))


def errors(n: int, n_axes: int) -> np.ndarray:
    """Return relative errors where velocity grows linearly: times are then known exactly."""
    grid, ray = square(n, n_axes), rays(n_axes)
    slopes = np.array([0.3 * (n_axes == 3), 0.45, -0.2])
    (found,) = TravelTimes(grid, [ray]).times(1 / growing(grid, slopes))
    ends = [2000 + p @ slopes for p in (ray.source, ray.receivers)]
    steep = np.sqrt(slopes @ slopes)
    squares = np.sum((ray.receivers - ray.source) ** 2, axis=1)
    exact = np.arccosh(1 + steep**2 * squares / (2 * ends[0] * ends[1])) / steep
    return np.abs(found / exact - 1)


@pytest.mark.parametrize("n_axes", [2, 3])
def test_times_of_a_constant_medium_are_exact(n_axes):
    grid, ray = square(31, n_axes), rays(n_axes)
    (found,) = TravelTimes(grid, [ray]).times(np.full(grid.shape, 1 / 2000))
    exact = np.sqrt(np.sum((ray.receivers - ray.source) ** 2, axis=1)) / 2000
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.parametrize(("n_axes", "sizes"), [(2, (21, 41, 81, 161)), (3, (11, 21, 41))])
def test_times_where_velocity_grows_linearly_converge_with_second_order(n_axes, sizes):
    found = [float(np.sqrt(np.mean(errors(n, n_axes) ** 2))) for n in sizes]
    order = -np.polyfit(np.log(np.array(sizes) - 1), np.log(found), 1)[0]
    assert order > 1.8, found


def test_times_are_within_a_thousandth_on_31_nodes():
    assert errors(31, 2).max() < 1e-3


def rough(grid: Grid, contrast: float, seed: int = 5) -> np.ndarray:
    """Return velocities of 2000 m/s, rough but resolved: sums of waves of six nodes or more."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfftn(rng.standard_normal(grid.shape))
    ks = np.meshgrid(
        *(np.fft.fftfreq(n) for n in grid.shape[:-1]),
        np.fft.rfftfreq(grid.shape[-1]),
        indexing="ij",
    )
    spectrum[sum(k**2 for k in ks) > (1 / 6) ** 2] = 0
    waves = np.fft.irfftn(spectrum, s=grid.shape, axes=(0, 1, 2))
    return 2000 * np.exp(contrast * waves / waves.std())


@pytest.mark.parametrize("n_axes", [2, 3])
def test_the_derivative_along_any_direction_is_that_of_the_times(n_axes):
    grid = square(31 if n_axes == 2 else 15, n_axes)
    sources = [rays(n_axes, 9, seed) for seed in (2, 3, 4)]
    times, rng = TravelTimes(grid, sources), np.random.default_rng(6)
    slowness = 1 / rough(grid, 0.15)
    weights = [rng.standard_normal(9) for _ in sources]
    times.times(slowness)
    gradient = times.pull(weights)

    def value(model: np.ndarray) -> float:
        return sum(float(w @ t) for w, t in zip(weights, times.times(model), strict=True))

    for _ in range(4):
        change = 1e-7 * slowness * rng.standard_normal(grid.shape)
        measured = 0.5 * (value(slowness + change) - value(slowness - change))
        assert measured == pytest.approx(float(np.sum(gradient * change)), rel=1e-4)


def test_the_gradient_of_every_cell_is_that_of_the_times():
    grid = Grid((1, 7, 6), (1.0, 100.0, 120.0))
    ray = Rays(np.array([0, 130.0, 260.0]), np.array([[0, 480.0, 90.0], [0, 600.0, 600.0]]))
    times, slowness = TravelTimes(grid, [ray]), 1 / rough(grid, 0.1)
    times.times(slowness)
    found = times.pull([np.array([1.0, -0.3])])
    expected = np.zeros(grid.shape)
    for node in np.ndindex(grid.shape):
        ends = []
        for part in (1e-6, -1e-6):
            changed = slowness.copy()
            changed[node] *= 1 + part
            ends.append(times.times(changed)[0] @ [1.0, -0.3])
        expected[node] = (ends[0] - ends[1]) / (2e-6 * slowness[node])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(found).max())
    # Time scales with slowness, whatever the stencils.
    whole = times.times(slowness)[0] @ [1.0, -0.3]
    assert np.sum(found * slowness) == pytest.approx(whole, rel=1e-12)


def test_sources_and_receivers_can_be_exchanged():
    grid, slow = square(61), 1 / rough(square(61), 0.2)
    a, b = np.array([0, 310.0, 900.0]), np.array([0, 2100.0, 2750.0])
    (there,), (back,) = TravelTimes(grid, [Rays(a, b[None]), Rays(b, a[None])]).times(slow)
    assert there == pytest.approx(back, rel=2e-3)


def test_bits_do_not_depend_on_threads():
    grid, sources = square(41), [rays(2, 20, seed) for seed in range(7)]
    slowness, weights = 1 / rough(grid, 0.3), [np.linspace(-1, 2, 20)] * 7
    found = []
    for threads in (1, 2, 3):
        times = TravelTimes(grid, sources, threads)
        found.append((np.concatenate(times.times(slowness)), times.pull(weights)))
    for other in found[1:]:
        np.testing.assert_array_equal(other[0], found[0][0])
        np.testing.assert_array_equal(other[1], found[0][1])


def test_points_on_nodes_and_on_edges_have_times():
    grid = Grid((1, 11, 11), (1.0, 10.0, 10.0))
    corners = np.array([[0, 0, 0], [0, 0, 100], [0, 100, 0], [0, 100, 100.0], [0, 50, 50]])
    times = TravelTimes(grid, [Rays(p, corners) for p in corners])
    for found, source in zip(times.times(np.full(grid.shape, 0.5)), corners, strict=True):
        away = np.sqrt(np.sum((corners - source) ** 2, axis=1))
        np.testing.assert_allclose(found, 0.5 * away, rtol=1e-12)
    assert np.isfinite(times.pull([np.ones(5)] * 5)).all()


def test_what_has_no_times_is_refused():
    grid, ray = square(11), rays(2, 3)
    slowness = np.full(grid.shape, 1 / 2000)
    slowness[0, 5] = np.nan
    with pytest.raises(NonFiniteError, match="no finite time"):
        TravelTimes(grid, [ray]).times(slowness)
    with pytest.raises(SolverError, match="more than one node"):
        TravelTimes(Grid((1, 1, 1), (1.0, 1.0, 1.0)), [ray])
