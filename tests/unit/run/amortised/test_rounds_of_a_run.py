"""Rounds of a run: a bank of each, going on after a stop to the same bits, what is refused."""

import json

import numpy as np
import pytest
from bank_example import HereGang, bank_run, lines

from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import ConfigError
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.run.amortised import rounds as rounds_module
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.chunk import _Chunk
from pvi_hpc.run.amortised.kept import Progress
from pvi_hpc.run.amortised.learn import learn_run
from pvi_hpc.run.amortised.lesson import observed
from pvi_hpc.run.amortised.load import load_learnt
from pvi_hpc.store.bank_file import write_chunk
from pvi_hpc.store.layout import RunPaths

ROUNDS = {"at_most": 3, "draws": 400, "cut": 0.01, "agreement": 1e-6}
TREE = {
    "draws": 500,
    "draws_per_chunk": 200,
    "held_out": 100,
    "posterior_draws": 50,
    "network": {"kind": "mixture", "options": {"components": 1, "hidden": [16]}},
    "training": {"max_epochs": 6, "learning_rate": 0.02, "batch": 64},
    "rounds": ROUNDS,
}
SETTINGS = AmortisedSettings.model_validate(TREE)


def fill(bank, most=10**9):
    """Make what a bank lacks, at most so many chunks; True where it is whole."""
    bank.claim()
    for index in bank.missing()[:most]:
        made = _Chunk(
            bank.recipe, bank.recipe.model_map(), HereGang(lines), bank.recipe.rows(index)
        )
        made.simulate()
        write_chunk(bank.recipe.folder, index, bank.recipe.fingerprint, made.chunk())
    return not bank.missing()


@pytest.fixture
def case(tmp_path, monkeypatch):
    """A run whose banks are filled in this process, and a survey; makes paths with a bank."""
    tree = bank_run(tmp_path).model_dump(mode="json")
    tree["forward"]["noise_sd"] = 0.5
    run, survey = type(bank_run(tmp_path)).model_validate(tree), tmp_path / "survey.h5"
    write_survey(forward_problem(run).geometry(), survey)

    def here(bank, _survey, stop, _told):
        return fill(bank, 1 if stop else 10**9) or None

    monkeypatch.setattr(rounds_module, "fill_bank", here)

    def paths_of(name):
        paths = RunPaths(tmp_path / name)
        sizes = SETTINGS.draws, SETTINGS.draws_per_chunk
        fill(Bank(recipe_of(run, survey, paths.bank, *sizes)))
        return paths

    return run, survey, paths_of


def test_rounds_have_banks_of_their_own_and_narrow_the_prior(case):
    run, survey, paths_of = case
    paths, told = paths_of("run"), Progress()
    said = []
    told.say = said.append
    found = learn_run(run, survey, paths, SETTINGS, False, told)
    facts = json.loads(paths.learnt.read_text())
    assert [each["number"] for each in facts["rounds"]] == [1, 2, 3]
    shares = [each["prior_share"] for each in facts["rounds"]]
    assert shares[0] == 1 and 0 < shares[2] <= shares[1] < 1
    assert facts["draws"] == 500 + 2 * 400 and facts["verdict"]["pairs"] == 33
    assert facts["rounds"][1]["pairs"] > 300  # those of the first round too
    assert any("did not agree" in warning for warning in facts["observed"]["warnings"])
    assert [line.split(":")[0] for line in said] == ["round 1", "round 2", "round 3"]
    folders = [place.folder.parent.name for place in paths.workplaces[2:4]]
    assert folders == ["002", "003"]
    data, again = observed(survey), load_learnt(run, paths.network)
    assert np.array_equal(
        again.posterior(data).sample(5), found.network.posterior(data).sample(5)
    )
    # Draws of a later round lie in the region of its network, and their data are simulated.
    last = sorted((paths.rounds / "003" / "bank").glob("00*.h5"))
    assert len(last) == 2
    recipe = recipe_of(run, survey, paths.bank, 500, 200)
    from pvi_hpc.store.checkpoint_file import read_checkpoint

    given = read_checkpoint(paths.rounds / "003" / "bank" / "draws.h5", 0)[1]["theta"]
    pairs = Bank(recipe.of_draws(paths.rounds / "003" / "bank", given)).pairs()
    assert np.array_equal(pairs.theta, given.astype(np.float32))
    assert again.region.holds(given).all()
    assert np.allclose(pairs.data[7], lines(pairs.models[7].reshape(1, 3, 4)), rtol=1e-6)


def test_rounds_go_on_after_stops_to_the_same_bits(case):
    run, survey, paths_of = case
    one, other, calls = paths_of("one"), paths_of("other"), 0
    learn_run(run, survey, one, SETTINGS, False)
    while learn_run(run, survey, other, SETTINGS, True) is None:
        calls += 1
    assert calls == 3 * 5 + 2  # all epochs but the last of each round, and a chunk of each bank
    data = observed(survey)
    first, second = (
        load_learnt(run, paths.network).posterior(data).sample(20) for paths in (one, other)
    )
    assert np.array_equal(first, second)
    for name in ("002/bank/draws.h5", "003/bank/000001.h5"):
        assert (one.rounds / name).read_bytes() == (other.rounds / name).read_bytes()
    # More rounds go on where these ended: nothing is trained or drawn again.
    more = AmortisedSettings.model_validate({**TREE, "rounds": {**ROUNDS, "at_most": 4}})
    told, epochs = Progress(), []
    told.epoch = lambda _, state: epochs.append(state.epoch)
    before = (one.rounds / "003" / "bank" / "000000.h5").stat().st_mtime_ns
    learn_run(run, survey, one, more, False, told)
    assert epochs == [1, 2, 3, 4, 5, 6]
    assert (one.rounds / "003" / "bank" / "000000.h5").stat().st_mtime_ns == before


def test_rounds_of_other_settings_are_refused_and_a_damaged_file_is_made_again(case):
    run, survey, paths_of = case
    paths = paths_of("run")
    learn_run(run, survey, paths, SETTINGS, False)
    wider = AmortisedSettings.model_validate({**TREE, "rounds": {**ROUNDS, "cut": 0.02}})
    with pytest.raises(ConfigError, match=r"other settings of 'amortised'.*remove the folder"):
        learn_run(run, survey, paths, wider, False)
    draws = paths.rounds / "002" / "bank" / "draws.h5"
    whole = draws.read_bytes()
    draws.write_bytes(whole[:-9] + b"?" + whole[-8:])
    learn_run(run, survey, paths, SETTINGS, False)
    assert draws.read_bytes() == whole


def test_settings_that_cannot_be_are_refused():
    for wrong, words in (
        ({"draws": 150}, "'rounds.draws' must be at least twice 'held_out'"),
        ({"cut": 0}, "cut"),
        ({"at_most": 0}, "at_most"),
        ({"narrow": True}, "narrow"),
    ):
        with pytest.raises(ValueError, match=words):
            AmortisedSettings.model_validate({**TREE, "rounds": wrong})


def test_a_section_without_rounds_is_told_as_before():
    tree = {key: value for key, value in TREE.items() if key != "rounds"}
    assert "rounds" not in AmortisedSettings.model_validate(tree).lasting()
    assert "rounds" in SETTINGS.lasting()
