"""Figure of the training of networks: loss of training and validation by epoch."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.report.style import COLOURS

__all__ = ["draw_learning"]


def draw_learning(histories: Sequence[NDArray[Any]]) -> Figure:
    """Return the learning curves of the members of an ensemble, `(epochs, 2)` losses each.

    The losses are minus log densities of pairs [nats], in standardised unknowns.
    """
    figure = Figure(figsize=(4.2, 2.8), layout="constrained")
    axes = figure.subplots()
    colours = list(COLOURS.values())
    for history in histories:
        for column, label in enumerate(("training", "validation")):
            told = label if history is histories[0] else None
            axes.plot(history[:, column], color=colours[column], label=told, linewidth=1)
    axes.set(xlabel="epoch", ylabel="loss [nats a pair]")
    axes.legend()
    return figure
