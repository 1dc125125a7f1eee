"""Functions and programs as forward problems: the same answers, and every fault refused."""

import re
import shutil
import sys

import numpy as np
import pytest
from external_example import (
    EXAMPLES,
    SHAPE,
    command,
    compiled,
    external_run,
    function,
    observed,
    true_model,
)

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey_file import SurveyFile, file_hash, write_survey
from pvi_hpc.errors import ConfigError, NonFiniteError, SolverError
from pvi_hpc.forward.comparison import noise_of
from pvi_hpc.forward.problem import plugin_of
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.solver_capabilities import answer_of
from pvi_hpc.inference.settings import HessianSettings
from pvi_hpc.problem.forward import forward_problem


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("program"))


def solver_of(run, folder):
    """Return the solver of a run as a rank makes it."""
    problem = forward_problem(run)
    write_survey(problem.prepare(lambda *_: []), folder / "survey.h5")
    digest = file_hash(folder / "survey.h5")
    setup = problem.setup(SurveyFile(folder / "survey.h5"), digest)
    setup = SimulationSetup.from_json(setup.to_json())
    own = folder / "own"
    own.mkdir(exist_ok=True)
    return plugin_of(setup.kind).solver(setup, own, None)


def result_of(run, folder, model=None):
    solver = solver_of(run, folder)
    solver.set_model(true_model() * 1.02 if model is None else model)
    return solver.simulate([0], "gradient")


def test_function_and_program_give_the_same_misfit_and_gradient(program, tmp_path):
    by_function = result_of(external_run(tmp_path, **function()), tmp_path)
    by_program = result_of(external_run(tmp_path, **command(program)), tmp_path)
    assert by_program.misfit == pytest.approx(by_function.misfit, rel=1e-12)
    scale = np.abs(by_function.gradient).max()
    np.testing.assert_allclose(by_program.gradient, by_function.gradient, atol=1e-12 * scale)
    assert not list((tmp_path / "own").iterdir())


def test_gradients_of_noise_of_function_and_program_agree(program, tmp_path):
    from straight_rays import travel_times

    found = []
    for forward in (function(), command(program)):
        solver = solver_of(external_run(tmp_path, **forward), tmp_path)
        solver.set_model(true_model())
        found.append(solver.noise_gradients(0, (5, 6)).gradient)
        shutil.rmtree(tmp_path / "own")
    scale = np.abs(found[0]).max()
    assert scale > 0
    np.testing.assert_allclose(found[0], found[1], atol=1e-12 * scale)
    survey = SurveyFile(tmp_path / "survey.h5").shot(0)
    _, pull = travel_times(true_model(), 50.0)
    np.testing.assert_allclose(found[0][1], pull(noise_of(survey, 1, 6, 0)[:, 0]), rtol=1e-9)


def test_a_misfit_alone_has_no_gradients_of_noise(tmp_path):
    forward = {**function(), "gradient": "differences"}
    run = external_run(tmp_path, **forward)
    asked = run.start.model_copy(update={"hessian": HessianSettings(kind="noise")})
    findings = check_run(run.model_copy(update={"start": asked}))
    assert "start.hessian.kind" in [f.setting for f in findings if f.level == "error"]
    solver = solver_of(run, tmp_path)
    solver.set_model(true_model())
    with pytest.raises(SolverError, match="need the gradient of data"):
        answer_of(solver, [0], "noise", [1])
    with pytest.raises(SolverError, match="need the gradient of data"):
        answer_of(solver, [0], "product", ())


def test_products_of_function_and_program_come_from_differences_of_the_data(program, tmp_path):
    from straight_rays import travel_times

    direction = np.random.default_rng(2).standard_normal(SHAPE)
    found = []
    for forward in (function(), command(program)):
        solver = solver_of(external_run(tmp_path, **forward), tmp_path)
        solver.set_model(true_model())
        solver.set_direction(np.zeros(SHAPE))
        assert not solver.products([0]).gradient.any()
        solver.set_direction(direction)
        found.append(solver.products([0]).gradient)
        shutil.rmtree(tmp_path / "own")
    scale = np.abs(found[0]).max()
    np.testing.assert_allclose(found[0], found[1], atol=1e-7 * scale)
    shot, (_, pull) = (
        SurveyFile(tmp_path / "survey.h5").shot(0),
        travel_times(true_model(), 50.0),
    )
    rows = np.stack([pull(row) for row in np.eye(len(shot.noise_sd))])
    weight = np.where(np.isfinite(shot.noise_sd), shot.noise_sd, np.inf) ** -2
    expected = np.tensordot(weight * np.tensordot(rows, direction, 3), rows, 1)
    np.testing.assert_allclose(found[0], expected, atol=1e-6 * scale)


def test_the_misfit_is_that_of_the_data_without_the_missing_one(tmp_path):
    from straight_rays import travel_times

    data = np.load(observed(tmp_path)).astype(np.float32)
    model = true_model() * 1.02
    expected = 0.5 * np.nansum(((travel_times(model, 50.0)[0] - data) / 0.001) ** 2)
    assert result_of(external_run(tmp_path, **function()), tmp_path).misfit == pytest.approx(
        expected, rel=1e-9
    )


MODULE = """
import numpy as np
import torch
SCALE = 1e-6
def log_likelihood(model):
    return -0.5 * SCALE * np.sum((model - 2500.0) ** 2), -SCALE * (model - 2500.0)
def alone(model):
    return log_likelihood(model)[0]
def with_torch(model):
    return -0.5 * SCALE * ((model - 2500.0) ** 2).sum()
def data_with_torch(model, shot, factor):
    return factor * (shot + 1) * model.flatten()[:5]
def wrong_sign(model):
    return log_likelihood(model)[0], SCALE * (model - 2500.0)
def breaks(model):
    raise ValueError("the mesh has a hole")
def bad_adjoint(model):
    def pull(derivative):
        raise ZeroDivisionError("the step is zero")
    return model.ravel()[:5], pull
def array_adjoint(model):
    return model.ravel()[:5], model
def nan(model):
    return np.nan, model
def flat(model):
    return 1.0, model.ravel()
"""


@pytest.fixture
def module(tmp_path):
    (tmp_path / "mine_forward.py").write_text(MODULE)

    def run(name, **settings):
        settings = {"returns": "log_likelihood", **settings}
        tree = function(f"mine_forward:{name}", directory=str(tmp_path), arguments={})
        return external_run(tmp_path, **{**tree, **settings})

    return run


@pytest.mark.parametrize(
    ("name", "gradient"),
    [
        ("log_likelihood", "returned"),
        ("with_torch", "autograd"),
        ("alone", "differences"),
    ],
)
def test_a_log_likelihood_is_differentiated_in_three_ways(module, tmp_path, name, gradient):
    found = result_of(module(name, gradient=gradient), tmp_path)
    model = true_model() * 1.02
    assert found.misfit == pytest.approx(0.5e-6 * np.sum((model - 2500) ** 2))
    np.testing.assert_allclose(found.gradient, 1e-6 * (model - 2500), rtol=1e-5, atol=1e-9)


def test_shots_arguments_and_autograd_of_data(module, tmp_path):
    run = module(
        "data_with_torch",
        returns="data",
        gradient="autograd",
        shots=2,
        arguments={"factor": 2.0},
        noise_sd=10.0,
    )
    data = np.full((2, 5), 4000.0)
    np.save(tmp_path / "observed.npy", data)
    solver = solver_of(run, tmp_path)
    model = true_model()
    solver.set_model(model)
    one = solver.simulate([1], "gradient")
    first = model.ravel()[:5]
    assert one.misfit == pytest.approx(0.5 * np.sum(((4 * first - 4000) / 10) ** 2))
    expected = np.zeros(SHAPE)
    expected.ravel()[:5] = 4 * (4 * first - 4000) / 100
    np.testing.assert_allclose(one.gradient, expected, rtol=1e-6)
    traces = solver.simulate([0, 1], "traces").traces
    np.testing.assert_allclose(traces[1], 2 * traces[0])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("breaks", SolverError, "raised ValueError: the mesh has a hole"),
        ("nan", NonFiniteError, "misfit of shot 1 is not finite"),
        ("flat", SolverError, r"gradient must have shape \(8, 9, 10\), got \(720,\)"),
        ("alone", SolverError, "must return a pair"),
    ],
)
def test_a_function_that_fails_says_why(module, tmp_path, name, error, message):
    with pytest.raises(error, match=message):
        result_of(module(name), tmp_path)


def test_a_gradient_of_the_wrong_sign_is_refused_before_the_run(module):
    def measured(name):
        problem = forward_problem(module(name))
        (finding,) = problem.measure(problem.geometry())
        return finding

    good, bad = measured("log_likelihood"), measured("wrong_sign")
    assert good.level == "ok", good
    assert bad.level == "error"
    assert "correct the gradient (its sign" in bad.message


def findings(run, level="error"):
    return [f"{f.setting}: {f.message}" for f in check_run(run) if f.level == level]


def test_a_good_function_and_a_good_program_pass_the_check(program, tmp_path):
    assert findings(external_run(tmp_path, **function())) == []
    assert findings(external_run(tmp_path, **command(program))) == []


def test_what_cannot_be_used_is_found_before_a_run(program, tmp_path):
    def only(**forward):
        (message,) = findings(external_run(tmp_path, **forward))
        return message

    assert "cannot be imported (AttributeError" in only(**function("straight_rays:absent"))
    assert "ModuleNotFoundError" in only(**function("no_such_module:f"))
    assert "must take the model and ['cells']" in only(**function(arguments={"cells": 1}))
    missing = {**command(program), "command": ["./no-such-program"]}
    assert "must be a program that can be executed" in only(**missing)
    assert "shape (3, n)" in only(**function(), shots=3)
    assert "'.npy' file of numbers" in only(**function(), noise_sd=str(EXAMPLES))
    run = external_run(tmp_path, **function())
    two = run.model_copy(update={"execution": run.execution.model_copy(update={"ranks": 2})})
    assert findings(two) == [
        "execution.ranks: must be 1 with 'forward.kind: function', got 2; give cores to one "
        "simulation by 'execution.threads'."
    ]


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'returns: data' needs 'data' and 'noise_sd'"):
        external_run(tmp_path, **function(), data=None)
    with pytest.raises(ValueError, match=r"got '\{nonsense\}'"):
        external_run(tmp_path, kind="command", command=["prog", "{nonsense}"])
    with pytest.raises(
        (ConfigError, ValueError), match="acoustic, command, dispersion, eikonal, function"
    ):
        external_run(tmp_path, kind="elastic")


def test_another_program_is_another_problem(program, tmp_path):
    copied = tmp_path / "straight_rays"
    copied.write_bytes(program.read_bytes())
    copied.chmod(0o755)
    before = forward_problem(external_run(tmp_path, **command(copied))).geometry()
    with copied.open("ab") as file:
        file.write(b"changed")
    problem = forward_problem(external_run(tmp_path, **command(copied)))
    assert problem.geometry().attributes != before.attributes
    assert str(copied) in problem.inputs()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad_adjoint", "derivative of .* raised ZeroDivisionError: the step is zero"),
        ("array_adjoint", "must return a function as the second of its pair"),
    ],
)
def test_an_adjoint_that_fails_says_why(module, tmp_path, name, message):
    run = module(name, returns="data", noise_sd=1.0)
    np.save(tmp_path / "observed.npy", np.ones(5))
    with pytest.raises(SolverError, match=message):
        result_of(run, tmp_path)
    problem = forward_problem(run)
    (finding,) = problem.measure(problem.geometry())
    assert finding.level == "error" and "the first simulation failed" in finding.message


def test_a_program_that_changes_while_a_run_goes_on_is_refused(program, tmp_path):
    copied = tmp_path / "straight_rays"
    copied.write_bytes(program.read_bytes())
    copied.chmod(0o755)
    run = external_run(tmp_path, **command(copied))
    assert np.isfinite(result_of(run, tmp_path).misfit)
    problem = forward_problem(run)
    setup = problem.setup(SurveyFile(tmp_path / "survey.h5"), "")
    with copied.open("ab") as file:
        file.write(b"changed")
    with pytest.raises(SolverError, match=r"straight_rays' has changed since the survey"):
        plugin_of(setup.kind).solver(setup, tmp_path / "own", None)


def test_keys_that_change_no_result_may_change_in_a_begun_run(program, tmp_path):
    a = external_run(tmp_path, **command(program))
    b = external_run(tmp_path, **command(program), time_limit_s=5, seconds=9, max_error=None)
    c = external_run(tmp_path, **command(program), files=[str(EXAMPLES / "straight_rays.c")])
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()


def test_a_program_of_a_virtual_environment_stays_in_it(tmp_path):
    words = [sys.executable, "{folder}"]
    run = external_run(tmp_path, kind="command", command=words)
    assert sys.executable in forward_problem(run).inputs()


@pytest.mark.parametrize(
    ("data", "noise", "message"),
    [
        ([1.0, np.inf], 1.0, r"'forward.data' must be finite, or NaN .*got inf for datum 2"),
        ([1.0, 2.0], [1.0, 0.0], "'forward.noise_sd' must be positive, got 0.0 for datum 2"),
    ],
)
def test_data_and_noise_that_cannot_be_are_refused(tmp_path, data, noise, message):
    noise_sd = noise
    if isinstance(noise, list):
        np.save(tmp_path / "noise.npy", noise)
        noise_sd = str(tmp_path / "noise.npy")
    run = external_run(tmp_path, **function(), noise_sd=noise_sd)
    np.save(tmp_path / "observed.npy", data)
    (found,) = findings(run)
    assert re.search(message, found)


def test_a_file_that_is_not_there_and_a_task_that_lasts_too_long_are_found(tmp_path):
    (message,) = findings(external_run(tmp_path, **function(), files=["no-such-file"]))
    assert "'no-such-file' is part of the forward problem" in message
    (message,) = findings(external_run(tmp_path, **function(), seconds=1e4))
    assert message.startswith("execution.timeout_s: must exceed the 2e+04 s that a task takes")
