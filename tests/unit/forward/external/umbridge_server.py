"""Models of the package `umbridge`, served by itself on loopback: `umbridge_server.py PORT`."""

import sys
import time
from functools import partial

import numpy as np
import umbridge
from straight_rays import travel_times

#: As in `external_example`, whose imports would make the start slow.
SHAPE = (8, 9, 10)
SPACING = 50.0
N_CELLS = int(np.prod(SHAPE))
N_DATA = 242


class Rays(umbridge.Model):
    """The travel times of the example, of two input vectors: a factor, and the model."""

    def __init__(self):
        super().__init__("rays")

    def get_input_sizes(self, config):
        return [1, N_CELLS]

    def get_output_sizes(self, config):
        return [2, N_DATA]

    def supports_evaluate(self):
        return True

    def supports_gradient(self):
        return True

    def __call__(self, parameters, config):
        times, _ = self._at(parameters)
        return [[0.0, 1.0], (parameters[0][0] * times).tolist()]

    def gradient(self, out_wrt, in_wrt, parameters, sens, config):
        assert (out_wrt, in_wrt) == (1, 1)
        _, pull = self._at(parameters)
        return (parameters[0][0] * pull(np.array(sens))).ravel().tolist()

    def _at(self, parameters):
        return travel_times(np.array(parameters[1]).reshape(SHAPE), SPACING)


class LogLikelihood(umbridge.Model):
    """A Gaussian log density of all cells, with faults that its settings ask for."""

    def __init__(self, name="density"):
        super().__init__(name)

    def get_input_sizes(self, config):
        return [N_CELLS]

    def get_output_sizes(self, config):
        return [1]

    def supports_evaluate(self):
        return True

    def supports_gradient(self):
        return self.name == "density"

    def __call__(self, parameters, config):
        fault = config.get("fault")
        if fault == "raises":
            raise ValueError("the mesh has a hole")
        if fault == "slow":
            time.sleep(20)
        if fault == "dies":
            raise SystemExit
        value = -0.5e-6 * float(np.sum((np.array(parameters[0]) - 2500) ** 2))
        return {
            "nan": [[float("nan")]],
            "infinite": [[float("-inf")]],
            "short": [[]],
            "text": [["none"]],
        }.get(fault, [[value * (1 + config.get("shot", 0))]])

    def gradient(self, out_wrt, in_wrt, parameters, sens, config):
        slope = -1e-6 * (np.array(parameters[0]) - 2500) * sens[0]
        if config.get("fault") == "short gradient":
            slope = slope[:-1]
        return (slope * (1 + config.get("shot", 0))).tolist()


if __name__ == "__main__":
    # The package listens at every address of the machine: tests must not.
    run_app = umbridge.um.web.run_app
    umbridge.um.web.run_app = partial(run_app, host="127.0.0.1", print=None)
    umbridge.serve_models(
        [Rays(), LogLikelihood(), LogLikelihood("valueless")],
        int(sys.argv[1]),
        error_checks="unchecked" not in sys.argv,
    )
