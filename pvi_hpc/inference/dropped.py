"""Which samples of an iteration are averaged when some could not be simulated."""

import torch
from torch import Tensor

from pvi_hpc.inference.target import TargetValue

__all__ = ["surviving"]


def surviving(value: TargetValue, *, paired: bool) -> Tensor:
    """Return the indices `(K,)` of the samples to average over.

    A dropped sample has a likelihood that is NaN. Of an antithetic pair (samples `2 p` and
    `2 p + 1`) the other one goes too: alone, it would bring back the noise that the pair
    cancels. Where that leaves nothing, the single ones serve.
    """
    good = ~value.log_likelihood.isnan()
    if paired:
        pairs = good.reshape(-1, 2).all(dim=1).repeat_interleave(2)
        good = pairs if bool(pairs.any()) else good
    return torch.nonzero(good)[:, 0]
