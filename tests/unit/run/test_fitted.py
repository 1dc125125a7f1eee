"""Results are made of a run that is done, and of nothing else."""

from types import SimpleNamespace

import pytest
import torch
from run_example import make_run

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import CheckpointError
from pvi_hpc.inference.history import History
from pvi_hpc.inference.state import State
from pvi_hpc.run import segment as module
from pvi_hpc.run.controller import Progress, to_tree
from pvi_hpc.store.checkpoint import CheckpointStore
from pvi_hpc.store.layout import ProjectPaths

LAST = 10  # of the example's iterations


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with checkpoints at some iterations, and a manifest that says that it is done."""
    paths = ProjectPaths(tmp_path / "line").run("good")
    store = CheckpointStore(paths.checkpoints, "settings")
    monkeypatch.setattr(module, "_store", lambda problem, survey, paths: store)
    paths.segments.mkdir(parents=True)
    (paths.segments / "0.json").touch()

    def save(iteration, converged=False):
        parameters = {"mu": torch.full((3,), float(iteration))}
        state = State(iteration, parameters, converged=converged)
        store.save(iteration, to_tree(Progress(state, History(), SimulationCount(), 0.0)))

    def load():
        return module.load_fitted(SimpleNamespace(run=make_run()), tmp_path, paths)

    return SimpleNamespace(paths=paths, save=save, load=load)


def damage(run, iteration):
    path = run.paths.checkpoints / f"{iteration:06d}.h5"
    path.write_bytes(path.read_bytes()[:-1])


def test_the_last_state_of_a_run_that_is_done_has_a_name(run):
    run.save(LAST - 1)
    run.save(LAST)
    fitted = run.load()
    assert fitted.progress.state.iteration == fitted.id.iteration == LAST
    assert fitted.id.settings == "settings" and run.load().id == fitted.id


def test_a_run_that_has_converged_is_done(run):
    run.save(4, converged=True)
    assert run.load().id.iteration == 4


@pytest.mark.parametrize("how", ["unfinished", "damaged", "gone"])
def test_an_older_state_is_refused_and_its_segments_are_not_done(run, how):
    run.save(6)
    if how != "unfinished":
        run.save(LAST)
    if how == "damaged":
        damage(run, LAST)
    if how == "gone":
        (run.paths.checkpoints / f"{LAST:06d}.h5").unlink()
    with pytest.raises(CheckpointError, match=r"iteration 6 of 10.*'pvi resume line'"):
        run.load()
    assert not list(run.paths.segments.iterdir())


def test_without_any_checkpoint_nothing_is_begun_again_unasked(run):
    with pytest.raises(CheckpointError, match=r"no checkpoint.*remove '.*segments'"):
        run.load()
    run.save(LAST)
    damage(run, LAST)
    with pytest.raises(CheckpointError, match="Restore one from a backup"):
        run.load()
    assert list(run.paths.segments.iterdir())
