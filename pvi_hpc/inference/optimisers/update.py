"""One move of the parameters: from samples and the loss's derivative by them to descent."""

from dataclasses import dataclass

from torch import Tensor

from pvi_hpc.families.family import Family, NaturalGradient, Parameters
from pvi_hpc.inference.finite import check_gradients, norm
from pvi_hpc.inference.optimisers.natural import natural_descent
from pvi_hpc.inference.optimisers.optimiser import adam_step, descend, restart
from pvi_hpc.inference.optimisers.streaming import stream_descent, streams
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State

__all__ = ["Update"]


@dataclass(frozen=True)
class Update:
    """Update `i` = 0, 1, ... by `step`, as the optimiser's `settings` say."""

    family: Family
    settings: OptimiserSettings
    i: int
    step: float

    def apply(self, state: State, eps: Tensor, cotangent: Tensor, entropy: float) -> float:
        """Change `state` in place; return the norm of the loss's gradient.

        `cotangent` is the loss's derivative by the samples of `eps`, both `(S, n)`; `entropy`
        the weight of the entropy's own gradient.

        Raises
        ------
        NonFiniteError
            If a gradient is not finite; the parameters are then unchanged.
        """
        if self.i == 0:
            restart(self.settings, state.memory)
        scales = self.family.step_scales
        steps = {k: self.step * scales.get(k, 1.0) for k in state.parameters}
        if streams(self.family, self.settings):
            adam = {k: adam_step(self.i, step, self.settings) for k, step in steps.items()}
            return stream_descent(self.family, state, (eps, cotangent), entropy, adam)
        gradients = self.gradients(state.parameters, eps, cotangent, entropy)
        check_gradients(gradients, state.iteration)
        size = norm(gradients)
        if self.settings.kind == "natural":
            assert isinstance(self.family, NaturalGradient)  # `from_settings` asks for it
            moved = self.family, state.parameters, gradients
            natural_descent(*moved, self.step, (eps, cotangent))
        else:
            descend(self.settings, state.parameters, gradients, state.memory, self.i, steps)
        return size

    def gradients(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor, entropy: float
    ) -> Parameters:
        """Return the gradient of the loss by each parameter."""
        gradients = self.family.pullback(parameters, eps, cotangent)
        if entropy:
            for name, gradient in self.family.entropy_gradient(parameters, eps).items():
                gradients[name] = gradients[name] - entropy * gradient
        return gradients
