"""The results of a finished project, opened in Python."""

import h5py
import numpy as np
import pytest

import pvi_hpc
from pvi_hpc.errors import ConfigError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(finished):
    return pvi_hpc.open_project(finished.results)


def test_survey_posterior_and_samples_are_those_of_the_files(finished, project):
    assert project.runs == ("mean_field", "psvi")
    assert "psvi" in repr(project) and "structured" in repr(project["psvi"])
    assert len(project.survey.shots) == 2
    run = project["psvi"]
    with h5py.File(finished.results / "psvi" / "posterior.h5") as file:
        np.testing.assert_array_equal(run.posterior.mean, file["mean"][...])
    saved = next(run.samples())
    np.testing.assert_array_equal(run.draw(2)[0], saved)


def test_the_density_is_that_of_the_family_at_its_draws(project):
    run = project["mean_field"]
    near, far = run.draw(3), run.posterior.prior_mean[None].repeat(1, axis=0)
    density = run.log_prob(np.concatenate([near, far]))
    assert density.shape == (4,) and np.isfinite(density).all()
    with pytest.raises(ConfigError, match="must have shape"):
        run.log_prob(near[0])


def test_a_model_is_simulated_and_differentiated_in_this_process(project):
    run = project["mean_field"]
    model = run.posterior.mean
    traces = run.simulate(model, shots=[1])
    shot = project.survey.shots[1]
    assert traces[0].shape == shot.data.shape
    misfit, gradient = run.misfit_and_gradient(model, shots=[1])
    residual = (traces[0].astype(float) - shot.data) / shot.noise_sd[:, None]
    assert misfit == pytest.approx(0.5 * np.sum(residual**2), rel=1e-4)
    assert gradient.shape == model.shape and np.abs(gradient).max() > 0


def test_what_is_not_there_is_refused(project, tmp_path):
    with pytest.raises(ConfigError, match="must be the folder of a project's results"):
        pvi_hpc.open_project(tmp_path)
    with pytest.raises(ConfigError, match="must be one of mean_field, psvi, got 'absent'"):
        project["absent"]
