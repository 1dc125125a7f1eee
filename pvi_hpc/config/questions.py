"""Questions to a posterior: what is asked of every model, and what a wrong answer costs."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)

from pvi_hpc.config.names import refuse_equal_names
from pvi_hpc.plugins import KindSettings, Name, Settings

__all__ = [
    "BoxSettings",
    "LinearResponseSettings",
    "QuestionFile",
    "QuestionSettings",
    "Questions",
    "ThresholdSettings",
    "UtilitySettings",
]

#: First and last coordinate along an axis [m]; None: all of it.
Span: TypeAlias = tuple[float, float] | None


class BoxSettings(Settings):
    """Box whose cells a question is about: those with their centres in it."""

    z_m: Span = Field(None, description="Least and largest depth [m]; null: all depths.")
    y_m: Span = Field(None, description="Least and largest y [m]; null: the whole axis.")
    x_m: Span = Field(None, description="Least and largest x [m]; null: the whole axis.")

    @property
    def spans(self) -> tuple[Span, Span, Span]:
        """The spans along z, y and x."""
        return self.z_m, self.y_m, self.x_m

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name, span in zip("zyx", self.spans, strict=True):
            if span is not None and span[0] > span[1]:
                raise ValueError(
                    f"'{name}_m' must be the least and the largest coordinate, in this order, "
                    f"got {list(span)}; swap them"
                )
        return self


class UtilitySettings(Settings):
    """Cost of an answer that is wrong; the optimal answer makes its mean the least."""

    kind: Literal["squared", "absolute", "tolerance"] = Field(
        "squared",
        description="Cost of an error e; squared: e^2; absolute: |e|, times the costs below; "
        "tolerance: 0 up to `tolerance`, 1 beyond it.",
    )
    cost_too_high: PositiveFloat = Field(
        1.0, description="With absolute: cost of each unit by which the answer is too high."
    )
    cost_too_low: PositiveFloat = Field(
        1.0, description="With absolute: cost of each unit by which the answer is too low."
    )
    tolerance: PositiveFloat | None = Field(
        None, description="With tolerance: largest error that does not count, in its unit."
    )

    @model_validator(mode="after")
    def _has_tolerance(self) -> Self:
        if (self.kind == "tolerance") != (self.tolerance is not None):
            raise ValueError(
                "'tolerance' must be given with 'kind: tolerance' and only there, got "
                f"{self.tolerance} with 'kind: {self.kind}'"
            )
        return self


class LinearResponseSettings(Settings):
    """Linear response: the sd of an answer by simulations, beside that of the family."""

    products: PositiveInt = Field(
        100,
        description="Largest number of products with the posterior's precision; each is a "
        "Born and an adjoint simulation of every shot.",
    )
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01,
        description="Share of the variance that the last three products may add at the end.",
    )


class QuestionSettings(KindSettings):
    """A question that each model has an answer to, a number."""

    group: ClassVar[str] = "pvi_hpc.questions"
    section: ClassVar[str] = "questions"
    later: ClassVar[frozenset[str]] = frozenset({"linear_response"})

    kind: str = Field(
        description="average, connected_volume, interface_depth, or another question."
    )
    name: Name = Field(description="Name of the question in tables.")
    utility: UtilitySettings = UtilitySettings()
    linear_response: LinearResponseSettings | None = Field(
        None, description="The sd by linear response too; {}: as it is by default; null: no."
    )

    def told(self) -> str:
        """Return the question as JSON; one that sets no later key is told as ever."""
        unset = None if self.linear_response is not None else {"linear_response"}
        return self.model_dump_json(exclude=unset)


class ThresholdSettings(QuestionSettings):
    """A question about the cells beyond a velocity."""

    box: BoxSettings = BoxSettings()
    below_m_s: PositiveFloat | None = Field(
        None, description="Velocity that the cells are below [m/s]; this or `above_m_s`."
    )
    above_m_s: PositiveFloat | None = Field(
        None, description="Velocity that the cells are above [m/s]."
    )
    threshold_step_m_s: PositiveFloat = Field(
        25.0,
        description="Change of the threshold by which the sensitivity to it is told [m/s].",
    )

    @property
    def threshold(self) -> float:
        """The velocity of either side [m/s]."""
        return next(v for v in (self.below_m_s, self.above_m_s) if v is not None)

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.below_m_s is None) == (self.above_m_s is None):
            raise ValueError(
                "exactly one of 'below_m_s' and 'above_m_s' must be given, got "
                f"{self.below_m_s} and {self.above_m_s}"
            )
        if self.threshold_step_m_s >= self.threshold:
            raise ValueError(
                f"'threshold_step_m_s' must be less than the threshold, {self.threshold:g} "
                f"m/s, got {self.threshold_step_m_s:g}"
            )
        return self


#: A list of questions, each with a name of its own.
Questions: TypeAlias = Annotated[
    tuple[SerializeAsAny[QuestionSettings], ...], AfterValidator(refuse_equal_names)
]


class QuestionFile(Settings):
    """A file of questions, for `pvi ask`."""

    questions: Annotated[Questions, Field(min_length=1)]
