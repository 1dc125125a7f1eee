"""Torch on one side, a simulator on the other: a misfit that autograd can go through."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.simulate.simulator import BatchResult, SimulationCount, Simulator

__all__ = ["Bridge"]


class Bridge:
    """Calls a simulator once for misfits and gradients together.

    `count` is what the last call cost.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.count = SimulationCount()

    def misfit(self, models: Tensor, shots: Sequence[Sequence[int]]) -> Tensor:
        """Return the misfits `(S,)` of models `(S, nz, ny, nx)` [m/s], differentiable once.

        Model `i` is compared with the shots `shots[i]`. Backward multiplies the gradients
        that the simulator has already returned; it simulates nothing.
        """
        misfits: Tensor = _Misfit.apply(models, self, shots)  # type: ignore[no-untyped-call]
        return misfits

    def run(self, models: Tensor, shots: Sequence[Sequence[int]]) -> BatchResult:
        """Simulate `models`, in float32, and remember what it cost."""
        batch = models.detach().numpy().astype(np.float32)
        result = self.simulator.misfit_and_gradient(batch, shots)
        self.count = result.count
        return result


class _Misfit(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, models: Tensor, bridge: Bridge, shots: Sequence[Sequence[int]]
    ) -> Tensor:
        result = bridge.run(models, shots)
        ctx.save_for_backward(torch.from_numpy(result.gradients))
        return torch.from_numpy(result.misfits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0][:, None, None, None] * gradient, None, None
