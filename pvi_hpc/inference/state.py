"""All memory of a variational inference, as one value and as a tree for a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.families.family import Parameters

__all__ = ["VariationalState"]


@dataclass(frozen=True)
class VariationalState:
    """What the next iteration depends on, besides the settings.

    Parameters
    ----------
    iteration
        Iterations done; the next one has this number.
    parameters
        Of the family.
    first, second
        Adam's running means of the gradient and of its square, by parameter.
    """

    iteration: int
    parameters: Parameters
    first: Parameters
    second: Parameters

    @classmethod
    def fresh(cls, parameters: Parameters) -> "VariationalState":
        """Return the state before the first iteration."""
        return cls(0, parameters, _zeros(parameters), _zeros(parameters))

    def clone(self) -> "VariationalState":
        """Return a copy that shares no memory; `step` changes a state's tensors in place."""
        trees = self.parameters, self.first, self.second
        return VariationalState(self.iteration, *(_copy(tree) for tree in trees))

    def to_tree(self) -> dict[str, Any]:
        """Return nested dictionaries of arrays, sharing memory, for a checkpoint."""
        return {
            "iteration": self.iteration,
            "parameters": _arrays(self.parameters),
            "optimiser": {"first": _arrays(self.first), "second": _arrays(self.second)},
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "VariationalState":
        """Return the state that `to_tree` was made of."""
        optimiser = tree["optimiser"]
        trees = tree["parameters"], optimiser["first"], optimiser["second"]
        return cls(int(tree["iteration"]), *(_tensors(part) for part in trees))


def _zeros(tensors: Mapping[str, Tensor]) -> Parameters:
    return {name: torch.zeros_like(value) for name, value in tensors.items()}


def _copy(tensors: Mapping[str, Tensor]) -> Parameters:
    return {name: value.clone() for name, value in tensors.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: value.detach().numpy() for name, value in tensors.items()}


def _tensors(arrays: Mapping[str, Any]) -> Parameters:
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
