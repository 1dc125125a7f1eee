"""One move of the parameters: from samples and the loss's derivative by them to descent."""

from dataclasses import dataclass

from pvi_hpc.families.capabilities import NaturalGradient
from pvi_hpc.families.family import Draw, Family, Parameters
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

    def apply(self, state: State, draw: Draw, entropy: float) -> float:
        """Change `state` in place; return the norm of the loss's gradient.

        `entropy` is the weight of the entropy's own gradient.

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
            return stream_descent(self.family, state, draw, entropy, adam)
        gradients = self.gradients(state.parameters, draw, entropy)
        check_gradients(gradients, state.iteration)
        size = norm(gradients)
        if self.settings.kind == "natural":
            assert isinstance(self.family, NaturalGradient)  # `from_settings` asks for it
            natural_descent(self.family, state.parameters, gradients, self.step, draw)
        else:
            descend(self.settings, state.parameters, gradients, state.memory, self.i, steps)
        return size

    def gradients(self, parameters: Parameters, draw: Draw, entropy: float) -> Parameters:
        """Return the gradient of the loss by each parameter."""
        gradients = self.family.pullback(parameters, draw.eps, draw.cotangent)
        if entropy:
            for name, gradient in self.family.entropy_gradient(parameters, draw.eps).items():
                gradients[name] = gradients[name] - entropy * gradient
        return gradients
