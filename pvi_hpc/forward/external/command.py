"""A program in any language as forward problem: `forward: {kind: command, command: [...]}`."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import Finding, error
from pvi_hpc.forward.external.problem import ExternalProblem
from pvi_hpc.forward.external.program import PLACEHOLDERS, Program
from pvi_hpc.forward.external.settings import ExternalSettings
from pvi_hpc.forward.external.solver import Simulation
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["CommandProblem", "CommandSettings"]

Words = Annotated[tuple[str, ...], Field(min_length=1)]
#: Room that a program gets for files of its own, unless the settings say more [GB].
SCRATCH_GB: Final = 0.01
#: Time limit of a program that runs before the inversion, where the settings have none [s].
MEASURED_LIMIT_S: Final = 3600.0


class CommandSettings(ExternalSettings):
    """A program that simulates one shot of one model, and exchanges files."""

    operational: ClassVar[frozenset[str]] = ExternalSettings.operational | {
        "time_limit_s",
        "scratch_gb",
    }

    kind: Literal["command"] = "command"
    command: Words = Field(
        description="Program and arguments; {folder}, {identity}, {want}, {shot}, {threads} "
        "and {launched_in} are filled in."
    )
    gradient: Literal["returned", "differences"] = Field(
        "returned",
        description="Origin of gradients; returned: the program writes them; differences: two "
        "simulations for each cell, for small problems.",
    )
    time_limit_s: PositiveFloat | None = Field(
        None,
        description="Longest duration of one start of the program [s]; null: only "
        "`execution.timeout_s` limits it, which counts for a whole task.",
    )
    scratch_gb: PositiveFloat = Field(
        SCRATCH_GB,
        description="Room for files of the program in the folder of a simulation [GB].",
    )

    @model_validator(mode="after")
    def _known_placeholders(self) -> Self:
        if "{" in self.command[0]:
            raise ValueError(
                f"'command' must begin with the program itself, got {self.command[0]!r}; "
                "placeholders are for its arguments"
            )
        for word in self.command:
            try:
                names = {name for _, name, _, _ in Formatter().parse(word) if name is not None}
            except ValueError as fault:
                raise ValueError(
                    f"'command': {word!r} has an unpaired brace: {fault}"
                ) from None
            if names - set(PLACEHOLDERS):
                raise ValueError(
                    f"'command' may fill in {', '.join(PLACEHOLDERS)}, got {word!r}; write "
                    "{{ and }} for braces"
                )
        return self


class CommandProblem(ExternalProblem):
    """A program in any language; docs/guide/your-own-forward-problem.md tells its contract."""

    kind = "command"
    Options: ClassVar[type[CommandSettings]] = CommandSettings

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the program; every simulation gets a new folder in `folder`."""
        return Program(options.command, setup, folder, options.time_limit_s)

    @classmethod
    def first_simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return the program with a time limit in any case: no worker watches it."""
        limit = options.time_limit_s or MEASURED_LIMIT_S
        return Program(options.command, setup, folder, limit)

    def sources(self) -> list[Path]:
        """Return the program, and the files that the settings name."""
        program = _program(self.options.command[0])
        return [*([] if program is None else [program]), *map(Path, self.options.files)]

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check that the program can be found and executed."""
        yield from super().check(survey)
        if _program(self.options.command[0]) is None:
            yield error(
                "forward.command",
                f"'{self.options.command[0]}' must be a program that can be executed: a path "
                "from the folder that the run is started in, or a name found on PATH; correct "
                "it, or make it executable (chmod +x).",
            )

    def _setup(self, survey: str, digest: str) -> SimulationSetup:
        setup = super()._setup(survey, digest)
        program = _program(self.options.command[0])
        place = {**setup.place, "program": str(program or self.options.command[0])}
        room = setup.scratch + int(self.options.scratch_gb * 1e9)
        return replace(setup, place=place, scratch=room)


def _program(word: str) -> Path | None:
    """Return the path of the program that a word names, or None."""
    # Links are not followed: those of a virtual environment lead out of it.
    found = shutil.which(word)
    return None if found is None else Path(found).absolute()
