"""The storage of gradients: what is chosen, what it needs, what is refused."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.history.storage import Storage, estimate_memory
from pvi_hpc.forward.acoustic.history.storage_choice import (
    RunSize,
    choose_storage,
    longest_rule,
)
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish
from pvi_hpc.forward.acoustic.settings import GradientSettings
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings

#: 400 x 400 x 200 cells, 2000 steps: the case that must fit 12 GB.
LARGE = SolverSettings((200, 400, 400), (20.0,) * 3, 2e-3, 4500.0, 5.0)
SIZE = RunSize(2000, 1000)
WISH = StorageWish(f_max=12.5)


def test_the_default_gradient_of_a_large_grid_fits_its_memory():
    choice = choose_storage(LARGE, SIZE, WISH)
    assert choice.storage.every == 8
    assert choice.storage.packed
    assert choice.storage.n_segments(2000) > 1
    assert choice.memory <= 8e9
    assert "does not fit" in choice.reason


def test_more_memory_is_used_to_run_less_again():
    repeated = [
        choose_storage(LARGE, SIZE, replace(WISH, memory_gb=gb)).storage.repeated(2000)
        for gb in (3.0, 4.0, 8.0, 12.0, 40.0)
    ]
    assert repeated == sorted(repeated, reverse=True)
    assert repeated[0] > 1.0
    assert repeated[-1] == 0.0


def test_float64_is_only_kept_exactly_unless_asked_otherwise():
    settings = replace(LARGE, shape=(40, 40, 40), dtype="float64")
    assert choose_storage(settings, SIZE, WISH).storage.exact
    wish = replace(WISH, kind="decimated")
    assert choose_storage(settings, SIZE, wish).storage == Storage(every=8, packed=True)


def test_checkpoints_are_exact_unless_every_is_given():
    wish = replace(WISH, kind="checkpointed", memory_gb=4.0)
    small = replace(LARGE, shape=(100, 100, 100))
    exact = choose_storage(small, SIZE, wish).storage
    assert exact.exact
    assert exact.n_segments(2000) > 1
    assert choose_storage(small, SIZE, replace(wish, every=4)).storage.every == 4


def test_ranks_and_a_scratch_folder_take_memory_off_a_rank():
    wish = replace(WISH, kind="decimated", memory_gb=100.0)
    one = choose_storage(LARGE, SIZE, wish).memory
    eight = choose_storage(LARGE, replace(SIZE, n_ranks=8), wish).memory
    on_disk = choose_storage(LARGE, SIZE, replace(wish, folder="/scratch")).memory
    assert eight < 0.25 * one
    assert on_disk < 0.15 * one


def test_what_does_not_fit_is_refused_with_what_it_needs():
    with pytest.raises(ConfigError, match=r"memory_gb_per_rank' is 8, but .* needs at least"):
        choose_storage(LARGE, SIZE, replace(WISH, kind="full"))


def test_segments_divide_what_is_stored():
    whole = estimate_memory(LARGE, 2000, 1, 10, Storage(every=8, packed=True))
    half = estimate_memory(LARGE, 2000, 1, 10, Storage(8, True, 1000, 1))
    cells = 420 * 420 * 220
    stored = 250 * 2 * cells
    assert 1.0 * stored < whole < 1.06 * stored + 2e9
    assert half < 0.62 * whole


@pytest.mark.parametrize(("f_max", "every"), [(12.5, 8), (30.0, 3), (None, 1), (400.0, 1)])
def test_the_rule_keeps_five_samples_of_the_shortest_period(f_max, every):
    assert longest_rule(2e-3, f_max) == every


def test_full_storage_of_some_steps_is_refused():
    with pytest.raises(ValidationError, match="every: 4"):
        GradientSettings(storage="full", every=4)
