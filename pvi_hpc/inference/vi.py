"""Variational inference: path gradients that stick the landing, Adam, keyed draws.

Roeder, Wu & Duvenaud (2017), arXiv 1703.09194. All memory is in the state; every random
number is that of `(seed, purpose, iteration, sample)`, so an iteration can be repeated to
the bit.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.config.inference import Inference
from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.inference.adam import adam_update, cosine_step
from pvi_hpc.inference.control_variate import stick_landing
from pvi_hpc.inference.info import ElboEstimate, Info, Phase
from pvi_hpc.inference.state import VariationalState
from pvi_hpc.inference.target import Target, TargetValue
from pvi_hpc.random import keyed_rng
from pvi_hpc.simulate.simulator import SimulationCount

__all__ = ["Info", "VariationalInference", "VariationalState"]


@dataclass(frozen=True)
class VariationalInference:
    """Fits a family to a target; `init`, `step` and `sample` in the sense of a `Method`.

    Parameters
    ----------
    family, target
        The distribution and the density that it approaches.
    settings
        Samples, optimiser and number of variational iterations.
    seed
        Of all draws.
    map_iterations
        Iterations before those of `settings` in which only the mean moves, uphill in the
        log posterior of `theta`.
    """

    family: Family
    target: Target
    settings: Inference
    seed: int = 1
    map_iterations: int = 0

    @property
    def n_iterations(self) -> int:
        """Number of iterations of both phases."""
        return self.map_iterations + self.settings.iterations

    def phase(self, iteration: int) -> Phase:
        """Return the phase that an iteration belongs to."""
        return "map" if iteration < self.map_iterations else "vi"

    def init(self, mean: Tensor, sd: float) -> VariationalState:
        """Return the first state: independent cells with `mean` `(n,)` and one sd."""
        return VariationalState.fresh(self.family.initial(mean, sd))

    def step(self, state: VariationalState) -> tuple[VariationalState, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite; `state` is then unchanged.
        """
        phase, parameters = self.phase(state.iteration), state.parameters
        moving = [LOCATION] if phase == "map" else list(parameters)
        leaves = {k: v.detach().requires_grad_(k in moving) for k, v in parameters.items()}
        eps = self._epsilon(state.iteration, phase)
        theta = self.family.sample(leaves, eps)
        value = self.target.value(theta, self.target.batches(state.iteration, len(eps)))
        _check_values(value, state.iteration)
        ascent, weight, entropy = value.gradient, 0.0, {}
        log_q = torch.full_like(value.log_prior, torch.nan)
        if phase == "vi":
            log_q = self.family.log_q(parameters, eps)
            ascent, weight = stick_landing(ascent, self.family.score(parameters, eps))
            entropy = self.family.entropy_gradient(parameters)
        descent = torch.autograd.grad(theta, [leaves[k] for k in moving], -ascent / len(eps))
        gradients = dict(zip(moving, descent, strict=True))
        for name, gradient in entropy.items():
            gradients[name] = gradients[name] - (1 - weight) * gradient
        _check_gradients(gradients, state.iteration)
        step = self._update(state, gradients)
        numbers = {"gradient_norm": _norm(gradients), "score_weight": weight, "step": step}
        info = _info(state.iteration, phase, value, log_q, numbers)
        return replace(state, iteration=state.iteration + 1), info

    def sample(self, state: VariationalState, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`.

        Draw `i` is the same however many are asked for at once.
        """
        eps = [self._normal("posterior", first + i) for i in range(n)]
        return self.family.sample(state.parameters, torch.stack(eps)).detach()

    def elbo(self, state: VariationalState, n: int) -> ElboEstimate:
        """Estimate the ELBO from `n` fresh samples, each compared with all shots.

        Raises
        ------
        NonFiniteError
            If a log density is not finite.
        """
        terms, chi_squared, count = [], [], SimulationCount()
        for first in range(0, n, self.settings.samples):
            draws = range(first, min(n, first + self.settings.samples))
            eps = torch.stack([self._normal("elbo", state.iteration, i) for i in draws])
            value = self.target.value(self.family.sample(state.parameters, eps))
            _check_values(value, state.iteration)
            log_q = self.family.log_q(state.parameters, eps)
            terms.append((value.log_likelihood + value.log_prior - log_q).numpy())
            chi_squared.append(value.chi_squared.numpy())
            count += value.count
        all_terms = np.concatenate(terms)
        error = float(np.std(all_terms, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
        chi = float(np.concatenate(chi_squared).mean())
        return ElboEstimate(float(all_terms.mean()), error, chi, n, count)

    def _normal(self, purpose: str, *index: int) -> Tensor:
        rng = keyed_rng(self.seed, purpose, *index)
        return torch.from_numpy(rng.standard_normal(self.family.n))

    def _epsilon(self, iteration: int, phase: Phase) -> Tensor:
        """Return `eps` `(S, n)`; samples 2 p and 2 p + 1 are an antithetic pair."""
        if phase == "map":
            return torch.zeros(1, self.family.n, dtype=torch.float64)
        pair = (1, -1) if self.settings.antithetic else (1,)
        keys = range(self.settings.samples // len(pair))
        draws = [self._normal("epsilon", iteration, key) for key in keys]
        return torch.stack([sign * draw for draw in draws for sign in pair])

    def _update(self, state: VariationalState, gradients: Parameters) -> float:
        """Move the parameters in place; each phase starts Adam and its schedule anew."""
        in_map = self.phase(state.iteration) == "map"
        i = state.iteration - (0 if in_map else self.map_iterations)
        n = self.map_iterations if in_map else self.settings.iterations
        step = cosine_step(self.settings.optimiser, i, n)
        for name, gradient in gradients.items():
            moments = state.first[name], state.second[name]
            if i == 0:
                for moment in moments:
                    moment.zero_()
            x, scale = state.parameters[name], self.family.step_scales.get(name, 1.0)
            adam_update(x, gradient, moments, i, step * scale, self.settings.optimiser)
        return step


def _info(
    iteration: int, phase: Phase, value: TargetValue, log_q: Tensor, numbers: dict[str, float]
) -> Info:
    terms = value.log_likelihood + value.log_prior
    return Info(
        iteration=iteration,
        phase=phase,
        terms=(terms - log_q if phase == "vi" else terms).numpy(),
        log_likelihood=value.log_likelihood.numpy(),
        log_prior=value.log_prior.numpy(),
        log_q=log_q.numpy(),
        chi_squared=float(value.chi_squared.numpy().mean()),
        count=value.count,
        **numbers,
    )


def _norm(gradients: Parameters) -> float:
    # By name: a checkpoint returns the parameters in another order.
    squares = [np.sum(gradients[name].numpy() ** 2) for name in sorted(gradients)]
    return float(np.sqrt(sum(squares)))


def _check_values(value: TargetValue, iteration: int) -> None:
    densities = value.log_likelihood + value.log_prior
    finite = densities.isfinite() & value.gradient.isfinite().all(dim=1)
    if not finite.all():
        sample = int((~finite).int().argmax())
        raise NonFiniteError(
            f"Iteration {iteration}, sample {sample}: the log density "
            f"({float(densities[sample])}) or its gradient is not finite. The last checkpoint "
            "is intact; look at the solver's log, or lower 'inference.optimiser.step'."
        )


def _check_gradients(gradients: Parameters, iteration: int) -> None:
    for name, gradient in gradients.items():
        if not gradient.isfinite().all():
            raise NonFiniteError(
                f"Iteration {iteration}, all samples together: the gradient of '{name}' is "
                "not finite. The last checkpoint is intact; lower 'inference.optimiser.step'."
            )
