"""Calls of a model behind an UM-Bridge server, whose every fault has the class of the ledger.

The protocol is that of Seelinger et al. (2023), JOSS 8(83), 4748. The client of the package
`umbridge` waits for ever and raises bare exceptions: here calls have a time limit, and the kind
of a fault decides whether another try can help.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.forward.external.results import BadResultError
from pvi_hpc.forward.external.solver import Result
from pvi_hpc.forward.external.timed_calls import QUOTED, within

__all__ = ["Client", "Question", "ServedModel", "load_umbridge"]

Array = NDArray[np.float64]
T = TypeVar("T")


def load_umbridge() -> Any:
    """Return the package `umbridge`; ConfigError where it is not installed."""
    try:
        import umbridge
    except ImportError as fault:
        raise ConfigError(
            "'forward.kind: umbridge' needs the package 'umbridge', which is not installed "
            f"({fault}); install it: pip install 'pvi_hpc[umbridge]'."
        ) from fault
    return umbridge


class Client:
    """A model of a server, connected when it is first asked.

    Parameters
    ----------
    url
        Address of the server.
    name
        Name of the model there.
    time_limit_s
        Longest duration of one call [s]; None: no limit of our own.

    Raises
    ------
    ConfigError
        If the package `umbridge` is not installed.
    """

    def __init__(self, url: str, name: str, time_limit_s: float | None) -> None:
        self.url, self.name, self.time_limit_s = url.rstrip("/"), name, time_limit_s
        self._package = load_umbridge()
        self._model: Any = None

    def ask(self, question: Callable[[Any], T]) -> T:
        """Return the answer of an `umbridge.HTTPModel` to a question.

        Raises
        ------
        ServerGoneError, HangingError
            If the server does not answer, or not in time.
        NonFiniteError, BadResultError
            If it answers with NaN, or with something that is no answer.
        UnusableModelError
            If it says that this can never be answered.
        SolverError
            If its model fails in another way.
        """

        def call() -> T:
            if self._model is None:
                self._model = self._package.HTTPModel(self.url, self.name)
            return question(self._model)

        try:
            return within(call, self.time_limit_s)
        except SolverError as fault:
            # The next try connects again: it may be another server then.
            self._model = None
            raise type(fault)(
                f"UM-Bridge model '{self.name}' at {self.url}: {fault}"
            ) from fault

    def models(self) -> list[str]:
        """Return the models that the server offers; errors as `ask`."""
        names = within(lambda: self._package.supported_models(self.url), self.time_limit_s)
        return [str(name) for name in names]


@dataclass(frozen=True)
class Question:
    """Vectors and settings that a served model gets, and the part of its result that is used.

    Parameters
    ----------
    config
        Settings of the model, in every call.
    input, others
        Index of the input vector that is our model, and the other vectors in their order.
    output
        Index of the output vector that is used.
    has_data
        True where that vector is data, False where it is one number.
    by_shot
        True where the number of the shot is added to the `config`.
    """

    config: Mapping[str, Any]
    input: int
    others: Sequence[Sequence[float]]
    output: int
    has_data: bool
    by_shot: bool

    def vectors(self, model: Array) -> list[list[float]]:
        """Return all input vectors; ours is the flattened model, x fastest."""
        given = [list(map(float, other)) for other in self.others]
        given.insert(self.input, model.ravel().tolist())
        return given

    def configured(self, shot: int) -> dict[str, Any]:
        """Return the settings of a call."""
        return {**self.config, "shot": shot} if self.by_shot else dict(self.config)


class ServedModel:
    """A model behind a server; a `Simulation`."""

    def __init__(self, client: Client, question: Question) -> None:
        self.client, self.question = client, question

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Evaluate the model, and the gradient of a number if asked; errors as `Client.ask`."""
        asked = self.question
        given, config = asked.vectors(model), asked.configured(shot)
        outputs = self.client.ask(lambda served: served(given, config))
        value = self._picked(outputs)

        def pull(derivative: Array) -> Array:
            sens = np.asarray(derivative, dtype=np.float64).tolist()
            found = self.client.ask(
                lambda served: served.gradient(asked.output, asked.input, given, sens, config)
            )
            flat = np.asarray(found, dtype=object)
            return flat.reshape(model.shape) if flat.size == model.size else flat

        if asked.has_data:
            return Result(value, pull if gradient else None)
        if len(value) != 1:
            raise BadResultError(
                f"UM-Bridge model '{self.client.name}': output {asked.output} must be one "
                f"number, got {len(value)}; set 'forward.returns: data', or another "
                "'forward.output'."
            )
        return Result(value[0], pull(np.ones(1)) if gradient else None)

    def close(self) -> None:
        """Nothing of ours runs between calls."""

    def _picked(self, outputs: Any) -> list[Any]:
        """Return the output vector that is used."""
        try:
            return list(outputs[self.question.output])
        except (TypeError, IndexError, KeyError) as fault:
            raise BadResultError(
                f"UM-Bridge model '{self.client.name}': the result must be a list of vectors "
                f"that has number {self.question.output}, got {str(outputs)[:QUOTED]}."
            ) from fault
