"""Stops at the iteration where a log density or a gradient is not finite."""

import numpy as np

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.target import TargetValue

__all__ = ["check_gradients", "check_values", "norm"]


def check_values(value: TargetValue, iteration: int) -> None:
    """Check the log densities and gradients of all samples.

    Raises
    ------
    NonFiniteError
        Naming the first sample where one is not finite.
    """
    densities = value.log_likelihood + value.log_prior
    finite = densities.isfinite() & value.gradient.isfinite().all(dim=1)
    if not finite.all():
        sample = int((~finite).int().argmax())
        raise NonFiniteError(
            f"Iteration {iteration}, sample {sample}: the log density "
            f"({float(densities[sample])}) or its gradient is not finite. The last checkpoint "
            "is intact; look at the solver's log, or lower 'inference.optimiser.step'."
        )


def check_gradients(gradients: Parameters, iteration: int) -> None:
    """Check the gradients by all parameters.

    Raises
    ------
    NonFiniteError
        Naming the first parameter whose gradient is not finite.
    """
    for name, gradient in gradients.items():
        if not gradient.isfinite().all():
            raise NonFiniteError(
                f"Iteration {iteration}, all samples together: the gradient of '{name}' is "
                "not finite. The last checkpoint is intact; lower 'inference.optimiser.step'."
            )


def norm(gradients: Parameters) -> float:
    """Return the Euclidean norm of all gradients together, added up in float64."""
    # By name: a checkpoint returns the parameters in another order.
    squares = [
        np.sum(gradients[name].numpy().astype(np.float64, copy=False) ** 2)
        for name in sorted(gradients)
    ]
    return float(np.sqrt(sum(squares)))
