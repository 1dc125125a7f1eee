"""All memory of an inference, as one value and as a tree for a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.families.family import Parameters

__all__ = ["Memory", "State"]

#: Tensors by purpose and name, such as Adam's `first["mu"]`.
Memory: TypeAlias = dict[str, Parameters]


@dataclass(frozen=True)
class State:
    """State that the next iteration depends on, besides the settings.

    Parameters
    ----------
    iteration
        Iterations done; the next one has this number.
    parameters
        Parameters of the posterior: those of a family, of all components, or particles.
    memory
        Whatever else the method and its optimiser remember; a number is a tensor `()`.
    converged
        True if the method has nothing left to do before its last iteration.
    """

    iteration: int
    parameters: Parameters
    memory: Memory = field(default_factory=dict)
    converged: bool = False

    def clone(self) -> "State":
        """Return a copy that shares no memory; `step` changes a state's tensors in place."""
        memory = {name: _copy(part) for name, part in self.memory.items()}
        return State(self.iteration, _copy(self.parameters), memory, self.converged)

    def to_tree(self) -> dict[str, Any]:
        """Return nested dictionaries of arrays, sharing memory, for a checkpoint."""
        return {
            "iteration": self.iteration,
            "converged": self.converged,
            "parameters": _arrays(self.parameters),
            "memory": {name: _arrays(part) for name, part in self.memory.items()},
        }

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "State":
        """Return the state that `to_tree` was made of, in the memory of the tree's arrays."""
        memory = {name: _tensors(part) for name, part in tree["memory"].items()}
        return cls(
            int(tree["iteration"]),
            _tensors(tree["parameters"]),
            memory,
            bool(tree["converged"]),
        )


def _copy(tensors: Mapping[str, Tensor]) -> Parameters:
    return {name: value.clone() for name, value in tensors.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: value.detach().numpy() for name, value in tensors.items()}


def _tensors(arrays: Mapping[str, Any]) -> Parameters:
    owned = {k: np.require(v, requirements=("C", "W")) for k, v in arrays.items()}
    return {name: torch.from_numpy(value) for name, value in owned.items()}
