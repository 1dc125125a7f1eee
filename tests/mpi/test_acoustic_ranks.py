"""The number of ranks changes neither traces nor gradient, and no fault hangs a run."""

import numpy as np
import pytest

from pvi_hpc.errors import SolverError
from pvi_hpc.forward.acoustic.acoustic_solver import SolverSettings, decomposition
from pvi_hpc.forward.acoustic.history.storage import Storage, estimate_memory

CASES = [  # shape, free surface, order, ranks, blocks along z, y, x
    ("19,22,17", 0, 8, 2, (1, 2, 1)),
    ("19,22,17", 1, 8, 4, (2, 2, 1)),
    ("37,15,16", 1, 12, 3, (3, 1, 1)),
    ("11,15,49", 0, 8, 3, (1, 1, 3)),
    ("12,17,33", 1, 4, 4, (1, 2, 2)),
    pytest.param("20,8,33", 0, 8, 4, (2, 1, 2), marks=pytest.mark.long),
    ("20,8,33", 1, 8, 4, (2, 1, 2)),
    ("29,1,33", 1, 8, 2, (2, 1, 1)),
    ("14,1,61", 0, 8, 3, (1, 1, 3)),
    pytest.param("40,1,41", 0, 8, 4, (2, 1, 2), marks=pytest.mark.long),
]


@pytest.mark.parametrize(("shape", "free_surface", "order", "n_ranks", "dims"), CASES)
def test_ranks_do_not_change_the_gradient(mpirun, shape, free_surface, order, n_ranks, dims):
    arguments = ("run_gradient.py", shape, str(free_surface), str(order))
    alone, shared = mpirun(1, *arguments), mpirun(n_ranks, *arguments)
    assert tuple(shared["dims"]) == dims
    for name in ("traces", "gradient", "by_wavelet", "born"):
        difference = np.abs(shared[name] - alone[name]).max()
        assert difference <= 1e-12 * np.abs(alone[name]).max(), name
    np.testing.assert_array_equal(shared["replayed"], shared["gradient"])
    # Blocks of 64 cells begin where a rank's rows do, so scales differ.
    packed = np.linalg.norm(shared["decimated"] - alone["decimated"])
    assert packed <= 1e-4 * np.linalg.norm(alone["decimated"])


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_every_rank_notices_a_fault_of_one(mpirun, n_ranks):
    result = mpirun(n_ranks, "run_faults.py")
    np.testing.assert_array_equal(result["counts"], n_ranks)
    assert result["finite"]


def settings(shape=(40, 45, 50), **changes):
    return SolverSettings(shape, (10.0,) * 3, 1e-3, 2000.0, 10.0, **changes)


def test_too_many_ranks_are_refused_with_the_largest_number_that_fits():
    with pytest.raises(SolverError, match="at most 9 ranks"):
        decomposition(settings((8, 8, 8)), 11)
    with pytest.raises(SolverError, match=r"at most \d+ ranks"):
        decomposition(settings(), 1009)  # prime: one axis would have to take them all


def test_ranks_share_the_memory_of_the_stored_wavefield():
    whole = estimate_memory(settings(), 500, 1, 100, Storage())
    half = estimate_memory(settings(), 500, 2, 100, Storage())
    assert 60 * 65 * 70 * 4 * 499 < whole < 1.4 * 60 * 65 * 70 * 4 * 499
    assert 0.45 * whole < half < 0.65 * whole


def test_the_second_wave_of_segments_has_room_for_halos_too():
    """A slot more is a state more; segments at all are one, and faces to send and receive."""
    shape = (40, 60, 50)
    assert decomposition(settings(shape), 2) == (1, 2, 1)

    def memory(nt, slots):
        return estimate_memory(settings(shape), nt, 2, 0, Storage(segment=1, slots=slots))

    state = memory(4, 1) - memory(4, 0)
    plane = 60 * 70 * 4  # bytes of z, x with absorbing layers
    assert memory(3, 0) - memory(2, 0) - state == 2 * 4 * plane
