"""Learning the posterior of a run from a small bank: files, going on, and what is refused."""

import json

import numpy as np
import pytest
from bank_example import HereGang, bank_run, lines

from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import CheckpointError, ConfigError
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.chunk import _Chunk
from pvi_hpc.run.amortised.kept import Progress
from pvi_hpc.run.amortised.learn import learn_run
from pvi_hpc.run.amortised.lesson import observed
from pvi_hpc.run.amortised.load import load_learnt
from pvi_hpc.store.bank_file import write_chunk
from pvi_hpc.store.layout import RunPaths

NETWORK = {"kind": "mixture", "options": {"components": 1, "hidden": [16]}}
SETTINGS = AmortisedSettings.model_validate(
    {
        "draws": 400,
        "draws_per_chunk": 400,
        "held_out": 100,
        "posterior_draws": 50,
        "network": NETWORK,
        "training": {"max_epochs": 4, "learning_rate": 0.02, "batch": 64},
    }
)


@pytest.fixture
def case(tmp_path):
    """A run, its survey and its paths, with a whole bank."""
    run, survey, paths = bank_run(tmp_path), tmp_path / "survey.h5", RunPaths(tmp_path / "run")
    write_survey(forward_problem(run).geometry(), survey)
    recipe = recipe_of(run, survey, paths.bank, SETTINGS.draws, SETTINGS.draws_per_chunk)
    Bank(recipe).claim()
    made = _Chunk(recipe, recipe.model_map(), HereGang(lines), recipe.rows(0))
    made.simulate()
    write_chunk(recipe.folder, 0, recipe.fingerprint, made.chunk())
    return run, survey, paths


def test_what_is_learnt_is_written_and_read_again(case):
    run, survey, paths = case
    found = learn_run(run, survey, paths, SETTINGS, stop=False)
    facts = json.loads(paths.learnt.read_text())
    assert facts["verdict"]["passed"] == found.verdict.passed
    assert facts["verdict"]["pairs"] == 100 and facts["epochs"] == [4]
    for name in ("calibration.png", "learning.png"):
        assert (paths.network / name).stat().st_size > 1000
    data, again = observed(survey), load_learnt(run, paths.network)
    posterior = again.posterior(data)
    assert np.array_equal(posterior.sample(5), found.network.posterior(data).sample(5))
    written = np.load(paths.network / "posterior.npz")
    mean, sd = posterior.moments()
    assert np.array_equal(written["mean"], mean[0]) and np.array_equal(written["sd"], sd[0])
    assert written["quantiles"].shape == (5, 12)
    # The model of the data is homogeneous; its sums are known to 2 %, its cells hardly.
    assert np.abs(mean[0].reshape(3, 4).mean(axis=1) - 1500).max() < 100
    assert (sd[0] > 100).all() and (sd[0] < 300).all()


def test_training_goes_on_after_a_stop_to_the_same_bits(case):
    run, survey, paths = case
    data, stops = observed(survey), 0
    while learn_run(run, survey, paths, SETTINGS, stop=True) is None:
        stops += 1
    assert stops == 3
    stopped = load_learnt(run, paths.network).posterior(data).sample(3)
    other = RunPaths(paths.folder.parent / "other")
    other.folder.mkdir()
    paths.bank.rename(other.bank)
    learn_run(run, survey, other, SETTINGS, stop=False)
    assert np.array_equal(load_learnt(run, other.network).posterior(data).sample(3), stopped)
    # More epochs go on where these ended.
    more = SETTINGS.training.model_copy(update={"max_epochs": 5})
    epochs, told = [], Progress()
    told.epoch = lambda _, state: epochs.append(state.epoch)
    longer = SETTINGS.model_copy(update={"training": more})
    learn_run(run, survey, other, longer, False, told)
    assert epochs == [5]


def test_a_bank_that_is_not_whole_and_other_noise_are_refused(case):
    run, survey, paths = case
    more = SETTINGS.model_copy(update={"draws": 900})
    with pytest.raises(ConfigError, match=r"pvi sample-prior"):
        learn_run(run, survey, paths, more, stop=False)
    tree = run.model_dump(mode="json")
    weighed = type(run).model_validate({**tree, "likelihood": {"noise": {}}})
    with pytest.raises(ConfigError, match="'likelihood' must have its defaults"):
        learn_run(weighed, survey, paths, SETTINGS, stop=False)
    with pytest.raises(CheckpointError, match=r"network\.h5"):
        load_learnt(run, paths.network)
