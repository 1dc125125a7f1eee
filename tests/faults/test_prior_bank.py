"""A bank of prior draws on real workers: stopped, a worker killed, and the same bytes."""

import os
import signal

import numpy as np
import psutil
import pytest
from bank_example import HereGang, bank_run, dies

from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.problem.forward import forward_problem
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.chunk import _Chunk
from pvi_hpc.run.amortised.sample_prior import sample_prior
from pvi_hpc.store.bank_file import chunk_path, write_chunk

pytestmark = pytest.mark.usefixtures("no_orphans")
DRAWS, SIZE = 200, 25


class Stop:
    """A request to stop that comes when it is told to."""

    received = "a test"

    def __init__(self):
        self.now = False

    def asked(self):
        return self.now

    def __bool__(self):
        return self.now


@pytest.mark.slow
def test_a_bank_is_the_same_however_often_it_is_interrupted(tmp_path):
    run = bank_run(tmp_path, "dies", execution={"workers": 2, "retries": 1, "timeout_s": 60})
    survey, folder = tmp_path / "survey.h5", tmp_path / "bank"
    write_survey(forward_problem(run).geometry(), survey)
    settings = AmortisedSettings(draws=DRAWS, draws_per_chunk=SIZE, held_out=100)
    stop, told = Stop(), []

    def stop_soon(done, chunks):
        told.append(done)
        stop.now = True

    assert sample_prior(run, survey, folder, settings, stop, stop_soon) is None
    assert 1 <= told[-1] < 8 and not (folder / "bank.json").exists()
    stop.now, killed = False, []

    def kill_a_worker(done, chunks):
        if not killed:
            workers = [p for p in psutil.Process().children(recursive=True) if is_worker(p)]
            os.kill(workers[0].pid, signal.SIGKILL)
            killed.append(workers[0].pid)

    summary = sample_prior(run, survey, folder, settings, stop, kill_a_worker)
    assert killed and summary.made < 8 and summary.chunks == 8
    # A third call finds all done, and starts no worker.
    assert sample_prior(run, survey, folder, settings, stop).made == 0
    bank = Bank(recipe_of(run, survey, folder, DRAWS, SIZE))
    models = np.concatenate([chunk.models for chunk in bank.chunks()])
    data = np.concatenate([chunk.data for chunk in bank.chunks()])
    slow, dead = models[:, 0] < 1100, models[:, -1] < 1020
    assert slow.sum() and dead.sum()
    assert np.array_equal(np.isnan(data).any(axis=1), slow | dead)
    assert summary.failed == (slow | dead).sum()
    good = models[~(slow | dead)].astype(float).reshape(-1, 1, 3, 4)
    assert np.allclose(data[~(slow | dead)], [dies(model) for model in good], rtol=1e-6)
    kinds = {
        draw: kind for chunk in bank.chunks() for draw, (kind, _) in chunk.failures.items()
    }
    assert {draw for draw, kind in kinds.items() if kind == "crash"} == set(
        np.flatnonzero(dead)
    )
    # The same bytes as without workers, gangs and interruptions.
    for i in range(8):
        made = _Chunk(bank.recipe, bank.recipe.model_map(), HereGang(dies), bank.recipe.rows(i))
        made.simulate()
        write_chunk(tmp_path, i, bank.recipe.fingerprint, made.chunk())
        assert chunk_path(tmp_path, i).read_bytes() == chunk_path(folder, i).read_bytes()


def is_worker(process):
    """Tell whether a process is one that does tasks of Dask."""
    words = " ".join(process.cmdline())
    return "spawn_main" in words or "dask_worker" in words
