"""Torch on one side, a simulator on the other."""

from collections.abc import Iterable, Sequence

import numpy as np
from torch import Tensor

from pvi_hpc.simulate.simulator import BatchResult, Simulator

__all__ = ["Bridge"]


class Bridge:
    """Hands models to a simulator, in float32, each when the simulator takes it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def run(self, models: Iterable[Tensor], shots: Sequence[Sequence[int]]) -> BatchResult:
        """Return misfits and gradients of models `(nz, ny, nx)` [m/s].

        Model `i` is compared with the shots `shots[i]`.
        """
        arrays = (model.detach().numpy().astype(np.float32) for model in models)
        return self.simulator.misfit_and_gradient(arrays, shots)
