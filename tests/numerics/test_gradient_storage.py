"""However a run is kept, its gradient is that of full storage, or as near as it says."""

from math import comb

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.history.storage import Storage
from pvi_hpc.forward.acoustic.revolve import schedule

NT = 150
EXACT = [
    Storage(segment=40, slots=3),
    Storage(segment=13, slots=2),
    Storage(segment=50),
    Storage(segment=1, slots=9),
]
PEAK_HZ = 15.0
SURFACES = pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
ORDERS = pytest.mark.parametrize("order", [4, 8, 12])


def gradient(storage, *, nt=NT, free_surface=False, repeat=False, **changes):
    """The gradient of a residual that is not the traces' own, and its slope along noise."""
    rng = np.random.default_rng(11)
    grid = settings(free_surface=free_surface, **changes)
    c, wavelet = model(rng, grid), ricker(PEAK_HZ, np.arange(nt) * grid.dt)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 5)
    with AcousticSolver(grid, storage=storage) as solver:
        solver.set_model(c)
        traces = solver.forward(source, wavelet, receivers, store=True)
        residual = np.roll(traces, 7, axis=1)
        first = solver.gradient(residual)
        return solver.gradient(residual) if repeat else first


@SURFACES
@ORDERS
def test_segments_run_again_give_the_same_bits_as_full_storage(order, free_surface):
    full = gradient(Storage(), free_surface=free_surface, order=order)
    for storage in EXACT:
        again = gradient(storage, free_surface=free_surface, order=order)
        np.testing.assert_array_equal(again, full, err_msg=str(storage))


@ORDERS
def test_float32_segments_give_the_same_bits_too(order):
    full = gradient(Storage(), dtype="float32", order=order)
    again = gradient(Storage(segment=31, slots=1), dtype="float32", order=order)
    np.testing.assert_array_equal(again, full)


def test_a_second_gradient_of_a_run_equals_the_first():
    storage = Storage(segment=40, slots=1)
    np.testing.assert_array_equal(gradient(storage, repeat=True), gradient(Storage()))


def test_a_history_on_disk_gives_the_same_bits_and_leaves_no_file(tmp_path):
    on_disk = gradient(Storage(folder=str(tmp_path), segment=60, slots=1))
    np.testing.assert_array_equal(on_disk, gradient(Storage()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("storage", "least", "most"),
    [
        (Storage(packed=True), 1e-8, 2e-5),
        (Storage(every=3), 1e-11, 1e-6),
        (Storage(every=4, packed=True), 1e-7, 1e-4),
        (Storage(every=4, packed=True, segment=30, slots=2), 1e-7, 1e-4),
    ],
    ids=str,
)
@SURFACES
@ORDERS
def test_decimated_and_packed_storage_err_by_as_much_as_is_said(
    storage, least, most, free_surface, order
):
    # Long enough for the waves to die away: a record cut short adds the error of its end.
    full = gradient(Storage(), nt=400, free_surface=free_surface, order=order)
    near = gradient(storage, nt=400, free_surface=free_surface, order=order)
    error = np.linalg.norm(near - full) / np.linalg.norm(full)
    assert least < error < most


def test_segments_do_not_change_the_bits_of_decimated_storage():
    whole = gradient(Storage(every=4, packed=True))
    np.testing.assert_array_equal(
        gradient(Storage(every=4, packed=True, segment=50, slots=1)), whole
    )


def test_threads_do_not_change_the_bits_of_packed_storage():
    shape, storage = (19, 45, 25), Storage(every=2, packed=True, segment=60, slots=1)
    one = gradient(storage, shape=shape, dtype="float32", threads=1)
    two = gradient(storage, shape=shape, dtype="float32", threads=2)
    np.testing.assert_array_equal(one, two)


def test_runs_of_different_lengths_follow_each_other():
    grid = settings()
    rng = np.random.default_rng(12)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 2)
    c, results = model(rng, grid), []
    for lengths in ((90,), (150, 30, 90)):
        with AcousticSolver(grid, storage=Storage(segment=40, slots=1)) as solver:
            solver.set_model(c)
            for nt in lengths:
                wavelet = ricker(PEAK_HZ, np.arange(nt) * grid.dt)
                traces = solver.forward(source, wavelet, receivers, store=True)
                last = solver.gradient(traces)
        results.append(last)
    np.testing.assert_array_equal(*results)


def test_a_folder_that_cannot_hold_the_history_is_named(tmp_path):
    with pytest.raises(SolverError, match=r"forward\.gradient\.scratch"):
        gradient(Storage(folder=str(tmp_path / "missing")))


@pytest.mark.parametrize("bad", [{"every": 0}, {"slots": -1}, {"segment": 0}])
def test_a_storage_that_cannot_be_is_refused(bad):
    with pytest.raises(ConfigError, match="at least"):
        Storage(**bad)


def reversed_by(split, n, slots):
    """Segments in the order they are stored, and how many were run on the way there."""
    order, repeats, saved, end = [], 0, [0], n
    while end > 0:
        at = saved[-1]
        while end - at > 1:
            free = slots - (len(saved) - 1)
            ahead = split[end - at, free]
            repeats, at = repeats + ahead, at + ahead
            if free > 0:
                saved.append(at)
        order.append(at)
        end = at
        if saved[-1] == at and at > 0:
            saved.pop()
    return order, repeats


@pytest.mark.parametrize(("n", "slots"), [(1, 0), (2, 1), (5, 0), (9, 3), (20, 3), (35, 4)])
def test_a_schedule_reverses_all_segments_at_the_cost_it_says(n, slots):
    plan = schedule(n, slots)
    order, repeats = reversed_by(plan.split, n, slots)
    assert order == list(range(n))[::-1]
    assert repeats == plan.repeats


def test_the_schedule_is_as_good_as_revolve():
    # Griewank & Walther: beta(s, r) = (s + r)! / (s! r!) steps are reversed with s states,
    # the initial one among them, by r l - beta(s + 1, r - 1) steps forward.
    for s, r in ((2, 3), (3, 3), (4, 2)):
        length = comb(s + r, s)
        assert schedule(length, s - 1).repeats == r * length - comb(s + r, s + 1)
