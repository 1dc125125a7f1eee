"""The posterior of a run as chains from its fit see it: log weights, and what is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.answers.questions.question import Question, load_question
from pvi_hpc.config.questions import QuestionSettings
from pvi_hpc.diagnostics.samplers.corrected import Evaluation
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.method import FitsFamily
from pvi_hpc.inference.noise_inference import precisions_of
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.segment import Fitted

__all__ = ["CorrectionTarget", "Misfits"]

Array = NDArray[np.float64]
#: Misfits `(C,)` of models `(C, nz, ny, nx)` [m/s], of all shots.
Misfits: TypeAlias = Callable[[NDArray[np.float32]], Array]

#: Parts that a grid is cut into along z, y and x, whose means are compared.
BLOCKS: Final = (2, 2, 2)


@dataclass(frozen=True)
class CorrectionTarget:
    """The posterior of a run as its fit sees it, and what is asked of each model."""

    problem: Problem
    fit: FitsFamily
    parameters: dict[str, torch.Tensor]
    precisions: tuple[float, ...]
    questions: Mapping[str, Question]

    @classmethod
    def of(
        cls, problem: Problem, fitted: Fitted, questions: Sequence[QuestionSettings]
    ) -> "CorrectionTarget":
        method, state = problem.method(None), fitted.progress.state
        if not isinstance(method, FitsFamily):
            raise ConfigError(
                "A posterior can be corrected where 'inference.method.kind' fits a family, "
                f"such as 'vi', got '{problem.run.inference.method.kind}' in run "
                f"'{problem.run.name}'."
            )
        precisions = precisions_of(state.memory)
        parameters = {k: v.detach().double() for k, v in method.fitted(state).items()}
        asked = {q.name: load_question(q, problem.run.cells) for q in questions}
        return cls(problem, method, parameters, precisions, asked)

    @property
    def names(self) -> list[str]:
        """Names of the quantities: means of blocks, then answers."""
        return [name for name, _ in self._blocks] + list(self.questions)

    def evaluate(self, eps: Array, misfits: Misfits) -> Evaluation:
        """Return the log weights; values are the model, flat, then the quantities."""
        family, numbers = self.fit.family, torch.from_numpy(eps)
        with torch.no_grad():
            theta = family.sample(self.parameters, numbers).detach().double()
        log_prior = self.problem.model_map.coordinates.log_prior(theta)
        log_q = family.log_q(self.parameters, numbers)
        models = self.problem.models(theta)
        weights = (log_prior - log_q).detach().numpy() - misfits(models)
        told = np.array([self.quantities(model) for model in models])
        flat = models.reshape(len(models), -1)
        return Evaluation(weights, np.concatenate([flat, told], axis=1).astype(np.float64))

    def quantities(self, model: NDArray[np.float32]) -> list[float]:
        """Return the mean of each block, and each answer."""
        active = self.problem.model_map.active
        means = [float(model[b][active[b]].mean(dtype=np.float64)) for _, b in self._blocks]
        return means + [question.answer(model) for question in self.questions.values()]

    @property
    def _blocks(self) -> list[tuple[str, tuple[slice, slice, slice]]]:
        active = self.problem.model_map.active
        boxes = self.problem.run.grid.grid.boxes(BLOCKS)
        return [(name, box) for name, box in boxes if active[box].any()]
