"""Dispersion against closed forms and matrix exponentials; no mode skipped; exact slopes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import spherical_jn

from pvi_hpc.errors import SolverError
from pvi_hpc.forward.dispersion.curves import WAVES, Layers, Points, count_modes, curves
from pvi_hpc.forward.dispersion.sphere import curves_of_sphere

PERIODS = np.geomspace(0.4, 12, 7)
PARAMETERS = ("vp", "vs", "density")


def layers(seed=1, n=6, water=0.0):
    """Return layers of which some are slower than what is above them."""
    rng = np.random.default_rng(seed)
    vs = np.append(rng.uniform(1000, 3200, n - 1), 3600.0)
    return Layers(
        rng.uniform(200, 1500, n), vs * rng.uniform(1.5, 2, n), vs,
        rng.uniform(1900, 2900, n), (water, 1480.0, 1025.0),
    )  # fmt: skip


def points(wave, modes, periods):
    mode, period = np.meshgrid(modes, periods, indexing="ij")
    return Points(np.full(mode.size, WAVES.index(wave), np.int32), mode.ravel(), period.ravel())


def phase(model, wave="rayleigh", modes=(0,), periods=PERIODS):
    return curves(model, points(wave, list(modes), periods)).phase


def half_space(vp, vs, density=2000.0, water=0.0):
    thickness, vp, vs, density = np.array([[1.0], [vp], [vs], [density]])
    return Layers(thickness, vp, vs, density, (water, 1480.0, 1025.0))


def motion(c, vp, vs, density):
    """Return A of y' = A y with y = (U, W, S, Z), depth times the wavenumber as variable.

    From the equations of motion and Hooke's law, without potentials.
    """
    mu = density * vs**2
    lame, stiff, inertia = density * vp**2 - 2 * mu, density * vp**2, density * c**2
    return np.array(
        [
            [0, -1, 1 / mu, 0],
            [lame / stiff, 0, 0, 1 / stiff],
            [stiff - lame**2 / stiff - inertia, 0, 0, -lame / stiff],
            [0, -inertia, 1, 0],
        ]
    )


def tractions(c, model, period):
    """Return the determinant of the surface tractions of the two solutions that decay."""
    k = 2 * np.pi / (period * c)
    last = motion(c, model.vp[-1], model.vs[-1], model.density[-1])
    unit = np.diag([1, 1, 1e10, 1e10])
    values, vectors = np.linalg.eig(np.linalg.inv(unit) @ last @ unit)
    y = vectors[:, np.argsort(values.real)[:2]].real
    y = y[:, [0, 1]] if np.linalg.det(y[:2]) > 0 else y[:, [1, 0]]
    for i in range(len(model.vs) - 2, -1, -1):
        a = motion(c, model.vp[i], model.vs[i], model.density[i])
        step = expm(-np.linalg.inv(unit) @ a @ unit * k * model.thickness[i])
        y = step @ y
    return float(np.linalg.det(y[2:]))


def roots(function, low, high, n=800):
    """Return all roots between two velocities that a fine scan finds."""
    c = np.linspace(low, high, n)
    f = np.array([function(x) for x in c])
    at = np.flatnonzero(f[:-1] * f[1:] < 0)
    return np.array([brentq(function, c[i], c[i + 1], xtol=1e-11, rtol=1e-14) for i in at])


@pytest.mark.parametrize("ratio", [1.5, np.sqrt(3), 2.5])
def test_the_rayleigh_wave_of_a_half_space_is_that_of_its_equation(ratio):
    def equation(x):
        a, b = np.sqrt(1 - x**2 / ratio**2), np.sqrt(1 - x**2)
        return (2 - x**2) ** 2 - 4 * a * b

    exact = brentq(equation, 0.5, 0.99999, xtol=1e-15)
    if ratio == np.sqrt(3):
        assert exact == pytest.approx(0.9194, abs=1e-4)
    found = curves(half_space(1000 * ratio, 1000), points("rayleigh", [0], [0.1, 30]))
    np.testing.assert_allclose(found.phase, 1000 * exact, rtol=1e-12)
    np.testing.assert_allclose(found.group, 1000 * exact, rtol=1e-9)
    second = curves(half_space(1000 * ratio, 1000), points("rayleigh", [1], [0.1]))
    assert not second.exists.any()


def test_a_scholte_wave_of_deep_water_is_that_of_its_equation():
    vp, vs, rho, vw, rw = 3200.0, 1800.0, 2200.0, 1480.0, 1025.0

    def equation(c):
        a, b, w = (np.sqrt(1 - (c / v) ** 2) for v in (vp, vs, vw))
        ratio = (c / vs) ** 2
        return (2 - ratio) ** 2 - 4 * a * b + rw / rho * ratio**2 * a / w

    exact = brentq(equation, 300, vw * (1 - 1e-9))
    model = half_space(vp, vs, rho, water=20000.0)
    np.testing.assert_allclose(phase(model, periods=[0.5, 1.0]), exact, rtol=1e-10)
    # Waves much longer than the water is deep do not feel it.
    thin, none = half_space(vp, vs, rho, water=5.0), half_space(vp, vs, rho)
    np.testing.assert_allclose(phase(thin, periods=[60]), phase(none, periods=[60]), rtol=1e-4)


def test_rayleigh_waves_with_water_are_those_of_water_as_a_nearly_fluid_layer():
    model = layers(3, 4, water=900.0)
    # A solid of no rigidity to speak of has slow waves of its own: modes are counted past them.
    thickness, vp, density = (
        np.append(value, rest)
        for value, rest in ((900.0, model.thickness), (1480.0, model.vp), (1025, model.density))
    )
    soft = Layers(thickness, vp, np.append(3.0, model.vs), density)
    for period in (2.0, 4.0):
        [found] = phase(model, periods=[period])
        mode = count_modes(soft, "rayleigh", period, found * 0.999)
        nearby = phase(soft, modes=range(mode - 3, mode + 8), periods=[period])
        assert np.abs(nearby / found - 1).min() < 2e-3


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_love_waves_of_a_layer_are_those_of_their_equation(mode):
    h, b1, b2, r1, r2 = 1500.0, 1200.0, 3000.0, 2000.0, 2700.0
    model = Layers(*np.array([[h, 1], [2200, 5200], [b1, b2], [r1, r2]]))
    period = np.array([0.5, 0.7])
    found = curves(model, points("love", [mode], period))
    assert found.exists.all()
    for c, t in zip(found.phase, period, strict=True):
        slow, fast = np.sqrt((c / b1) ** 2 - 1), np.sqrt(1 - (c / b2) ** 2)
        angle = np.arctan2(r2 * b2**2 * fast, r1 * b1**2 * slow) + mode * np.pi
        assert 2 * np.pi / (t * c) * h * slow == pytest.approx(angle, rel=1e-11)


def test_love_waves_appear_at_their_cut_off():
    h, b1, b2 = 1500.0, 1200.0, 3000.0
    model = Layers(*np.array([[h, 1], [2200, 5200], [b1, b2], [2000, 2700]]))
    longest = 2 * h * np.sqrt(1 / b1**2 - 1 / b2**2)  # of the first higher mode
    found = curves(
        model, points("love", [1], longest * np.array([0.999, 1.001])), gradient=True
    )
    assert found.exists.tolist() == [True, False]
    assert b2 * (1 - 1e-5) < found.phase[0] < b2
    np.testing.assert_array_equal([found.phase[1], found.group[1]], b2)
    np.testing.assert_array_equal(found.slopes[1, :, 1], [[0, 1], [0, 1]])
    assert not found.slopes[1, :, [0, 2]].any()


@pytest.mark.parametrize("seed", range(4))
def test_no_rayleigh_mode_is_skipped(seed):
    model, period = layers(seed, 5), 1.1
    exact = roots(lambda c: tractions(c, model, period), 0.6 * model.vs.min(), 3599.9)
    assert len(exact) >= 2
    found = curves(model, points("rayleigh", range(len(exact) + 1), [period]))
    assert found.exists.tolist() == [True] * len(exact) + [False]
    np.testing.assert_allclose(found.phase[:-1], exact, rtol=1e-7)
    for i, c in enumerate(exact):
        assert count_modes(model, "rayleigh", period, c * (1 - 1e-6)) == i
        assert count_modes(model, "rayleigh", period, c * (1 + 1e-6)) == i + 1


def test_two_modes_that_nearly_touch_are_both_found():
    # Two equal slow channels far apart: their modes differ by less than a scan would see.
    vs = np.array([2500.0, 1500, 2500, 1500, 2500, 2600])
    thickness = np.array([4000.0, 300, 3000, 300, 4000, 1])
    model = Layers(thickness, 1.8 * vs, vs, np.full(6, 2300.0))
    for wave in WAVES:
        first, second = phase(model, wave, (0, 1), [0.35])
        assert 0 < second / first - 1 < 1e-5
        between = 0.5 * (first + second)
        assert count_modes(model, wave, 0.35, between) == 1
        assert count_modes(model, wave, 0.35, second * (1 + 1e-9)) == 2


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("water", [0.0, 700.0])
def test_slopes_are_those_of_differences(wave, water):
    model = layers(2, 6, water)
    asked = points(wave, [0, 1, 2], [0.5, 0.9, 1.5, 4])
    found = curves(model, asked, gradient=True)
    assert found.exists.sum() >= 8
    for i, name in enumerate(PARAMETERS):
        for layer in range(6):

            def at(factor, name=name, layer=layer):
                values = {p: getattr(model, p).copy() for p in PARAMETERS}
                values[name][layer] *= factor
                moved = curves(Layers(model.thickness, **values, water=model.water), asked)
                return np.stack([moved.phase, moved.group], axis=1)

            step, value = 1e-4, getattr(model, name)[layer]
            near, far = (at(1 + k * step) - at(1 - k * step) for k in (1, 2))
            slope = (8 * near - far) / (12 * step * value)
            scale = np.abs(found.slopes[:, :, i]).max(axis=2) + 1e-6
            error = np.abs(found.slopes[:, :, i, layer] - slope) / scale
            assert error[found.exists].max() < 1e-6, (name, layer)


@pytest.mark.parametrize("wave", WAVES)
def test_group_velocities_are_derivatives_of_phases(wave):
    model, step = layers(4), 1e-4
    asked = points(wave, [0, 1], PERIODS[:4])
    found = curves(model, asked)
    omega = 2 * np.pi / asked.period
    ends = []
    for k in (-2, -1, 1, 2):
        w = omega * (1 + k * step)
        ends.append(w / curves(model, asked._replace(period=2 * np.pi / w)).phase)
    by_omega = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * step * omega)
    assert found.exists.sum() >= 6
    np.testing.assert_allclose(found.group[found.exists], 1 / by_omega[found.exists], rtol=1e-7)


@pytest.mark.parametrize("wave", WAVES)
def test_short_waves_see_the_top_only_and_nothing_overflows(wave):
    vs = np.linspace(1500, 4500, 60)
    deep = Layers(np.full(60, 4000.0), 1.73 * vs, vs, 0.3 * vs + 1800)
    top = Layers(*(a[:9] for a in (deep.thickness, deep.vp, deep.vs, deep.density)))
    asked = points(wave, [0], [0.05, 0.5, 2])
    found = curves(deep, asked, gradient=True)
    np.testing.assert_allclose(found.phase, curves(top, asked).phase, rtol=1e-11)
    assert np.isfinite(found.slopes).all()
    assert np.abs(found.slopes[:, :, 1, 40:]).max() < 1e-8


def test_bits_do_not_depend_on_the_number_of_threads():
    asked = points("rayleigh", [0, 1], PERIODS)
    one, two = (curves(layers(), asked, gradient=True, threads=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_impossible_models_are_refused():
    with pytest.raises(SolverError, match=r"vp larger than vs sqrt\(4 / 3\)"):
        curves(half_space(1100, 1000), points("rayleigh", [0], [1.0]))
    with pytest.raises(SolverError, match="BAD_SHAPE"):
        curves(half_space(2000, 1000), points("rayleigh", [0], [-1.0]))
    with pytest.raises(SolverError, match="BAD_MODEL"):
        curves(half_space(2000, np.nan), points("love", [0], [1.0]))
    with pytest.raises(SolverError):
        count_modes(half_space(2000, 1000), "love", 1.0, 1000.0)


def test_love_waves_of_a_homogeneous_sphere_are_its_toroidal_modes():
    """Their traction vanishes where (l - 1) j_l(x) = x j_{l+1}(x) with x = omega a / vs."""
    radius, vs, degree = 6_371_000.0, 4000.0, 80

    def traction(x):
        return (degree - 1) * spherical_jn(degree, x) - x * spherical_jn(degree + 1, x)

    [first, second] = roots(traction, degree, degree + 20)[:2]
    n = 400
    model = Layers(*np.array([[5000.0], [7000.0], [vs], [3000.0]]).repeat(n, axis=1))
    for mode, x in enumerate((first, second)):
        asked = points("love", [mode], [2 * np.pi * radius / (vs * x)])
        found = curves_of_sphere(model, asked, radius)
        assert found.exists.all()
        assert found.phase[0] == pytest.approx(x * vs / (degree + 0.5), rel=2e-6)


@pytest.mark.parametrize("water", [0.0, 4000.0])
@pytest.mark.parametrize("wave", ["rayleigh", "love"])
def test_slopes_of_a_sphere_are_those_of_differences_and_group_that_of_phase(wave, water):
    base, radius = layers(4, 5, water), 60_000.0
    period = np.array([0.8, 3.0])
    both = points(wave, [0], period)
    found = curves_of_sphere(base, both, radius, gradient=True)
    for j, name in enumerate(PARAMETERS):
        for i in range(5):
            ends = []
            for step in (1, -1, 2, -2):
                value = getattr(base, name).copy()
                value[i] *= 1 + 2e-4 * step
                moved = curves_of_sphere(replace(base, **{name: value}), both, radius)
                ends.append(np.stack([moved.phase, moved.group]))
            slope = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / 12
            slope /= 2e-4 * getattr(base, name)[i]
            exact = found.slopes[:, :, j, i].T
            assert np.abs(exact - slope).max() < 1e-6 * max(1, np.abs(found.slopes).max())
    omega = 2 * np.pi / period
    h = 1e-4 * omega
    k = [
        w / curves_of_sphere(base, points(wave, [0], 2 * np.pi / w), radius).phase
        for w in (omega + h, omega - h, omega + 2 * h, omega - 2 * h)
    ]
    slope = (8 * (k[0] - k[1]) - (k[2] - k[3])) / (12 * h)
    np.testing.assert_allclose(found.group, 1 / slope, rtol=1e-7)


def test_a_very_large_sphere_is_flat():
    model = layers(2, 6, 500.0)
    asked = points("rayleigh", [0, 1], [0.7, 2.0])
    flat, sphere = curves(model, asked), curves_of_sphere(model, asked, 1e11)
    np.testing.assert_allclose(sphere.phase, flat.phase, rtol=1e-7)
    np.testing.assert_allclose(sphere.group, flat.group, rtol=1e-7)
