"""A bank of prior draws: what a draw is, what fails, and what is made again."""

import numpy as np
import pytest
from bank_example import HereGang, bank_run, dies, lines

from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.failures import GangError
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.chunk import _Chunk
from pvi_hpc.store.bank_file import chunk_path, write_chunk


@pytest.fixture
def bank_of(tmp_path):
    def make(draws, size=50, function="lines", **changes):
        run = bank_run(tmp_path, function, **changes)
        survey = tmp_path / "survey.h5"
        write_survey(forward_problem(run).geometry(), survey)
        return Bank(recipe_of(run, survey, tmp_path / "bank", draws, size))

    return make


def chunk_of(bank, gang, index=0):
    made = _Chunk(bank.recipe, bank.recipe.model_map(), gang, bank.recipe.rows(index))
    made.simulate()
    return made


def fill(bank, function=lines):
    bank.recipe.folder.mkdir(exist_ok=True)
    for i in range(bank.recipe.chunks):
        chunk = chunk_of(bank, HereGang(function), i).chunk()
        write_chunk(bank.recipe.folder, i, bank.recipe.fingerprint, chunk)


def test_a_draw_is_the_same_whatever_chunk_and_request_it_is_in(bank_of):
    one, other = bank_of(90, size=90), bank_of(90, size=20)
    whole = chunk_of(one, HereGang(lines)).chunk()
    parts = [chunk_of(other, HereGang(lines), i).chunk() for i in range(5)]
    for name in ("theta", "models", "data"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(getattr(whole, name), joined)
    assert np.array_equal(whole.data[7], lines(whole.models[7].reshape(1, 3, 4)))
    assert whole.models.min() > 1000 and whole.models.max() < 2000 and whole.theta.std() > 0.9


def test_requests_grow_while_simulations_are_quick(bank_of, monkeypatch):
    monkeypatch.setattr("pvi_hpc.run.amortised.chunk.REQUEST_S", 1e9)
    gang = HereGang(lines)
    chunk_of(bank_of(90, size=90), gang)
    assert gang.requests[:4] == [1, 4, 16, 64]


def test_a_failed_draw_is_recorded_and_the_others_have_data(bank_of):
    bank = bank_of(400, size=400, function="dies", execution={"retries": 2})
    made = chunk_of(bank, HereGang(dies))
    chunk = made.chunk()
    slow, dead = chunk.models[:, 0] < 1100, chunk.models[:, -1] < 1020
    assert slow.sum() > 5 and dead.sum() > 5
    kinds = {draw: kind for draw, (kind, _) in chunk.failures.items()}
    assert {draw for draw, kind in kinds.items() if kind == "crash"} == set(
        np.flatnonzero(dead).tolist()
    )
    assert set(kinds) == set(np.flatnonzero(slow | dead).tolist())
    assert np.array_equal(np.isnan(chunk.data).all(axis=1), slow | dead)
    good = ~(slow | dead)
    expected = [lines(model.reshape(1, 3, 4)) for model in chunk.models[good].astype(float)]
    assert np.allclose(chunk.data[good], expected, rtol=1e-6)
    # Each of them was tried again twice by itself, and then given up.
    only_slow = int(np.flatnonzero(slow & ~dead)[0])
    assert [e[3] for e in made.events if e[0] == only_slow][-1] is True
    assert sum(e[3] for e in made.events) == (slow | dead).sum()


def test_a_node_without_a_gang_is_no_fault_of_the_model(bank_of):
    class NoGang(HereGang):
        def simulate_models(self, *_):
            raise GangError("start", "no mpiexec")

    with pytest.raises(GangError, match="no mpiexec"):
        chunk_of(bank_of(20), NoGang(lines))


def test_the_end_of_a_worker_is_no_fault_of_the_model(bank_of):
    class Ending(HereGang):
        def simulate_models(self, *_):
            self.closed = True
            raise GangError("crash", "The worker is closing.")

    recipe = bank_of(20).recipe
    made = _Chunk(recipe, recipe.model_map(), Ending(lines), range(20))
    with pytest.raises(GangError, match="closing"):
        made.simulate()
    assert not made.failed


def test_a_damaged_or_short_chunk_is_made_again_and_more_draws_extend_a_bank(bank_of):
    bank = bank_of(120)
    fill(bank)
    assert bank.missing() == []
    before = [chunk_path(bank.recipe.folder, i).read_bytes() for i in range(3)]
    more = bank_of(200)
    assert more.recipe.fingerprint == bank.recipe.fingerprint
    assert more.missing() == [2, 3]
    path = chunk_path(bank.recipe.folder, 1)
    path.write_bytes(before[1][:-9] + b"?" + before[1][-8:])
    assert bank.missing() == [1]
    with pytest.raises(ConfigError, match="number 1 is missing or damaged"):
        bank.pairs()
    fill(more)
    assert [chunk_path(bank.recipe.folder, i).read_bytes() for i in range(2)] == before[:2]
    pairs = more.pairs()
    assert len(pairs.theta) == 200 and pairs.failed == 0


def test_a_bank_of_other_settings_is_refused(bank_of):
    bank_of(100).claim()
    bank_of(300).claim()
    for changes in ({"prior__upper_m_s": [2100]}, {"seed": 6}):
        with pytest.raises(ConfigError, match="made with another prior"):
            other = bank_of(100).recipe
            run = other.run.model_copy(update={"seed": 6})
            if "seed" not in changes:
                tree = run.model_dump(mode="json")
                tree["prior"]["upper_m_s"] = [2100]
                run = type(run).model_validate({**tree, "seed": 5})
            survey = other.folder.parent / "survey.h5"
            Bank(recipe_of(run, survey, other.folder, 100, 50)).claim()
    with pytest.raises(ConfigError, match="draws_per_chunk"):
        bank_of(100, size=20).claim()


def test_draws_that_failed_are_left_out_of_the_pairs(bank_of):
    bank = bank_of(100, function="dies")
    fill(bank, dies)
    pairs = bank.pairs()
    assert 0 < pairs.failed < 60 and len(pairs.data) == 100 - pairs.failed
    assert np.isfinite(pairs.data).all()
    assert len(set(pairs.draws.tolist())) == len(pairs.data)
