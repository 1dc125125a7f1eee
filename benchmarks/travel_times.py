"""Travel times of the circular anomaly: error, gradient, time; peers where installed.

Prints one JSON object. Run it also with a Python that has scikit-fmm, eikonalfm and pykonal:
what is missing is left out, and so are our own times where `pvi_hpc` is not installed.
"""

import json
import time
from collections.abc import Callable

import numpy as np

#: Nodes along an axis, their spacing [m], stations and runs of which the fastest counts.
N, SPACING, STATIONS, RUNS = 101, 100.0, 16, 20


def stations() -> np.ndarray:
    """Return the stations on a circle of 4 km `(n, 3)` [m], the grid's first node at 0."""
    angle = 2 * np.pi * np.arange(STATIONS) / STATIONS
    return np.stack([0 * angle, 5e3 + 4e3 * np.sin(angle), 5e3 + 4e3 * np.cos(angle)], axis=1)


def velocity(seed: int = 3) -> np.ndarray:
    """Return a draw of the prior, 21 x 21 velocities, linear between them `(N, N)` [m/s]."""
    values = np.random.default_rng(seed).uniform(500, 3000, (21, 21))
    fine, coarse = np.linspace(0, 20, N), np.arange(21)
    along_y = np.array([np.interp(fine, coarse, column) for column in values.T])
    return np.array([np.interp(fine, coarse, row) for row in along_y.T])


def fastest(run: Callable[[], object]) -> float:
    """Return the shortest time of one thread [ms]."""
    found = []
    for _ in range(RUNS):
        begin = time.thread_time()
        run()
        found.append(time.thread_time() - begin)
    return 1e3 * min(found)


def ours() -> dict[str, float]:
    """Return errors and times of our own solver."""
    from pvi_hpc.forward.eikonal.times import Rays, TravelTimes
    from pvi_hpc.grid import Grid

    grid = Grid((1, N, N), (1.0, SPACING, SPACING))
    places = stations()
    rays = [Rays(places[i], places[i + 1 :]) for i in range(STATIONS - 1)]
    solver, slowness = TravelTimes(grid, rays), 1 / velocity()[None]
    times = fastest(lambda: solver.times(slowness))
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(len(ray.receivers)) for ray in rays]
    pulled = fastest(lambda: solver.pull(weights))
    gradient, errors = solver.pull(weights), []
    for _ in range(20):
        change = 1e-8 * slowness * rng.standard_normal(slowness.shape)
        ends = [
            sum(float(w @ t) for w, t in zip(weights, solver.times(s), strict=True))
            for s in (slowness + change, slowness - change)
        ]
        expected = float(np.sum(gradient * change))
        errors.append(abs(0.5 * (ends[0] - ends[1]) / expected - 1))
    return {
        "eikonal_gradient_error": max(errors),
        "eikonal_gradient_error_median": float(np.median(errors)),
        "eikonal_ms_per_model": times,
        "eikonal_ms_per_model_gradient": times + pulled,
        **{f"eikonal_time_error_{n}_nodes": time_error(n) for n in (21, 31, 61, 101)},
    }


def time_error(n: int) -> float:
    """Return the largest relative error at stations where velocity grows with x."""
    from pvi_hpc.forward.eikonal.times import Rays, TravelTimes
    from pvi_hpc.grid import Grid

    spacing, slope, places = 1e4 / (n - 1), 0.2, stations()
    grid = Grid((1, n, n), (1.0, spacing, spacing))
    model = np.broadcast_to(1000 + slope * grid.axis(2), grid.shape)
    worst = 0.0
    rays = [Rays(places[i], places[i + 1 :]) for i in range(STATIONS - 1)]
    found = TravelTimes(grid, rays).times(1 / np.asarray(model))
    for ray, times in zip(rays, found, strict=True):
        ends = 1000 + slope * ray.source[2], 1000 + slope * ray.receivers[:, 2]
        squares = np.sum((ray.receivers - ray.source) ** 2, axis=1)
        exact = np.arccosh(1 + slope**2 * squares / (2 * ends[0] * ends[1])) / slope
        worst = max(worst, float(np.abs(times / exact - 1).max()))
    return worst


def peers() -> dict[str, float]:
    """Return the times of other libraries on the same nodes and sources, without gradients."""
    model, places, found = velocity(), stations()[: STATIONS - 1, 1:], {}
    nodes = [tuple(np.round(p / SPACING).astype(int)) for p in places]
    y, x = np.meshgrid(*(SPACING * np.arange(N),) * 2, indexing="ij")
    try:
        import skfmm

        found["scikit_fmm_ms"] = fastest(
            lambda: [
                skfmm.travel_time(
                    np.hypot(y - p[0], x - p[1]) - 1.5 * SPACING, model, SPACING, order=2
                )
                for p in places
            ]
        )
    except ImportError:
        pass
    try:
        import eikonalfm

        both = (SPACING, SPACING)
        for name in ("fast_marching", "factored_fast_marching"):
            march = getattr(eikonalfm, name)
            found[f"eikonalfm_{name}_ms"] = fastest(
                lambda march=march: [march(model, node, both, 2) for node in nodes]
            )
    except ImportError:
        pass
    try:
        import pykonal

        def solve() -> None:
            for node in nodes:
                solver = pykonal.EikonalSolver(coord_sys="cartesian")
                solver.velocity.min_coords = 0, 0, 0
                solver.velocity.node_intervals = SPACING, SPACING, 1
                solver.velocity.npts = N, N, 1
                solver.velocity.values = model[..., None]
                solver.traveltime.values[(*node, 0)] = 0
                solver.unknown[(*node, 0)] = False
                solver.trial.push(*node, 0)
                solver.solve()

        found["pykonal_ms"] = fastest(solve)
    except ImportError:
        pass
    return found


def main() -> None:
    """Print the figures."""
    try:
        figures = ours()
    except ImportError:
        figures = {}
    print(json.dumps(figures | peers()))


if __name__ == "__main__":
    main()
