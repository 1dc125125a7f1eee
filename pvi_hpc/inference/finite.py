"""Stops at the iteration where a log density or a gradient is not finite."""

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.numerics.update_kernels import compare

__all__ = ["check_gradients", "check_values", "is_finite", "norm"]


def check_values(value: TargetValue, iteration: int) -> None:
    """Check the log densities and gradients of all samples.

    Raises
    ------
    NonFiniteError
        Naming the first sample where one is not finite.
    """
    densities = value.log_likelihood + value.log_prior
    finite = densities.isfinite() & torch.tensor([is_finite(row) for row in value.gradient])
    if not finite.all():
        sample = int((~finite).int().argmax())
        raise NonFiniteError(
            f"Iteration {iteration}, sample {sample}: the log density "
            f"({float(densities[sample])}) or its gradient is not finite. Lower the "
            "optimiser's 'step', or start nearer."
        )


def check_gradients(gradients: Parameters, iteration: int) -> None:
    """Check the gradients by all parameters.

    Raises
    ------
    NonFiniteError
        Naming the first parameter whose gradient is not finite.
    """
    for name, gradient in gradients.items():
        if not is_finite(gradient):
            raise NonFiniteError(
                f"Iteration {iteration}, all samples together: the gradient of '{name}' is "
                "not finite; lower the optimiser's 'step'."
            )


def is_finite(x: Tensor) -> bool:
    """Return whether all of an array is finite, with no array of answers."""
    x = x.contiguous()
    # A sum of squares can overflow where no value does.
    return bool(np.isfinite(compare(x, x).aa)) or bool(x.isfinite().all())


def norm(gradients: Parameters) -> float:
    """Return the Euclidean norm of all gradients together, added up in float64."""
    # The order is that of the names: a checkpoint returns the parameters in another order.
    arrays = (gradients[name].contiguous() for name in sorted(gradients))
    return float(np.sqrt(sum(compare(x, x).aa for x in arrays)))
