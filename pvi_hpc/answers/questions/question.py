"""Protocol of questions to a model, and the question of a configuration."""

from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.questions import QuestionSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells
from pvi_hpc.plugins import load_plugin

__all__ = ["HasGradient", "HasThreshold", "Model", "Question", "load_question"]

#: Velocities of all cells `(nz, ny, nx)` [m/s].
Model: TypeAlias = NDArray[np.float32]


class Question(Protocol):
    """A target function of a model; plug-ins are entry points of `pvi_hpc.questions`."""

    #: Keys of this kind, a subclass of `QuestionSettings`.
    Options: ClassVar[type[QuestionSettings]]

    @classmethod
    def from_options(cls, options: Any, cells: Cells) -> Self:
        """Return the question on a grid with these unknown cells; ConfigError if impossible."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the answer, such as `m/s`."""
        ...

    def answer(self, model: Model) -> float:
        """Return the answer of a model `(nz, ny, nx)` [m/s]; NaN where it has none."""
        ...


@runtime_checkable
class HasGradient(Protocol):
    """Capability of a question whose answer changes smoothly with the model."""

    def gradient(self, model: Model) -> NDArray[np.float64]:
        """Return the derivative `(nz, ny, nx)` of the answer by the model.

        It is of a model that has an answer.
        """
        ...


@runtime_checkable
class HasThreshold(Protocol):
    """Capability of a question that depends on a velocity that somebody chose."""

    @property
    def threshold(self) -> float:
        """That velocity [m/s]."""
        ...

    @property
    def threshold_step(self) -> float:
        """Change of it for which the answers are told too [m/s]."""
        ...

    def at(self, threshold: float) -> Self:
        """Return the same question with another threshold [m/s]."""
        ...


def load_question(settings: QuestionSettings, cells: Cells) -> Question:
    """Return a question of a configuration.

    Raises
    ------
    ConfigError
        If no entry point of `pvi_hpc.questions` has its kind, it cannot be asked there, or its
        linear response is asked for and it has no gradient.
    """
    plugin = load_plugin(QuestionSettings.group, settings.kind, "questions.kind")
    question: Question = plugin.from_options(settings, cells)
    if settings.linear_response is not None and not isinstance(question, HasGradient):
        raise ConfigError(
            f"'questions': 'linear_response' of '{settings.name}' needs an answer that changes "
            f"smoothly with the model, got 'kind: {settings.kind}', which does not; remove "
            "'linear_response', or ask for an 'average' or an 'interface_depth'."
        )
    return question
