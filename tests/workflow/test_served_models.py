"""A run by a served model, whose server dies meanwhile; and a run that serves itself."""

import json
import signal
import time

import numpy as np
import pytest
from external_example import function
from test_external_programs import LAST, assert_same_bits, external_project, parameters
from tiny_project import Project
from umbridge_example import rays, serving

from pvi_hpc.run.results import open_project

umbridge = pytest.importorskip("umbridge")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The project of a run by a served model, and its parameters."""
    made = Project(tmp_path_factory.mktemp("undisturbed"))
    with serving() as (url, _):
        external_project(made, rays(url)).steps("segment")
    return made, parameters(made)


def test_a_served_model_gives_the_posterior_of_the_function(undisturbed, project):
    made = external_project(project, function())
    made.steps("segment")
    for name, value in undisturbed[1].items():
        np.testing.assert_allclose(parameters(made)[name], value, rtol=1e-7, atol=1e-9)


def test_a_server_that_dies_and_comes_back_changes_no_bit(undisturbed, project):
    made = external_project(project, {})
    with serving() as (url, server):
        made = external_project(project, rays(url, max_error=None))
        made.tree["execution"]["retries"] = 9
        made.write()
        process = made.start_controller("psvi")
        ledger, deadline = made.results / "psvi" / "ledger.jsonl", time.monotonic() + 300
        while time.monotonic() < deadline:
            if ledger.exists() and '"done"' in ledger.read_text():
                break
            time.sleep(0.02)
        server.kill()
        server.wait()
        time.sleep(1)
        with serving(port=int(url.rpartition(":")[2])):
            text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    assert (made.results / "psvi" / "checkpoints" / LAST).exists()
    assert_same_bits(made, undisturbed[1])
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    kinds = {event["kind"] for event in events if event["event"] == "failed"}
    assert kinds == {"crash"}


def test_a_run_is_served_by_its_workers_until_it_is_told_to_stop(undisturbed):
    made, _ = undisturbed
    external_project(made, rays("http://localhost:1"))
    with serving() as (url, _):
        external_project(made, rays(url))._begin()
        process = made.start("serve", "tiny", "--port", "0")
        line = process.stdout.readline()
        assert "is served at http://127.0.0.1:" in line, line + process.stdout.read()
        posterior = umbridge.HTTPModel(line.split(" at ")[1].split()[0], "posterior")
        theta = 0.3 * np.random.default_rng(1).standard_normal(posterior.get_input_sizes()[0])
        value = posterior([theta.tolist()])[0][0]
        gradient = np.array(posterior.gradient(0, 0, [theta.tolist()], [1.0]))
        cells = umbridge.HTTPModel(posterior.url, "model")([theta.tolist()])[0]
        refused = made.start("serve", "tiny", "--port", "0")
        assert "is being worked on by process" in refused.communicate(timeout=120)[0]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        assert process.returncode == 0, rest
        results = open_project(made.results)["psvi"]
        model = np.array(cells).reshape(results.grid.shape)
        misfit, _ = results.misfit_and_gradient(model)
    assert value == pytest.approx(
        -misfit - 0.5 * theta @ theta - 0.5 * len(theta) * np.log(2 * np.pi)
    )
    assert gradient.shape == theta.shape and np.abs(gradient + theta).max() > 0
    assert "There is no password: every user of this machine" in rest
