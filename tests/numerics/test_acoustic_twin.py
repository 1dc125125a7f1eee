"""The C time step against the same step in numpy, written from the equations."""

from math import factorial

import numpy as np
import pytest
from acoustic import model, points, settings

from pvi_hpc.simulate.acoustic_solver import AcousticSolver
from pvi_hpc.simulate.hicks import point_weights

REFLECTION = 1e-4


def shifted(p, axis, k, odd, reach=6):
    """p moved by k cells; zero beyond the grid, or minus its mirror image above z = 0."""
    wide = np.pad(p, [(reach, reach) if i == axis else (0, 0) for i in range(3)])
    if odd and axis == 0:
        wide[:reach] = -p[reach:0:-1]
    n = p.shape[axis]
    return np.take(wide, np.arange(reach + k, reach + k + n), axis=axis)


def second(p, axis, h, odd, order):
    """Second derivative of any order, from the closed form of its weights."""
    m = order // 2
    k = np.arange(1, m + 1)
    ratio = [factorial(m) ** 2 / (factorial(m - i) * factorial(m + i)) for i in k]
    weights = 2 * (-1.0) ** (k + 1) / k**2 * ratio
    pairs = (
        w * (shifted(p, axis, i, odd) + shifted(p, axis, -i, odd))
        for i, w in zip(k, weights, strict=True)
    )
    return (sum(pairs) - 2 * weights.sum() * p) / h**2


def damping(grid, axis, ahead):
    """a and b of one axis, `ahead` cells on; to be broadcast."""
    before = 0 if axis == 0 and grid.free_surface else grid.n_pml
    n = before + grid.shape[axis] + grid.n_pml
    cell = np.arange(n) + ahead
    x = np.maximum(0, np.maximum(before - cell, cell - (n - 1 - grid.n_pml))) / grid.n_pml
    x[cell > n - 1] = 0
    width = grid.n_pml * grid.spacing[axis]
    d = -1.5 * grid.pml_velocity * np.log(REFLECTION) / width * x**2
    alpha = 0.5 * np.pi * grid.pml_frequency * (1 - x)
    b = np.where(x > 0, np.exp(-(d + alpha) * grid.dt), 0)
    a = np.where(x > 0, d / (d + alpha) * (b - 1), 0)
    shape = [-1 if i == axis else 1 for i in range(3)]
    return a.reshape(shape), b.reshape(shape)


def spread(grid, position):
    """Weights of one point on the padded grid."""
    start, weights = point_weights(
        position[None], grid.shape, grid.spacing, free_surface=grid.free_surface
    )
    lines = []
    for axis in range(3):
        before = 0 if axis == 0 and grid.free_surface else grid.n_pml
        line = np.zeros(before + grid.shape[axis] + grid.n_pml)
        for k in range(8):
            if weights[0, axis, k]:
                line[before + start[0, axis] + k] = weights[0, axis, k]
        lines.append(line)
    return np.einsum("i,j,k->ijk", *lines)


def simulate(grid, c, source, wavelet, receivers):
    top = 0 if grid.free_surface else grid.n_pml
    sides = [(top, grid.n_pml), (grid.n_pml,) * 2, (grid.n_pml,) * 2]
    v = np.pad(c, sides, mode="edge") ** 2 * grid.dt**2
    at_source = spread(grid, source) / np.prod(grid.spacing)
    at_receivers = [spread(grid, r) for r in receivers]
    p, old = np.zeros_like(v), np.zeros_like(v)
    psi, zeta = np.zeros((3, *v.shape)), np.zeros((3, *v.shape))
    traces = np.zeros((len(receivers), len(wavelet)))
    for n, s in enumerate(wavelet):
        traces[:, n] = [np.vdot(w, p) for w in at_receivers]
        rhs = s * at_source
        for i, h in enumerate(grid.spacing):
            (a, b), (a_half, b_half) = damping(grid, i, 0), damping(grid, i, 0.5)
            up, down = shifted(p, i, 1, grid.free_surface), shifted(p, i, -1, grid.free_surface)
            psi[i] = b_half * psi[i] + a_half * (up - p) / h
            d_psi = (psi[i] - shifted(psi[i], i, -1, False)) / h
            zeta[i] = b * zeta[i] + a * ((up - 2 * p + down) / h**2 + d_psi)
            rhs += second(p, i, h, grid.free_surface, grid.order) + d_psi + zeta[i]
        p, old = 2 * p - old + v * rhs, p
    return traces


@pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
@pytest.mark.parametrize("order", [4, 8, 12])
@pytest.mark.parametrize("shape", [(8, 11, 9), (12, 9, 37)])
def test_the_solver_repeats_its_numpy_twin(free_surface, shape, order):
    rng = np.random.default_rng(7)
    grid = settings(shape=shape, free_surface=free_surface, n_pml=5, order=order)
    c, wavelet = model(rng, grid), rng.standard_normal(60)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 4)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        traces = solver.forward(source, wavelet, receivers)
    twin = simulate(grid, c, source, wavelet, receivers)
    np.testing.assert_allclose(traces, twin, rtol=0, atol=1e-12 * np.abs(twin).max())
