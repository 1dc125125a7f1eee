"""Samples collected from a chain of particle sets, in bounded memory.

Every `thinning`-th set is kept. When there is no room, every other set is dropped and the
thinning doubled, so that what is kept covers the whole chain evenly however long it is.
"""

import torch
from torch import Tensor

__all__ = ["collect", "collected", "fresh_chain"]


def fresh_chain(particles: Tensor, kept: int, thinning: int) -> dict[str, Tensor]:
    """Return an empty chain for at least `kept` samples like `particles` `(N, n)`."""
    n_particles, n = particles.shape
    sets = max(2, -(-kept // n_particles))
    return {
        "samples": particles.new_zeros(sets + sets % 2, n_particles, n),
        "sets": torch.tensor(0),
        "thinning": torch.tensor(thinning),
    }


def collect(chain: dict[str, Tensor], particles: Tensor, i: int) -> None:
    """Take the particles after iteration `i` = 0, 1, ... of the chain, in place."""
    samples, thinning = chain["samples"], int(chain["thinning"])
    if (i + 1) % thinning:
        return
    sets = int(chain["sets"])
    if sets == len(samples):
        # The later of two, so that the kept ones are multiples of the doubled thinning.
        for k in range(sets // 2):
            samples[k].copy_(samples[2 * k + 1])
        sets //= 2
        chain["thinning"].mul_(2)
        if (i + 1) % (2 * thinning):
            chain["sets"].fill_(sets)
            return
    samples[sets].copy_(particles)
    chain["sets"].fill_(sets + 1)


def collected(chain: dict[str, Tensor]) -> Tensor:
    """Return the samples `(count, n)`, sharing memory."""
    return chain["samples"][: int(chain["sets"])].flatten(0, 1)
