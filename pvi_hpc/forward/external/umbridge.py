"""A model behind an UM-Bridge server: `forward: {kind: umbridge, url: ..., model: ...}`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import ConfigError, Finding, SolverError, error, ok
from pvi_hpc.forward.external.problem import ExternalProblem
from pvi_hpc.forward.external.served import Client, Question, ServedModel
from pvi_hpc.forward.external.settings import ExternalSettings
from pvi_hpc.forward.external.solver import Simulation
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["UmbridgeProblem", "UmbridgeSettings"]

#: Time limit of a question about sizes and capabilities [s].
CHECK_LIMIT_S: Final = 30.0
#: Time limit of a call before the inversion, where the settings have none [s].
MEASURED_LIMIT_S: Final = 3600.0


class UmbridgeSettings(ExternalSettings):
    """A model that an UM-Bridge server computes; needs the extra `umbridge`."""

    operational: ClassVar[frozenset[str]] = ExternalSettings.operational | {
        "url",
        "time_limit_s",
    }

    kind: Literal["umbridge"] = "umbridge"
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] = Field(
        description="Address of the server as the workers see it, as http://localhost:4242."
    )
    model: Annotated[str, Field(min_length=1)] = Field(
        description="Name of the model on the server."
    )
    config: dict[str, Any] = Field(
        {},
        description="Settings of the model, sent in every call; with more than one shot, "
        "`shot` is added: 0, 1, 2 and so on.",
    )
    input: NonNegativeInt = Field(
        0,
        description="Index of the model's input vector that is ours: all cells of the grid, x "
        "fastest.",
    )
    other_inputs: tuple[tuple[float, ...], ...] = Field(
        (), description="The model's other input vectors, in their order."
    )
    output: NonNegativeInt = Field(
        0, description="Index of the model's output vector that `returns` speaks of."
    )
    gradient: Literal["returned", "differences"] = Field(
        "returned",
        description="Origin of gradients; returned: the server's Gradient; differences: two "
        "simulations for each cell, for small problems.",
    )
    time_limit_s: PositiveFloat | None = Field(
        None,
        description="Longest duration of one call of the server [s]; null: only "
        "`execution.timeout_s` limits it, which counts for a whole task.",
    )

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.input > len(self.other_inputs):
            raise ValueError(
                f"'input' must be at most {len(self.other_inputs)}, the number of "
                f"'other_inputs', got {self.input}; give the vectors before it"
            )
        if self.shots > 1 and "shot" in self.config:
            raise ValueError(
                "'config' must not have 'shot' with 'shots' above 1, which puts it there; "
                "remove it"
            )
        return self


class UmbridgeProblem(ExternalProblem):
    """A model that an UM-Bridge server computes; docs/guide/umbridge.md tells its contract."""

    kind = "umbridge"
    Options: ClassVar[type[UmbridgeSettings]] = UmbridgeSettings

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the served model; the server is asked for the first time by a simulation."""
        return _served(options, options.time_limit_s)

    @classmethod
    def first_simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the served model with a time limit in any case: no worker watches it."""
        return _served(options, options.time_limit_s or MEASURED_LIMIT_S)

    def sources(self) -> list[Path]:
        """Return no file: the server's code is out of sight."""
        return []

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check that the server is there, and that its model has the sizes of the problem."""
        yield from super().check(survey)
        options: UmbridgeSettings = self.options
        try:
            limit_s = options.time_limit_s or CHECK_LIMIT_S
            client = Client(options.url, options.model, limit_s)
            offered = client.models()
            if options.model not in offered:
                yield error(
                    "forward.model",
                    f"must be one of {', '.join(offered) or 'none'}, which {options.url} "
                    f"offers, got '{options.model}'; choose one.",
                )
                return
            found = [*self._faults(client, survey)]
        except ConfigError as fault:
            yield error("forward.kind", str(fault))
            return
        except SolverError as fault:
            yield error(
                "forward.url",
                f"'{options.url}' must be an UM-Bridge server that answers: {fault} Start it, "
                "or correct the address; workers on other nodes must reach it too.",
            )
            return
        yield from found
        if not found:
            yield ok(
                "forward.model", f"'{options.model}' at {options.url} has the right sizes."
            )

    def _faults(self, client: Client, survey: Survey) -> Iterator[Finding]:
        """Yield what does not fit; errors as `Client.ask`."""
        options: UmbridgeSettings = self.options
        if not client.ask(lambda model: model.supports_evaluate()):
            yield error("forward.model", f"'{options.model}' cannot be evaluated.")
        gives = client.ask(lambda model: model.supports_gradient())
        if options.gradient == "returned" and not gives:
            yield error(
                "forward.gradient",
                f"is 'returned', but '{options.model}' has no Gradient; add it to the model, "
                "or set 'differences' for a small problem.",
            )
        config = _question(options).configured(0)
        sizes = client.ask(lambda model: model.get_input_sizes(config))
        wanted = [len(other) for other in options.other_inputs]
        wanted.insert(options.input, self.domain.grid.size)
        if sizes != wanted:
            yield error(
                "forward.other_inputs",
                f"'{options.model}' must have input vectors of {wanted} numbers, of which "
                f"number {options.input} has the {self.domain.grid.size} cells of the grid, "
                f"got {sizes}; correct 'grid.shape', 'forward.input', "
                "'forward.other_inputs' or 'forward.config'.",
            )
        sizes = client.ask(lambda model: model.get_output_sizes(config))
        expected = len(survey.shots[0].receivers) if self.has_data else 1
        got = sizes[options.output] if options.output < len(sizes) else None
        if got != expected:
            yield error(
                "forward.output",
                f"'{options.model}' must have an output vector number {options.output} of "
                f"{expected} numbers, as 'forward.returns: {options.returns}' and the data "
                f"say, got output vectors of {sizes}; correct the index, the data or "
                "'forward.returns'.",
            )


def _served(options: UmbridgeSettings, limit_s: float | None) -> ServedModel:
    return ServedModel(Client(options.url, options.model, limit_s), _question(options))


def _question(options: UmbridgeSettings) -> Question:
    return Question(
        config=options.config,
        input=options.input,
        others=options.other_inputs,
        output=options.output,
        has_data=options.returns == "data",
        by_shot=options.shots > 1,
    )
