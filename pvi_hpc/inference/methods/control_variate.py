"""Multiple of the score to subtract from a path gradient.

For any weight `w` that does not depend on `eps`, `E[dtheta/dphi (g - w score)] + (1 - w)
dH/dphi` is the gradient of the ELBO, with `g` the gradient of the target's log density and
`H` the entropy. `w = 1` sticks the landing (Roeder et al. 2017): no noise where `q` is the
target. `w = 0` is the plain estimator. Far from the optimum the score `-L^{-T} eps` of a
structured family can be larger than `g` by orders of magnitude, since an error in `L` grows
from cell to cell in `L^{-T}`; Adam then follows noise and makes it worse. The regression of `g`
on the score is 1 at the optimum and 0 where the score is noise.
"""

from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.numerics.update_kernels import compare

__all__ = ["Landing", "stick_landing"]

#: `w` from the regression, always 1, or always 0.
Landing: TypeAlias = Literal["regression", "always", "never"]


def stick_landing(
    gradient: Tensor, score: Tensor, landing: Landing = "regression"
) -> tuple[Tensor, float]:
    """Return `gradient - w score` `(S, n)` and `w`, within 0 and 1.

    `w` depends on `eps`, but only through sums over all cells and samples, so the bias by any
    one parameter is of order `1 / (S n)`. A score that overflows counts as noise.
    """
    if landing == "always":
        return gradient - score, 1.0
    dtype = torch.promote_types(gradient.dtype, score.dtype)
    sums = compare(gradient.to(dtype).contiguous(), score.to(dtype).contiguous())
    size, product = sums.bb, sums.ab
    if size == 0:
        return gradient, 1.0
    if not np.isfinite([size, product]).all() or product <= 0:
        return gradient, 0.0
    weight = min(product / size, 1.0)
    return (score * -weight).to(dtype).add_(gradient), weight
