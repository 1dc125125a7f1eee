"""A matrix from a file as forward problem: misfit, gradient, parts, and what is refused."""

import shutil

import h5py
import numpy as np
import pytest
from run_example import make_run
from scipy.sparse import csr_array, random_array, save_npz

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey_file import SurveyFile, file_hash, write_survey
from pvi_hpc.errors import SolverError, SurveyError
from pvi_hpc.forward.comparison import noise_of
from pvi_hpc.forward.problem import plugin_of
from pvi_hpc.problem.forward import forward_problem

SHAPE, ROWS = (1, 7, 6), 23


@pytest.fixture
def matrix():
    rng = np.random.default_rng(3)
    return csr_array(random_array((ROWS, 42), density=0.3, rng=rng, format="csr"))


def slowness():
    return 0.3 + 0.02 * np.random.default_rng(4).standard_normal(SHAPE)


@pytest.fixture
def linear_run(tmp_path, matrix):
    save_npz(tmp_path / "jacobian.npz", matrix)
    data = matrix @ slowness().ravel() + 0.01
    data[5] = np.nan
    np.save(tmp_path / "data.npy", data)
    np.save(tmp_path / "noise.npy", np.linspace(0.01, 0.03, ROWS))

    def make(**changes):
        forward = {
            "kind": "linear",
            "jacobian": {"file": str(tmp_path / "jacobian.npz")},
            "data": str(tmp_path / "data.npy"),
            "noise_sd": str(tmp_path / "noise.npy"),
        }
        prior = {
            "kind": "normal",
            "depth_m": [0],
            "mean_m_s": [0.3],
            "sd_m_s": [0.05],
        }
        grid = {"shape": list(SHAPE), "spacing_m": 1.0}
        return make_run(survey=None, grid=grid, prior=prior, forward=forward | changes)

    return make


def solver_of(run, folder):
    problem = forward_problem(run)
    write_survey(problem.geometry(), folder / "survey.h5")
    setup = problem.setup(SurveyFile(folder / "survey.h5"), file_hash(folder / "survey.h5"))
    own = folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    return plugin_of("linear").solver(setup, own, None)


def findings(run, level="error"):
    return [f"{f.setting}: {f.message}" for f in check_run(run) if f.level == level]


@pytest.mark.parametrize("shots", [1, 4])
def test_misfit_and_gradient_are_those_of_the_matrix(linear_run, tmp_path, matrix, shots):
    solver = solver_of(linear_run(shots=shots), tmp_path)
    model = slowness() * 1.03
    solver.set_model(model)
    found = solver.simulate(range(shots), "gradient")
    data = np.load(tmp_path / "data.npy").astype(np.float32)
    used = np.isfinite(data)
    residual = np.where(used, matrix @ model.ravel() - np.nan_to_num(data), 0.0)
    residual /= np.linspace(0.01, 0.03, ROWS)
    assert found.misfit == pytest.approx(0.5 * np.sum(residual**2), rel=1e-9)
    gradient = matrix.T @ (residual / np.linspace(0.01, 0.03, ROWS))
    np.testing.assert_allclose(found.gradient.ravel(), gradient, rtol=1e-9, atol=1e-9)
    traces = solver.simulate(range(shots), "traces").traces
    dealt = np.empty(ROWS)
    for i, trace in enumerate(traces):
        dealt[i::shots] = trace[:, 0]
    np.testing.assert_allclose(dealt, matrix @ model.ravel(), rtol=1e-6)


def test_gradients_of_noise_have_the_information_of_the_data(linear_run, tmp_path, matrix):
    solver = solver_of(linear_run(shots=3), tmp_path)
    solver.set_model(slowness())
    found = solver.noise_gradients(2, (7, 8)).gradient
    noise = noise_of(SurveyFile(tmp_path / "survey.h5").shot(2), 1, 8, 2)[:, 0]
    np.testing.assert_allclose(found[1].ravel(), matrix[2::3].T @ noise, rtol=1e-12)


def test_products_are_those_of_the_matrix(linear_run, tmp_path, matrix):
    solver, direction = solver_of(linear_run(shots=3), tmp_path), slowness() - 0.3
    solver.set_model(slowness())
    solver.set_direction(direction)
    used = np.isfinite(np.load(tmp_path / "data.npy"))
    weight = used / np.linspace(0.01, 0.03, ROWS) ** 2
    dense = matrix.toarray()
    expected = dense.T @ (weight * (dense @ direction.ravel()))
    np.testing.assert_allclose(
        solver.products(range(3)).gradient.ravel(), expected, rtol=1e-9, atol=1e-9
    )


def test_files_of_hdf5_and_dense_ones_give_the_same(linear_run, tmp_path, matrix):
    with h5py.File(tmp_path / "j.h5", "w") as file:
        group = file.create_group("rays")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["shape"] = matrix.shape
    np.save(tmp_path / "j.npy", matrix.toarray())
    results = []
    for name in ("jacobian.npz", "j.h5", "j.npy"):
        solver = solver_of(linear_run(jacobian={"file": str(tmp_path / name)}), tmp_path)
        solver.set_model(slowness() * 1.03)
        results.append(solver.simulate([0], "gradient"))
    assert results[0].misfit == results[1].misfit == results[2].misfit
    np.testing.assert_array_equal(results[0].gradient, results[1].gradient)
    np.testing.assert_array_equal(results[0].gradient, results[2].gradient)


def test_a_good_problem_passes_and_tells_what_it_sees(linear_run):
    assert findings(linear_run()) == []
    (found,) = [f for f in findings(linear_run(), "ok") if f.startswith("forward.jacobian")]
    assert "data depend on 42 of 42 cells" in found


def test_matrices_that_do_not_fit_are_refused(linear_run, tmp_path, matrix):
    def only(rows, **changes):
        save_npz(tmp_path / "other.npz", csr_array(rows))
        (found,) = findings(
            linear_run(jacobian={"file": str(tmp_path / "other.npz")}, **changes)
        )
        return found

    assert "must have a column for each of the 42 cells" in only(matrix[:, :40])
    assert "must have a row for each of the 23 data" in only(matrix[:20])
    wrong = matrix.copy()
    wrong.data[3] = np.nan
    assert "must be finite" in only(wrong)
    empty = matrix.toarray()
    empty[4] = 0
    save_npz(tmp_path / "other.npz", csr_array(empty))
    run = linear_run(jacobian={"file": str(tmp_path / "other.npz")})
    assert any("has 1 rows without an element" in f for f in findings(run, "warning"))
    (found,) = findings(linear_run(jacobian={"file": str(tmp_path / "absent.npz")}))
    assert "absent.npz" in found
    with pytest.raises(SurveyError, match=r"'forward.shots' must be at most .*23, got 24"):
        forward_problem(linear_run(shots=24)).geometry()


def test_another_matrix_is_another_problem(linear_run, tmp_path, matrix):
    run = linear_run()
    before = forward_problem(run).geometry().attributes
    assert str(tmp_path / "jacobian.npz") in forward_problem(run).inputs()
    solver_of(run, tmp_path)
    setup = forward_problem(run).setup(SurveyFile(tmp_path / "survey.h5"), "")
    save_npz(tmp_path / "jacobian.npz", 2 * matrix)
    assert forward_problem(run).geometry().attributes != before
    with pytest.raises(SolverError, match="has changed since the survey"):
        plugin_of("linear").solver(setup, tmp_path / "own", None)
    assert linear_run(shots=2).fingerprint() != run.fingerprint()
