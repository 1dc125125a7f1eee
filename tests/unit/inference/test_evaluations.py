"""The cost that `pvi check` is told of an iteration is what it asks of its target."""

import pytest
import torch

from pvi_hpc.cost import SimulationCount
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.inference.method import Evaluations, load_method
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.target import TargetValue


class CountingTarget:
    """A Gaussian that counts the models it is asked for, with batches of shots or all shots."""

    minibatch = whole = 0

    def batches(self, iteration, n):
        return [(iteration % 3,)] * n

    def value(self, theta, batches=None):
        if batches is None:
            self.whole += len(theta)
        else:
            self.minibatch += len(theta)
        x = theta.detach().double()
        zero = torch.zeros(len(x), dtype=torch.float64)
        return TargetValue(-0.5 * (x * x).sum(dim=1), zero, -x, zero, SimulationCount())


@pytest.mark.parametrize(
    ("method", "start"),
    [
        ({"kind": "vi"}, {}),
        ({"kind": "vi"}, {"map_iterations": 3}),
        ({"kind": "vi"}, {"map_iterations": 3, "map_optimiser": "lbfgs"}),
        ({"kind": "vi"}, {"map_iterations": 2, "hessian": {"probes": 3}}),
        ({"kind": "vi"}, {"hessian": {"probes": 3}, "newton": 2}),
        ({"kind": "svgd"}, {"map_iterations": 2}),
        ({"kind": "ssvgd"}, {"map_iterations": 1}),
        ({"kind": "boosting", "options": {"components": 3}}, {"map_iterations": 2}),
        ({"kind": "boosting", "options": {"components": 3, "candidates": 5}}, {}),
    ],
)
def test_a_method_evaluates_as_many_models_as_it_says(method, start):
    settings = InferenceSettings(iterations=8, samples=4, method=method)
    target = CountingTarget()
    found = load_method(MeanField(5), target, settings, StartSettings(**start), 3)
    state = found.init(torch.zeros(5, dtype=torch.float64), 0.5)
    while state.iteration < found.n_iterations:
        i, target.minibatch, target.whole = state.iteration, 0, 0
        state, _ = found.step(state)
        assert found.evaluations(i) == Evaluations(target.minibatch, target.whole), i
