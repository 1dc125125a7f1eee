"""Brings natural gradients back where they have run away.

Steps bounded by themselves still add up: draws from a heavy tail widen the family, whose draws
then come from further out. So the ELBO, averaged over a window of iterations, is compared with
that of the best window so far. Where it has fallen by far more than its noise, or a density is
no longer finite, the parameters of the best window come back and later steps are halved. A run
that never falls keeps its bits.
"""

from typing import Final

import numpy as np
import torch

from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.inference.state import Memory

__all__ = ["Guard", "fresh_guard"]

#: Names in a state's memory: the numbers, and the best parameters.
GUARD: Final = "guard"
BEST: Final = "best"
#: Iterations whose ELBO is averaged.
WINDOW: Final = 10
#: A fall that is told: nats, nats an unknown, and standard errors of the best mean.
NATS: Final = 1.0
NATS_AN_UNKNOWN: Final = 0.1
ERRORS: Final = 10.0
#: So often the best comes back; then an error is an error.
RETURNS: Final = 8
#: Numbers before the first update; "scale" is a factor of the step.
FRESH: Final = {"best": -np.inf, "error": 0.0, "scale": 1.0, "returns": 0.0}


def fresh_guard(parameters: Parameters) -> Memory:
    """Return the memory before the first update."""
    numbers = {name: torch.tensor(v, dtype=torch.float64) for name, v in FRESH.items()}
    numbers["elbos"] = torch.full((WINDOW,), torch.nan, dtype=torch.float64)
    return {GUARD: numbers, BEST: {k: v.clone() for k, v in parameters.items()}}


class Guard:
    """The guard that a state's `memory` holds; changes it in place.

    A state of an older version has none: it then guards nothing.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.numbers = memory.get(GUARD)

    @property
    def returns(self) -> int:
        """Number of times that the best has come back."""
        return 0 if self.numbers is None else int(self.numbers["returns"])

    @property
    def scale(self) -> float:
        """Factor of the step."""
        return 1.0 if self.numbers is None else float(self.numbers["scale"])

    def begin(self, parameters: Parameters) -> None:
        """Forget all, and keep the first parameters, before the first update."""
        if self.numbers is not None:
            for name, value in FRESH.items():
                self.numbers[name].fill_(value)
            self.numbers["elbos"].fill_(torch.nan)
        self._keep(parameters)

    def recover(self, parameters: Parameters) -> bool:
        """Bring the best back where a density is not finite; False where that is in vain."""
        if self.numbers is None or self.returns >= RETURNS:
            return False
        self._return(parameters)
        return True

    def watch(self, parameters: Parameters, place: tuple[int, int], elbo: float) -> None:
        """Take in the ELBO of update `i` of `n`; `parameters` are those after it."""
        if self.numbers is None:
            return
        (i, n), elbos = place, self.numbers["elbos"]
        elbos[i % WINDOW] = elbo
        if (i + 1) % WINDOW and i + 1 < n:
            return
        values = elbos[~elbos.isnan()].numpy()
        mean = float(values.mean())
        best, error = float(self.numbers["best"]), float(self.numbers["error"])
        fall = NATS + NATS_AN_UNKNOWN * len(parameters[LOCATION]) + ERRORS * error
        if mean >= best:
            self.numbers["best"].fill_(mean)
            self.numbers["error"].fill_(float(values.std()) / np.sqrt(len(values)))
            self._keep(parameters)
        elif mean < best - fall and self.returns < RETURNS:
            self._return(parameters)

    def _keep(self, parameters: Parameters) -> None:
        if self.numbers is not None:
            for name, value in parameters.items():
                self.memory[BEST][name].copy_(value)

    def _return(self, parameters: Parameters) -> None:
        assert self.numbers is not None
        for name, value in self.memory[BEST].items():
            parameters[name].copy_(value)
        self.numbers["scale"].mul_(0.5)
        self.numbers["returns"].add_(1)
        self.numbers["elbos"].fill_(torch.nan)
