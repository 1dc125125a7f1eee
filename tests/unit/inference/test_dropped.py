"""Iterations that go on without the samples that could not be simulated."""

import pytest
import torch

from pvi_hpc.cost import SimulationCount
from pvi_hpc.inference.target import TargetValue, surviving


def value(log_likelihood):
    likelihood = torch.tensor(log_likelihood, dtype=torch.float64)
    n = len(likelihood)
    gradient = torch.arange(2.0 * n, dtype=torch.float64).reshape(n, 2)
    count = SimulationCount(dropped=int(likelihood.isnan().sum()))
    return TargetValue(likelihood, torch.zeros(n), gradient, likelihood, count)


NAN = float("nan")


@pytest.mark.parametrize(
    ("log_likelihood", "paired", "kept"),
    [
        ([-1, NAN, -2, -3], False, [0, 2, 3]),
        ([-1, NAN, -2, -3], True, [2, 3]),
        ([-1, NAN], True, [0]),
        ([-1, NAN, NAN, -3], True, [0, 3]),
    ],
)
def test_pairs_go_together_unless_nothing_would_be_left(log_likelihood, paired, kept):
    one = value(log_likelihood)
    indices = surviving(one, paired=paired)
    assert indices.tolist() == kept
    assert one.only(indices).gradient[:, 0].tolist() == [2.0 * i for i in kept]


def test_an_iteration_averages_over_the_samples_that_are_left():
    """The same step as with a target that was only asked for those samples."""
    from pvi_hpc.families.gaussian.mean_field import MeanField
    from pvi_hpc.inference.methods.vi import VariationalInference
    from pvi_hpc.inference.settings import EstimatorSettings, InferenceSettings, StartSettings

    class Target:
        lost = ()

        def batches(self, iteration, n):
            return [()] * n

        def value(self, theta, batches=None):
            likelihood = -((theta.double() - 1.0) ** 2).sum(dim=1)
            gradient = -2 * (theta.double() - 1.0) - theta.double()
            likelihood[list(self.lost)] = NAN
            gradient[list(self.lost)] = NAN
            prior = -0.5 * (theta.double() ** 2).sum(dim=1)
            count = SimulationCount(dropped=len(self.lost))
            return TargetValue(likelihood, prior, gradient, -likelihood, count)

    class LastLost(Target):
        lost = (2, 3)

    estimator = EstimatorSettings(draws="pairs", landing="always")
    settings = InferenceSettings(iterations=5, samples=4, estimator=estimator)
    fewer = InferenceSettings(iterations=5, samples=2, estimator=estimator)
    family = MeanField(3)
    results = []
    for target, given in ((LastLost(), settings), (Target(), fewer)):
        method = VariationalInference(family, target, given, StartSettings(map_iterations=0), 7)
        state, info = method.step(method.init(torch.zeros(3, dtype=torch.float64), 0.3))
        results.append((state.parameters["mu"], info.terms))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1].tolist() == results[1][1].tolist()
    assert info.count.dropped == 0
