"""The normal prior whose covariance, or a factor or inverse of it, is given as a matrix."""

import h5py
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse import csr_array, save_npz
from scipy.stats import multivariate_normal

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Grid
from pvi_hpc.library.make import make_prior
from pvi_hpc.priors import load_prior, map_faults, prior_bounds
from pvi_hpc.priors.normal import Normal, NormalSettings

GRID = Grid((4, 1, 3), (50.0, 50.0, 50.0))
N = 12


def covariance():
    apart = abs(np.subtract.outer(np.arange(N), np.arange(N)))
    sd = np.linspace(50, 150, N)
    return np.where(apart < 5, (1 - apart / 5.0) ** 2, 0) * np.outer(sd, sd)


MATRICES = {
    "covariance": covariance(),
    "scale_tril": np.linalg.cholesky(covariance()),
    "precision": np.linalg.inv(covariance()),
}


def settings(**keys):
    tree = {"kind": "normal", "depth_m": [0, 150], "mean_m_s": [2000, 3000], **keys}
    return NormalSettings.model_validate(tree)


def prior_of(**keys):
    chosen = settings(**keys)
    return load_prior(chosen, chosen.cells(GRID))


def stored(matrix, folder, how):
    """Write a matrix, return what the settings say of it."""
    if how == "rows":
        return matrix.tolist()
    path = folder / f"matrix.{how.split()[0]}"
    if how == "npy":
        np.save(path, matrix)
    elif how == "npz":
        save_npz(path, csr_array(matrix))
    else:
        with h5py.File(path, "w") as file:
            if how == "h5 sparse":
                sparse = csr_array(matrix)
                for name in ("data", "indices", "indptr"):
                    file[f"matrix/{name}"] = getattr(sparse, name)
            else:
                file["matrix"] = matrix
    return {"file": str(path)}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("how", ["rows", "npy", "npz", "h5", "h5 sparse"])
def test_without_bounds_it_is_the_multivariate_normal(name, how, tmp_path):
    prior = prior_of(**{name: stored(MATRICES[name], tmp_path, how)})
    mean = np.repeat(np.linspace(2000, 3000, 4), 3)
    np.testing.assert_allclose(prior.mean, mean)
    np.testing.assert_allclose(prior.sd, np.sqrt(np.diag(covariance())))
    m = prior.sample(np.random.default_rng(1), 5)
    expected = multivariate_normal.logpdf(m, mean, covariance())
    np.testing.assert_allclose(prior.log_prob(torch.from_numpy(m)), expected, rtol=1e-8)
    draws = prior.sample(np.random.default_rng(2), 4000)
    found = np.cov(draws, rowvar=False)
    # Each entry has a standard error of at most sqrt(2 / 4000) of the variances.
    scale = np.outer(prior.sd, prior.sd)
    np.testing.assert_allclose(
        found / scale, covariance() / scale, atol=4.5 * np.sqrt(2 / 4000)
    )
    assert list(map_faults(prior)) == []


def test_bounds_cut_each_cell_and_keep_its_marginal():
    keys = {"lower_m_s": [1950, 2900], "upper_m_s": [2050, 4000]}
    prior = prior_of(covariance=covariance().tolist(), **keys)
    alone = Normal(
        prior.lower, prior.upper, np.repeat(np.linspace(2000, 3000, 4), 3),
        np.sqrt(np.diag(covariance())),
    )  # fmt: skip
    np.testing.assert_allclose(prior.quantile(0.2), alone.quantile(0.2), rtol=1e-12)
    np.testing.assert_allclose(prior.sd, alone.sd, rtol=1e-12)
    assert (prior.sd[:3] < 0.6 * np.sqrt(np.diag(covariance()))[:3]).all()
    chosen = settings(covariance=covariance().tolist(), **keys)
    assert prior_bounds(chosen, chosen.cells(GRID)) == (1950, 4000)


def test_one_bound_cuts_one_side():
    prior = prior_of(sd_m_s=[100, 100], lower_m_s=[1900, 2900])
    assert prior.lower[0] == 1900
    assert prior.upper[0] == pytest.approx(2000 + 8 * 100)
    assert prior.quantile(1e-9)[0] >= 1900
    assert prior.mean[0] > 2020


def test_a_matrix_of_depths_holds_for_every_column():
    by_depth = np.array([[4.0, 1, 0, 0], [1, 9, 1, 0], [0, 1, 4, 1], [0, 0, 1, 1]]) * 100
    prior = prior_of(covariance=by_depth.tolist())
    draws = prior.sample(np.random.default_rng(3), 20000)
    found = np.cov(draws, rowvar=False)
    np.testing.assert_allclose(prior.sd.reshape(4, 3)[:, 1], 10 * np.sqrt([4, 9, 4, 1]))
    scale = np.outer(prior.sd, prior.sd)
    expected = np.kron(by_depth, np.eye(3))
    np.testing.assert_allclose(found / scale, expected / scale, atol=4.5 * 0.01)


def test_tables_by_cell_come_from_a_file(tmp_path):
    values = np.linspace(1500, 2600, N).reshape(GRID.shape)
    np.save(tmp_path / "lower.npy", values)
    with h5py.File(tmp_path / "upper.h5", "w") as file:
        file["a"], file["upper"] = values, values + 500
    keys = {
        "lower_m_s": {"file": str(tmp_path / "lower.npy")},
        "upper_m_s": {"file": str(tmp_path / "upper.h5"), "dataset": "upper"},
    }
    prior = make_prior("uniform", GRID.shape, 50.0, **keys)
    np.testing.assert_allclose(prior.lower, values.reshape(-1), atol=2e-4)
    np.testing.assert_allclose(prior.upper, values.reshape(-1) + 500, atol=2e-4)
    keys["upper_m_s"].pop("dataset")
    with pytest.raises(
        ConfigError, match=r"'prior\.upper_m_s\.dataset' must be one of a, upper"
    ):
        make_prior("uniform", GRID.shape, 50.0, **keys)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"file": "nothing.npy"}, "must be a file, but 'nothing.npy' is none"),
        ({"file": "a.txt"}, r"'prior\.covariance\.file' must end in \.npy, \.npz"),
        (
            (np.eye(5) * 1e4).tolist(),
            "a row for each of the 12 unknown cells, or 4 for the dep",
        ),
        ((-np.eye(N)).tolist(), r"'prior\.covariance' must be positive definite"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(source, message):
    with pytest.raises(ConfigError, match=message):
        prior_of(covariance=source)


def test_a_factor_that_is_not_lower_triangular_is_refused():
    with pytest.raises(ConfigError, match="must be lower triangular with a positive diagonal"):
        prior_of(scale_tril=covariance().tolist())


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "matrix.npz"
    path.write_bytes(b"PK\x03\x04 not a matrix")
    with pytest.raises(ConfigError, match="cannot be read"):
        prior_of(covariance={"file": str(path)})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {},
            r"exactly one of 'prior\.sd_m_s', .*'prior\.precision' must be given, got none",
        ),
        ({"sd_m_s": [1, 1], "precision": [[1.0]]}, "got sd_m_s and precision"),
        ({"covariance": [[1.0, 0.0], [1.0]]}, "'covariance' must be square"),
        ({"sd_m_s": [1, 1], "upper_m_s": [1900, 4000]}, "bounds any to 1900"),
    ],
)
def test_impossible_settings_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        settings(**keys)


def test_settings_of_begun_runs_have_no_new_keys():
    tree = settings(sd_m_s=[1, 1], lower_m_s=[1, 1], upper_m_s=[9e3, 9e3]).lasting()
    assert set(tree) == {
        "kind", "fixed_above_m", "depth_m", "lower_m_s", "upper_m_s", "mean_m_s", "sd_m_s",
    }  # fmt: skip
    assert "precision" in settings(precision=[[1.0]]).lasting()
