"""Torch on one side, a simulator on the other: misfits that autograd can go through."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.simulator import BatchResult, NoiseSimulator, Simulator

__all__ = ["Bridge"]


class Bridge:
    """Calls a simulator once for misfits and gradients together.

    `count` is what the last call cost, `squares` the sums over groups of data that it gave.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.count = SimulationCount()
        self.squares: tuple[NDArray[np.float64], ...] = ()

    def misfit(
        self,
        models: Iterable[Tensor],
        shots: Sequence[Sequence[int]],
        precisions: Sequence[float] = (),
    ) -> Tensor:
        """Return the misfits `(S,)` of models `(nz, ny, nx)` [m/s], differentiable once.

        Model `i` is compared with the shots `shots[i]`, and the squares of each group of data
        are multiplied by one of `precisions`, empty: 1. Models are taken one by one: the first
        ones are simulated while the others are still being made. Backward multiplies the
        gradients that the simulator has already returned; it simulates nothing, and where it is
        to be differentiated again it raises ConfigError.
        """
        taken: list[Tensor] = []

        def arrays() -> Iterator[NDArray[Any]]:
            for model in models:
                taken.append(model)
                yield self.array(model)

        weighed = (precisions,) if precisions else ()
        result = self.simulator.misfit_and_gradient(arrays(), shots, *weighed)
        self.count, self.squares = result.count, result.squares
        misfits: Tensor = _Misfit.apply(result, *taken)  # type: ignore[no-untyped-call]
        return misfits

    def noise(
        self,
        models: Sequence[Tensor],
        shots: Sequence[int],
        keys: Sequence[int],
        precisions: Sequence[float] = (),
    ) -> Tensor:
        """Return gradients of noise `(S, K, nz, ny, nx)` [s/m], of one shot for each model.

        Raises
        ------
        ConfigError
            If the simulator gives none.
        """
        if not isinstance(self.simulator, NoiseSimulator):
            raise ConfigError(
                "'start.hessian.kind: noise' and 'start.preconditioner' need a simulator with "
                f"gradients of noise, got {type(self.simulator).__name__}; choose "
                "'differences' and no preconditioner."
            )
        arrays = (self.array(model) for model in models)
        weighed = (precisions,) if precisions else ()
        result = self.simulator.noise_gradients(arrays, shots, keys, *weighed)
        self.count = result.count
        return torch.from_numpy(result.gradients)

    def array(self, model: Tensor) -> NDArray[Any]:
        """Return a model as the simulator gets it: float32."""
        return model.detach().numpy().astype(np.float32)


class _Misfit(torch.autograd.Function):
    """Simulated misfits as a function of the models they are of."""

    @staticmethod
    def forward(ctx: Any, result: BatchResult, *models: Tensor) -> Tensor:
        ctx.save_for_backward(torch.from_numpy(result.gradients))
        return torch.from_numpy(result.misfits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise ConfigError(
                "A simulated misfit has no second derivative, which 'hvp' = 'autograd' asks "
                "for; give 'hvp' as a function, the prior's products with simulated ones."
            )
        (by_model,) = ctx.saved_tensors
        return None, *(g * row for g, row in zip(gradients[0], by_model, strict=True))
