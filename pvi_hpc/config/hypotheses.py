"""Hypotheses: other priors, under which the posterior of a run is to be known too."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, PositiveInt, field_validator

from pvi_hpc.config.names import refuse_equal_names
from pvi_hpc.plugins import Name, Settings

__all__ = ["Hypotheses", "HypothesesFile", "HypothesisSettings"]


class HypothesisSettings(Settings):
    """Another prior, and how the posterior under it is found without simulations."""

    name: Name = Field(description="Name of the hypothesis in tables.")
    prior: dict[str, Any] = Field(
        min_length=1,
        description="Keys of the section `prior` that differ from the run's own.",
    )
    iterations: PositiveInt = Field(
        400,
        description="Iterations of the optimisation, where there is no closed form.",
    )
    samples: PositiveInt = Field(
        16, description="Models of an iteration, an even number; they cost no simulation."
    )
    draws: Annotated[int, Field(ge=100)] = Field(
        1000, description="Draws for the evidence, its error and the gate."
    )

    temperatures: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Steps of a tempered path to the evidence, where importance weights have "
        "no variance; 128 are usual, 0: the lower bound stands. For Gaussian families.",
    )
    chains: Annotated[int, Field(ge=30)] = Field(
        64, description="Number of independent chains along that path."
    )

    @field_validator("name")
    @classmethod
    def _not_own(cls, name: str) -> str:
        if name == "own":
            raise ValueError("must not be 'own', the run's own prior; give another name")
        return name

    @field_validator("samples")
    @classmethod
    def _in_pairs(cls, samples: int) -> int:
        if samples % 2:
            raise ValueError(f"must be even, for pairs of draws, got {samples}; add one")
        return samples


#: A list of hypotheses, each with a name of its own.
Hypotheses: TypeAlias = Annotated[
    tuple[HypothesisSettings, ...], AfterValidator(refuse_equal_names)
]


class HypothesesFile(Settings):
    """A file of hypotheses, for `pvi replace-prior`."""

    hypotheses: Annotated[Hypotheses, Field(min_length=1)]
