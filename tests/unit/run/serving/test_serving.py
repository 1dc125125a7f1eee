"""A posterior asked by the client of the package `umbridge`: right values and derivatives."""

import json

import numpy as np
import pytest
import requests
from serving_example import a_run, a_theta, listening, served
from straight_rays import travel_times

from pvi_hpc.run.serving.protocol import answer

umbridge = pytest.importorskip("umbridge")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    run = a_run(folder)
    with served(run, folder) as (problem, simulator, models), listening(models) as url:
        yield problem, simulator, models, url, np.load(folder / "observed.npy")


def client(case, name):
    return umbridge.HTTPModel(case[3], name)


def misfit(case, theta):
    """Return the misfit of the data by the example's own function, in double precision."""
    import torch

    (model,) = case[0].model_map.models(torch.from_numpy(theta)[None]).numpy()
    data = case[4].astype(np.float32)
    return 0.5 * np.nansum(((travel_times(model, 50.0)[0] - data) / 0.01) ** 2)


def test_what_is_served_and_its_sizes(case):
    assert umbridge.supported_models(case[3]) == ["posterior", "likelihood", "forward", "model"]
    sizes = {"posterior": 1, "likelihood": 1, "forward": 242, "model": 720}
    for name, size in sizes.items():
        model = client(case, name)
        assert (model.get_input_sizes(), model.get_output_sizes()) == ([720], [size])
        assert model.supports_evaluate()
    posterior, forward = client(case, "posterior"), client(case, "forward")
    assert posterior.supports_gradient() and posterior.supports_apply_hessian()
    assert not forward.supports_gradient()
    assert client(case, "model").supports_apply_jacobian()


def test_densities_are_those_of_the_data_and_of_the_normal_prior(case):
    theta = a_theta(720)
    likelihood = client(case, "likelihood")([theta.tolist()])[0][0]
    posterior = client(case, "posterior")([theta.tolist()])[0][0]
    # The model travels in single precision.
    assert likelihood == pytest.approx(-misfit(case, theta), rel=1e-5)
    prior = -0.5 * theta @ theta - 360 * np.log(2 * np.pi)
    assert posterior - likelihood == pytest.approx(prior, rel=1e-12)


@pytest.mark.parametrize("name", ["posterior", "likelihood"])
def test_gradients_agree_with_differences_of_the_density(case, name):
    theta, step = a_theta(720), 1e-4 * a_theta(720, 4)
    gradient = client(case, name).gradient(0, 0, [theta.tolist()], [2.0])
    ends = [-misfit(case, theta + sign * step) for sign in (1, -1)]
    if name == "posterior":
        ends = [
            e - 0.5 * np.sum((theta + s * step) ** 2)
            for e, s in zip(ends, (1, -1), strict=True)
        ]
    assert 2.0 * 0.5 * (ends[0] - ends[1]) == pytest.approx(np.dot(gradient, step), rel=1e-4)


def test_hessians_are_minus_gauss_newton_with_and_without_the_prior(case):
    import torch

    theta, vec = a_theta(720), a_theta(720, 5)
    by_name = {
        name: np.array(
            client(case, name).apply_hessian(0, 0, 0, [theta.tolist()], [1.5], vec.tolist())
        )
        for name in ("posterior", "likelihood")
    }
    np.testing.assert_allclose(by_name["posterior"], by_name["likelihood"] - 1.5 * vec)
    # J^T W J by hand: the change of the data along the direction, weighed and pulled back.
    leaf, step = torch.from_numpy(theta).requires_grad_(), 1e-5
    model = case[0].model_map.models(leaf[None])[0]
    ends = [
        travel_times(case[0].model_map.models(its[None])[0].numpy(), 50.0)[0]
        for its in torch.from_numpy(np.stack([theta + step * vec, theta - step * vec]))
    ]
    change = np.where(np.isfinite(case[4]), (ends[0] - ends[1]) / (2 * step), 0.0)
    by_model = travel_times(model.detach().numpy(), 50.0)[1](change / 0.01**2)
    (row,) = torch.autograd.grad(model, leaf, torch.from_numpy(by_model))
    expected = -1.5 * row.numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(by_name["likelihood"], expected, atol=1e-4 * scale)


def test_data_and_models_and_their_derivatives(case):
    theta, vec = a_theta(720), a_theta(720, 6)
    model = np.array(client(case, "model")([theta.tolist()])[0])
    assert 1500 < model.min() < model.max() < 4000
    data = client(case, "forward")([theta.tolist()])[0]
    expected = travel_times(model.reshape(8, 9, 10), 50.0)[0]
    np.testing.assert_allclose(data, expected, rtol=1e-6)
    sens = np.random.default_rng(7).standard_normal(720)
    served_model = client(case, "model")
    pushed = served_model.apply_jacobian(0, 0, [theta.tolist()], vec.tolist())
    pulled = served_model.gradient(0, 0, [theta.tolist()], sens.tolist())
    assert np.dot(pushed, sens) == pytest.approx(np.dot(vec, pulled), rel=1e-6)


@pytest.mark.parametrize(
    ("path", "change", "kind", "message"),
    [
        ("/Evaluate", {"name": "wave"}, "ModelNotFound", "one of posterior, likelihood"),
        (
            "/Evaluate",
            {"input": [[1.0]]},
            "InvalidInput",
            "must have 720 numbers, got 1 numbers",
        ),
        ("/Evaluate", {"input": [[0.0] * 720] * 2}, "InvalidInput", "a list of one vector"),
        ("/Evaluate", {"input": [["x"] * 720]}, "InvalidInput", "'input' must be numbers"),
        ("/Evaluate", {"input": [[1e999] * 720]}, "InvalidInput", "must be finite"),
        ("/Evaluate", {"config": {"level": 1}}, "InvalidInput", "'config' must be empty"),
        (
            "/Gradient",
            {"sens": [1.0, 2.0]},
            "InvalidInput",
            "'sens' must have 1 numbers, got 2",
        ),
        ("/Gradient", {"sens": [1.0], "inWrt": 1}, "InvalidInput", "'inWrt' must be 0, got 1"),
        ("/Gradient", {"name": "forward"}, "UnsupportedFeature", "'forward' has no Gradient"),
        ("/EvaluateShMem", {}, "UnsupportedFeature", "not part of UM-Bridge, or not served"),
    ],
)
def test_what_cannot_be_answered_says_so(case, path, change, kind, message):
    request = {"name": "posterior", "input": [[0.0] * 720], **change}
    status, text = answer(case[2], path, json.dumps(request).encode())
    error = json.loads(text)["error"]
    assert (status, error["type"]) == (400, kind)
    assert message in error["message"]


def test_a_request_that_is_no_json_is_refused(case):
    for body in (b"{", b"[1]", b"", b"\xff"):
        assert answer(case[2], "/Evaluate", body)[0] == 400
    assert requests.get(f"{case[3]}/Info").json()["protocolVersion"] == 1.0


def test_a_simulation_that_fails_is_told_and_the_next_is_answered(tmp_path):
    (tmp_path / "sometimes.py").write_text(
        "import numpy as np\n"
        "def log_likelihood(model):\n"
        "    if model.max() > 3500:\n"
        "        raise ValueError('too fast')\n"
        "    value = np.nan if model.min() < 1600 else 0.0\n"
        "    return value, 0 * model\n"
    )
    given = {"function": "sometimes:log_likelihood", "directory": str(tmp_path)}
    run = a_run(tmp_path, **given, arguments={}, returns="log_likelihood")
    with served(run, tmp_path) as (_, _, models), listening(models) as url:
        posterior = umbridge.HTTPModel(url, "posterior")
        assert umbridge.supported_models(url) == ["posterior", "likelihood", "model"]
        assert not posterior.supports_apply_hessian()
        with pytest.raises(Exception, match=r"of type solver_error: .*ValueError: too fast"):
            posterior([[5.0] * 720])
        with pytest.raises(Exception, match="of type non_finite"):
            posterior([[-3.0] * 720])
        assert umbridge.HTTPModel(url, "likelihood")([[0.0] * 720]) == [[0.0]]
