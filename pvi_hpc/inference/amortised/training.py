"""Training of one network by the log density of pairs, with states that resume to the bit.

All random numbers are keyed by seed, member and epoch, and all is computed in one thread, so
that a state and the settings give the same bits whenever training is interrupted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.inference.amortised.networks.network import Network
from pvi_hpc.inference.amortised.settings import TrainingSettings
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["TrainingState", "train"]

#: Factor of the learning rate where a validation has not become better for a while.
DROP: Final = 0.25
#: Largest norm of a gradient.
CLIP: Final = 5.0
#: Pairs of a validation that are computed together.
PART: Final = 4096

Weights = dict[str, NDArray[Any]]


@dataclass
class TrainingState:
    """A training after an epoch: all that it goes on from.

    `weights` and `moments` are those of the network and of Adam; `best` are the weights with
    the lowest validation loss. `history` has the losses `(epochs, 2)`, of training and
    validation [nats a pair].
    """

    epoch: int = 0
    rate: float = 0.0
    weights: Weights = field(default_factory=dict)
    moments: dict[str, Weights] = field(default_factory=dict)
    best: Weights = field(default_factory=dict)
    best_loss: float = inf
    waited: int = 0
    drops: int = 0
    done: bool = False
    history: list[tuple[float, float]] = field(default_factory=list)

    def to_tree(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        history = np.array(self.history, dtype=np.float64).reshape(-1, 2)
        return {**vars(self), "history": history}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "TrainingState":
        """Read what `to_tree` gave."""
        history = [(float(a), float(b)) for a, b in tree["history"]]
        return cls(**{**tree, "history": history})


def train(
    network: Network,
    pairs_of: Callable[[int], tuple[Tensor, Tensor]],
    validation: tuple[Tensor, Tensor],
    settings: TrainingSettings,
    *,
    member: int = 0,
    state: TrainingState | None = None,
    after_epoch: Callable[[TrainingState], bool] = lambda _: False,
) -> TrainingState:
    """Train a network until its validation no longer becomes better.

    The learning rate falls to a quarter where the validation has not become better for
    `patience` epochs, and training goes on from the best weights; after `drops` of these it
    ends.

    Parameters
    ----------
    network
        The network, which gets the best weights.
    pairs_of
        Gives standardised unknowns `(N, n)` and features `(N, d)` of an epoch, both float32:
        every epoch may have noise of its own.
    validation
        Unknowns and features of pairs that training is stopped by.
    settings
        Batches, rate, patience and seed.
    member
        Number of the network in its ensemble, a key of its random numbers.
    state
        Go on from here.
    after_epoch
        Told the state after each epoch; True ends the call, to be gone on with later.

    Raises
    ------
    NonFiniteError
        If no loss is finite.
    """
    run = _Run(network, settings, member, state or TrainingState(rate=settings.learning_rate))
    run.state.done = run.finished  # `max_epochs` may have been raised
    with one_thread():
        while not run.state.done:
            run.epoch(pairs_of(run.state.epoch), validation)
            if after_epoch(run.state) and not run.state.done:
                return run.state
        if not isfinite(run.state.best_loss):
            raise NonFiniteError(
                "Training of the network gave no finite loss; lower "
                "'amortised.training.learning_rate', and look for data of huge size."
            )
        run.load(run.state.best)
    return run.state


class _Run:
    """A network with its optimiser."""

    def __init__(
        self, network: Network, settings: TrainingSettings, member: int, state: TrainingState
    ) -> None:
        self.network, self.settings, self.member, self.state = network, settings, member, state
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        if state.weights:
            self.load(state.weights)
            self._load_moments(state.moments)

    def epoch(self, pairs: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> None:
        """Do one epoch, and judge it."""
        state, settings = self.state, self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = state.rate
        loss, held = self._steps(*pairs), self._validate(*validation)
        state.history.append((loss, held))
        state.epoch += 1
        if held < state.best_loss:
            state.best_loss, state.best, state.waited = held, self._weights(), 0
        else:
            state.waited += 1
        if state.waited >= settings.patience or not isfinite(held):
            state.drops, state.waited = state.drops + 1, 0
            state.rate *= DROP
            if state.best:
                self.load(state.best)
                self.optimiser.state.clear()
        state.done = self.finished
        state.weights, state.moments = self._weights(), self._moments()

    @property
    def finished(self) -> bool:
        """True where the rate has fallen often enough, or there were epochs enough."""
        state, settings = self.state, self.settings
        return state.drops > settings.drops or state.epoch >= settings.max_epochs

    def load(self, weights: Weights) -> None:
        """Put weights into the network."""
        self.network.load_state_dict(
            {k: torch.from_numpy(v.copy()) for k, v in weights.items()}
        )

    def _steps(self, theta: Tensor, x: Tensor) -> float:
        """Go through all pairs in a random order; return the mean loss."""
        size, total = self.settings.batch, 0.0
        rng = keyed_rng(self.settings.seed, "batches", self.member, self.state.epoch)
        order = torch.from_numpy(rng.permutation(len(theta)))
        self.network.train()
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            loss = -self.network.log_prob(theta[rows], x[rows]).mean()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            if torch.isfinite(norm):
                self.optimiser.step()
            total += float(loss.detach()) * len(rows)
        return total / len(order)

    def _validate(self, theta: Tensor, x: Tensor) -> float:
        self.network.eval()
        with torch.no_grad():
            parts = zip(torch.split(theta, PART), torch.split(x, PART), strict=True)
            found = torch.cat([self.network.log_prob(*part) for part in parts])
        return -float(found.double().mean())

    def _weights(self) -> Weights:
        return {k: v.detach().numpy().copy() for k, v in self.network.state_dict().items()}

    def _moments(self) -> dict[str, Weights]:
        """Return what Adam remembers of each parameter, by name."""
        found = {}
        for name, parameter in self.network.named_parameters():
            its = self.optimiser.state.get(parameter)
            if its:
                found[name] = {k: np.array(v.numpy()) for k, v in its.items()}
        return found

    def _load_moments(self, moments: Mapping[str, Weights]) -> None:
        for name, parameter in self.network.named_parameters():
            if name in moments:
                its = {k: torch.from_numpy(np.array(v)) for k, v in moments[name].items()}
                self.optimiser.state[parameter] = its
