"""The C time step against the same step in torch, written from the equations.

Its derivatives by reverse differentiation are what the adjoint kernels must give; Born
modelling is their transpose (test_born.py).
"""

from math import factorial

import numpy as np
import pytest
import torch
from acoustic import model, points, settings

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.hicks import point_weights

REFLECTION = 1e-4


def shifted(p, axis, k, odd, reach=6):
    """p moved by k cells; zero beyond the grid, or minus its mirror image above z = 0."""
    n = p.shape[axis]
    zeros = torch.zeros_like(p.narrow(axis, 0, 1)).repeat_interleave(reach, axis)
    above = -p[1 : reach + 1].flip(0) if odd and axis == 0 else zeros
    return torch.cat([above, p, zeros], axis).narrow(axis, reach + k, n)


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


def layer(grid, axis):
    """Absorbing cells before and after an axis."""
    if grid.shape[axis] == 1:
        return 0, 0
    return 0 if axis == 0 and grid.free_surface else grid.n_pml, grid.n_pml


def damping(grid, axis, ahead):
    """a and b of one axis, `ahead` cells on; to be broadcast."""
    before = layer(grid, axis)[0]
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
    return torch.tensor(a).reshape(shape), torch.tensor(b).reshape(shape)


def spread(grid, position):
    """Weights of one point on the padded grid."""
    start, weights = point_weights(
        position[None], grid.shape, grid.spacing, free_surface=grid.free_surface
    )
    lines = []
    for axis in range(3):
        before, after = layer(grid, axis)
        line = np.zeros(before + grid.shape[axis] + after)
        for k in range(8):
            if weights[0, axis, k]:
                line[before + start[0, axis] + k] = weights[0, axis, k]
        lines.append(line)
    return torch.tensor(np.einsum("i,j,k->ijk", *lines))


def padded(grid, c):
    """The speed on the padded grid: its edge cells go on into the layer."""
    for axis, n in enumerate(grid.shape):
        before, after = layer(grid, axis)
        nearest = np.clip(np.arange(-before, n + after), 0, n - 1)
        c = c.index_select(axis, torch.tensor(nearest))
    return c


def simulate(grid, c, source, wavelet, receivers):
    """Traces (n_rec, nt); all of it can be differentiated by c and wavelet."""
    v = padded(grid, c) ** 2 * grid.dt**2
    # In a section sources are lines along y.
    axes = [axis for axis in range(3) if grid.shape[axis] > 1]
    at_source = spread(grid, source) / np.prod([grid.spacing[axis] for axis in axes])
    at_receivers = [spread(grid, r) for r in receivers]
    p, old = torch.zeros_like(v), torch.zeros_like(v)
    psi, zeta = [torch.zeros_like(v)] * 3, [torch.zeros_like(v)] * 3
    traces = []
    for s in wavelet:
        traces.append(torch.stack([(w * p).sum() for w in at_receivers]))
        rhs = s * at_source
        for i in axes:
            h = grid.spacing[i]
            (a, b), (a_half, b_half) = damping(grid, i, 0), damping(grid, i, 0.5)
            up, down = shifted(p, i, 1, grid.free_surface), shifted(p, i, -1, grid.free_surface)
            psi[i] = b_half * psi[i] + a_half * (up - p) / h
            d_psi = (psi[i] - shifted(psi[i], i, -1, False)) / h
            zeta[i] = b * zeta[i] + a * ((up - 2 * p + down) / h**2 + d_psi)
            rhs = rhs + second(p, i, h, grid.free_surface, grid.order) + d_psi + zeta[i]
        p, old = 2 * p - old + v * rhs, p
    return torch.stack(traces, 1)


SURFACES = pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
ORDERS = pytest.mark.parametrize("order", [4, 8, 12])


@SURFACES
@ORDERS
@pytest.mark.parametrize("shape", [(8, 11, 9), (12, 9, 37), (17, 1, 37), (8, 1, 12)])
def test_the_solver_repeats_its_twin(free_surface, shape, order):
    rng = np.random.default_rng(7)
    grid = settings(shape=shape, free_surface=free_surface, n_pml=5, order=order)
    c, wavelet = model(rng, grid), rng.standard_normal(60)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 4)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        traces = solver.forward(source, wavelet, receivers)
    twin = simulate(grid, torch.tensor(c), source, wavelet, receivers).numpy()
    np.testing.assert_allclose(traces, twin, rtol=0, atol=1e-12 * np.abs(twin).max())


@SURFACES
@ORDERS
@pytest.mark.parametrize("shape", [(9, 11, 10), (17, 1, 22)])
def test_the_adjoint_repeats_the_derivatives_of_the_twin(free_surface, order, shape):
    rng = np.random.default_rng(9)
    grid = settings(shape=shape, free_surface=free_surface, n_pml=5, order=order)
    c, wavelet = model(rng, grid), rng.standard_normal(40)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 4)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        residual = rng.standard_normal(
            solver.forward(source, wavelet, receivers, store=True).shape
        )
        by_speed, by_wavelet = solver.gradients(residual)
    twin = [torch.tensor(array, requires_grad=True) for array in (c, wavelet)]
    traces = simulate(grid, twin[0], source, twin[1], receivers)
    (torch.tensor(residual) * traces).sum().backward()
    for mine, expected in zip((by_speed, by_wavelet), twin, strict=True):
        size = expected.grad.abs().max().item()
        np.testing.assert_allclose(mine, expected.grad.numpy(), rtol=0, atol=1e-11 * size)
