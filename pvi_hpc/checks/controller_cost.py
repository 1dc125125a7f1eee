"""Needs of the controller for the variational update: memory, checkpoint and time."""

from dataclasses import dataclass
from typing import Final

from pvi_hpc.config.project import Run
from pvi_hpc.errors import PviError
from pvi_hpc.grid import Cells

__all__ = ["ControllerCost", "controller_cost"]

#: The interpreter with torch, NumPy and the libraries [bytes]; measured.
INTERPRETER: Final = 0.35e9
#: Arrays `(S, n)` alive at once around the likelihood, which works in float64.
DOUBLE_FIELDS: Final = 8
#: Arrays `(S, n)` in the precision of the parameters: eps, theta, score, cotangent, two sums.
FIELDS: Final = 6
#: CPU time of an update by each number, and by each sample and cell [s]; measured in
#: docs/evidence/update-at-scale.md.
SECONDS_A_NUMBER: Final = 5e-9
SECONDS_A_SAMPLE: Final = 3e-8


@dataclass(frozen=True)
class ControllerCost:
    """Cost of the variational update of a run.

    `state` is the size of a checkpoint and `peak` the memory of the whole process [bytes];
    `seconds` is the time of an iteration on one core, without simulations.
    """

    state: float
    peak: float
    seconds: float


def controller_cost(run: Run) -> ControllerCost:
    """Return the cost; zeros where `check_family` has something to say first."""
    cells = run.cells
    try:
        numbers, streamed = _numbers(run, cells)
    except PviError:
        return ControllerCost(0, 0, 0)
    inference = run.inference
    size = 4 if inference.precision == "single" else 8
    moments = 2 if inference.optimiser.kind == "adam" else 1
    copies = 1 + moments + (inference.optimiser.average > 0)
    state = size * numbers * copies + 8 * cells.n * run.start.recorded
    fields = inference.samples * cells.n
    working = fields * (8 * DOUBLE_FIELDS + size * FIELDS)
    # A gradient that is not streamed is stored, and Adam makes two arrays like it.
    gradients = 0 if streamed else 3 * size * numbers
    seconds = SECONDS_A_NUMBER * numbers + SECONDS_A_SAMPLE * fields
    return ControllerCost(state, INTERPRETER + state + working + gradients, seconds)


def _numbers(run: Run, cells: Cells) -> tuple[int, bool]:
    """Return how many variational numbers there are, and whether their gradient is streamed."""
    # Imported here: these load torch.
    import torch

    from pvi_hpc.families.load import load_family
    from pvi_hpc.inference.optimisers.streaming import streams

    family = load_family(run.inference.family, cells.active)
    # Tensors of this device have a shape and no memory.
    with torch.device("meta"):
        parameters = family.initial(torch.empty(family.n), 1.0)
    numbers = sum(value.numel() for value in parameters.values())
    return numbers, streams(family, run.inference.optimiser)
