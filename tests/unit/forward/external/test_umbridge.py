"""Models of a real UM-Bridge server as forward problems: right numbers, classed faults."""

import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from external_example import SHAPE, external_run, function, true_model
from test_external import findings, result_of, solver_of
from umbridge_example import rays, serving

from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.problem.forward import forward_problem

pytest.importorskip("umbridge")


@pytest.fixture(scope="module")
def server():
    with serving() as (url, _):
        yield url


@pytest.fixture(scope="module")
def unchecked():
    with serving("unchecked") as (url, _):
        yield url


def density(url, fault=None, **settings):
    tree = {"kind": "umbridge", "url": url, "model": "density", "returns": "log_likelihood"}
    config = {} if fault is None else {"fault": fault}
    return {**tree, "config": config, **settings}


def test_a_server_and_a_function_give_the_same_misfit_and_gradient(server, tmp_path):
    by_server = result_of(external_run(tmp_path, **rays(server)), tmp_path)
    by_function = result_of(external_run(tmp_path, **function()), tmp_path)
    assert by_server.misfit == pytest.approx(by_function.misfit, rel=1e-12)
    scale = np.abs(by_function.gradient).max()
    np.testing.assert_allclose(by_server.gradient, by_function.gradient, atol=1e-12 * scale)


def test_the_other_vectors_reach_the_model(server, tmp_path):
    found = []
    for factor in (1.0, 1.5):
        solver = solver_of(
            external_run(tmp_path, **rays(server, other_inputs=[[factor]])), tmp_path
        )
        solver.set_model(true_model())
        found.append(solver.simulate([0], "traces").traces[0])
    np.testing.assert_allclose(found[1], 1.5 * found[0], rtol=1e-6)


def test_products_and_gradients_of_noise_are_those_of_the_function(server, tmp_path):
    found = []
    for forward in (rays(server), function()):
        solver = solver_of(external_run(tmp_path, **forward), tmp_path)
        solver.set_model(true_model())
        solver.set_direction(np.random.default_rng(2).standard_normal(SHAPE))
        found.append(
            (solver.products([0]).gradient, solver.noise_gradients(0, [5]).gradient[0])
        )
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-10 * np.abs(expected).max())


def test_a_log_likelihood_and_its_shots(server, tmp_path):
    solver = solver_of(external_run(tmp_path, **density(server, shots=2)), tmp_path)
    model = true_model()
    solver.set_model(model)
    found = solver.simulate([0, 1], "gradient")
    assert found.misfit == pytest.approx(3 * 0.5e-6 * np.sum((model - 2500) ** 2))
    np.testing.assert_allclose(found.gradient, 3e-6 * (model - 2500), rtol=1e-9)


@pytest.mark.parametrize(
    ("fault", "failure", "message"),
    [
        ("raises", "solver_error", "500 Internal Server Error"),
        ("nan", "non_finite", "NaN or infinite"),
        ("infinite", "non_finite", "NaN or infinite"),
        ("short", "wrong_result", "InvalidOutput: Output vector 0 has invalid length"),
        ("short gradient", "wrong_result", "InvalidOutput"),
        ("slow", "hang", r"no answer within 1 s \('forward.time_limit_s'\)"),
    ],
)
def test_each_fault_of_a_model_has_its_class(server, tmp_path, fault, failure, message):
    run = external_run(tmp_path, **density(server, fault, time_limit_s=1.0))
    with pytest.raises(SolverError, match=message) as caught:
        result_of(run, tmp_path)
    assert caught.value.failure == failure
    assert f"'density' at {server}" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("short", "output 0 must be one number, got 0"),
        ("short gradient", r"gradient must have shape \(8, 9, 10\), got \(719,\)"),
        ("text", "is no JSON|must be one number"),
    ],
)
def test_a_server_that_does_not_check_is_checked_here(unchecked, tmp_path, fault, message):
    with pytest.raises(SolverError, match=message):
        result_of(external_run(tmp_path, **density(unchecked, fault)), tmp_path)


def test_a_wrong_index_and_wrong_settings_cannot_be_helped_by_another_try(server, tmp_path):
    run = external_run(tmp_path, **rays(server, other_inputs=[[1.0, 2.0]]))
    with pytest.raises(SolverError, match="Input parameter 0 has invalid length") as caught:
        result_of(run, tmp_path)
    assert caught.value.failure == "bad_model"
    run = external_run(tmp_path, **rays(server, output=2))
    with pytest.raises(SolverError, match="list of vectors that has number 2") as caught:
        result_of(run, tmp_path)
    assert caught.value.failure == "wrong_result"


def test_a_server_that_dies_is_a_crash_and_one_that_comes_back_is_used(tmp_path):
    with serving() as (url, process):
        solver = solver_of(external_run(tmp_path, **density(url)), tmp_path)
        solver.set_model(true_model())
        before = solver.simulate([0], "gradient")
        process.kill()
        process.wait()
        with pytest.raises(SolverError, match="does not answer") as caught:
            solver.simulate([0], "gradient")
        assert caught.value.failure == "crash"
        with serving(port=int(url.rpartition(":")[2])):
            after = solver.simulate([0], "gradient")
    assert after.misfit == before.misfit


def test_a_good_server_passes_the_check_and_its_gradient_is_measured(server, tmp_path):
    run = external_run(tmp_path, **rays(server))
    assert findings(run) == []
    assert any("has the right sizes" in text for text in findings(run, "ok"))
    problem = forward_problem(run)
    (measured,) = problem.measure(problem.geometry())
    assert measured.level == "ok", measured


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "waves"}, "must be one of rays, density, valueless, which .* got 'waves'"),
        ({"other_inputs": [[1.0, 2.0]]}, r"input vectors of \[2, 720\].*got \[1, 720\]"),
        ({"input": 0}, r"input vectors of \[720, 1\] numbers, .* got \[1, 720\]"),
        (
            {"output": 0},
            r"output vector number 0 of 242 numbers.*got output vectors of \[2, 242\]",
        ),
        ({"output": 5}, "output vector number 5 of 242"),
    ],
)
def test_a_model_that_does_not_fit_is_found_before_a_run(server, tmp_path, settings, message):
    found = findings(external_run(tmp_path, **rays(server, **settings)))
    assert len(found) == 1 and re.search(message, found[0]), found


def test_no_server_and_no_gradient_are_found_before_a_run(server, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        (message,) = findings(external_run(tmp_path, **density(url)))
    assert message.startswith("forward.url: ") and "the server does not answer" in message
    (message,) = findings(external_run(tmp_path, **density(server, model="valueless")))
    assert "forward.gradient: is 'returned', but 'valueless' has no Gradient" in message
    slow = {"model": "valueless", "gradient": "differences", "seconds": 0.01}
    run = external_run(tmp_path, **density(server, **slow))
    assert findings(run) == []


def test_something_else_than_an_umbridge_server_is_refused(tmp_path):
    words = [
        sys.executable,
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "0",
        "-d",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        [words[0], "-u", *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = process.stdout.readline().split("port ")[1].split()[0]
        (message,) = findings(external_run(tmp_path, **density(f"http://127.0.0.1:{port}")))
        assert "the answer is no JSON" in message
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'input' must be at most 1"):
        external_run(tmp_path, **rays("http://localhost:4242", input=2))
    with pytest.raises(ValueError, match="'config' must not have 'shot'"):
        external_run(tmp_path, **density("http://localhost:1", shots=2, config={"shot": 1}))
    with pytest.raises(ValueError, match="url"):
        external_run(tmp_path, **density("localhost:4242"))


def test_a_begun_run_may_go_on_with_a_server_elsewhere(tmp_path):
    a = external_run(tmp_path, **density("http://localhost:4242"))
    b = external_run(tmp_path, **density("http://node7:5000", time_limit_s=5))
    c = external_run(tmp_path, **density("http://localhost:4242", config={"level": 2}))
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()


def test_without_the_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umbridge", None)
    run = external_run(tmp_path, **density("http://localhost:4242"))
    (message,) = findings(run)
    assert "pip install 'pvi_hpc[umbridge]'" in message
    with pytest.raises(ConfigError, match="pip install"):
        solver_of(run, tmp_path)
