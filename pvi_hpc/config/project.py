"""The whole configuration: the sections that all runs share, and the list of runs."""

import hashlib
import json
from functools import cached_property
from math import prod
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PositiveInt, SerializeAsAny, field_validator, model_validator

from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.config.grid import GridSettings
from pvi_hpc.config.hypotheses import Hypotheses
from pvi_hpc.config.questions import Questions
from pvi_hpc.config.start import StartingModelSettings
from pvi_hpc.data.settings import SurveySettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.grid import Cells
from pvi_hpc.inference.settings import InferenceSettings
from pvi_hpc.plugins import Name, Seed, Settings
from pvi_hpc.priors.settings import PriorSettings

__all__ = [
    "BlockTailsSettings",
    "PosteriorSettings",
    "Project",
    "ReportSettings",
    "Run",
    "merge",
]


class BlockTailsSettings(Settings):
    """Pareto k-hat along the mean of each block of cells, by forward simulations."""

    blocks: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (2, 2, 2), description="Number of blocks along z, y and x."
    )
    draws: Annotated[int, Field(ge=25)] = Field(
        100, description="Number of models simulated for each block, with all shots."
    )

    @property
    def models(self) -> int:
        """Number of models that are simulated, if every block holds an unknown."""
        return prod(self.blocks) * self.draws


class PosteriorSettings(Settings):
    """Draws from the fitted distribution."""

    samples: Annotated[int, Field(ge=2)] = 200
    quantiles: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)
    ] = (0.05, 0.25, 0.5, 0.75, 0.95)
    predictive_draws: Annotated[int, Field(ge=2)] = 8
    k_hat: BlockTailsSettings | None = Field(
        None, description="Pareto k-hat of blocks; null: it is not computed."
    )


class ReportSettings(Settings):
    """Slices, wells and shot of the report."""

    depth_m: float | None = Field(
        None, description="Depth of the depth slice [m]; null: the middle."
    )
    y_m: float | None = Field(
        None, description="Coordinate y of the inline section [m]; null: the middle."
    )
    x_m: float | None = Field(
        None, description="Coordinate x of the crossline section [m]; null: the middle."
    )
    wells_y_x_m: tuple[tuple[float, float], ...] = ()
    shot: int | None = Field(None, description="Id of the shot drawn; null: the middle one.")


#: The kind of forward problem that a configuration without `forward` has.
ACOUSTIC = "acoustic"


class _Shared(Settings):
    """Sections of one run; in a project, the defaults of all runs."""

    later: ClassVar[frozenset[str]] = frozenset({"likelihood"})

    seed: Seed = 1
    grid: GridSettings
    survey: SurveySettings | None = Field(
        None, description="Survey with its data; null where `forward` brings the data."
    )
    forward: SerializeAsAny[ForwardSettings] = Field(
        {"kind": ACOUSTIC},
        validate_default=True,
        description="Forward problem: the simulation of a model, by `kind`.",
    )
    likelihood: LikelihoodSettings = LikelihoodSettings()
    prior: SerializeAsAny[PriorSettings]
    start: StartingModelSettings = StartingModelSettings()
    inference: InferenceSettings
    execution: ExecutionSettings = ExecutionSettings()
    posterior: PosteriorSettings = PosteriorSettings()

    @model_validator(mode="before")
    @classmethod
    def _solver_is_forward(cls, tree: Any) -> Any:
        return with_forward(tree)

    @model_validator(mode="after")
    def _positions_have_y(self) -> Self:
        made = None if self.survey is None else self.survey.synthetic
        for name in ("sources", "receivers") if made and self.grid.shape[1] > 1 else ():
            if getattr(made, name).y is None:
                raise ValueError(
                    f"'survey.synthetic.{name}.y' is missing; add it: only with one cell along "
                    f"y can it be left out, and 'grid.shape' has {self.grid.shape[1]}"
                )
        return self


#: Names of files and folders of a project, beside the folders of runs or of their reports.
RESERVED = ("benchmarks", "comparison", "index", "logs", "report", "stop")


class Run(_Shared):
    """One inversion, everything about it resolved."""

    name: Name

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name.lower() in RESERVED:
            raise ValueError(
                f"must not be one of {', '.join(RESERVED)}, which name files and folders of "
                f"the results, got '{name}'; choose another name"
            )
        return name

    @property
    def cells(self) -> Cells:
        """The grid, and the cells of it that are unknown."""
        return self.prior.cells(self.grid.grid)

    def fingerprint(self) -> str:
        """Return the hash of all settings that change the result.

        Where and how the simulations run does not change it, nor does what is drawn later;
        but gradients are summed task by task and rank by rank, so the size of a task and
        the number of ranks change the last bits.
        """
        text = json.dumps(self.lasting_settings(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def lasting_settings(self) -> dict[str, Any]:
        """Return the settings that must not change while the run goes on."""
        tree = self.lasting()
        del tree["execution"], tree["posterior"]
        for key in self.forward.operational:
            *sections, name = key.split(".")
            node = tree["forward"]
            for section in sections:
                node = node[section]
            del node[name]
        tree = with_solver(tree)
        # Runs begun by earlier versions have these, whatever their prior.
        tree["prior"] = {"mean_m_s": None, "sd_m_s": None, **tree["prior"]}
        execution = self.execution.model_dump(include={"ranks", "shots_per_task"})
        return {**tree, "execution": execution}


class Project(_Shared):
    """One configuration file."""

    name: Name
    segments: PositiveInt = Field(
        10, description="Number of Snakemake jobs that an inversion is cut into."
    )
    runs: tuple[dict[str, Any], ...] = Field(
        ({"name": "run"},),
        min_length=1,
        description="Runs: the name, and settings that differ from the sections above.",
    )
    report: ReportSettings = ReportSettings()
    questions: Questions = Field(
        (), description="Questions that the report answers from the draws of every run."
    )
    hypotheses: Hypotheses = Field(
        (), description="Other priors; the report has every run's posterior under each."
    )
    amortised: AmortisedSettings | None = Field(
        None,
        description="Posterior that is learnt from draws of the prior, for every run; null: "
        "none is.",
    )

    @cached_property
    def resolved(self) -> tuple[Run, ...]:
        """Every run with the defaults filled in."""
        return tuple(Run.model_validate(self.merged(dict(run))) for run in self.runs)

    @property
    def shared_run(self) -> Run:
        """Sections that all runs share, as a run: it makes the survey."""
        return Run.model_validate(self.merged({"name": "shared"}))

    def merged(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of one entry of `runs` with the defaults, not yet checked."""
        shared = self.model_dump(exclude=set(NOT_OF_RUNS))
        return merge(shared, with_forward(run))

    def run(self, name: str) -> Run:
        """Return the run called `name`; ConfigError if there is none."""
        if name not in self._by_name:
            raise ConfigError(
                f"'{self.name}' has no run called '{name}', only {', '.join(self._by_name)}."
            )
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Run]:
        return {run.name: run for run in self.resolved}


#: Sections of a project that no run has.
NOT_OF_RUNS = (
    "name", "runs", "segments", "report", "questions", "hypotheses", "amortised",
)  # fmt: skip

#: Settings that a run replaces as a whole: half of one family is no other family.
WHOLE = ("family", "method", "model")


def with_forward(tree: Any) -> Any:
    """Return settings with `solver`, an older name, as `forward` of kind acoustic.

    Raises
    ------
    ValueError
        If both are there.
    """
    if not isinstance(tree, dict) or "solver" not in tree:
        return tree
    if "forward" in tree:
        raise ValueError(
            "'solver' is another name of 'forward' with 'kind: acoustic': write one of them"
        )
    rest = {key: value for key, value in tree.items() if key != "solver"}
    solver = tree["solver"]
    if not isinstance(solver, dict):
        raise ValueError(f"'solver' must be a section, got {solver!r}")
    return {**rest, "forward": {"kind": ACOUSTIC, **solver}}


def with_solver(tree: dict[str, Any]) -> dict[str, Any]:
    """Return settings with an acoustic `forward` under its older name `solver`.

    Claims and fingerprints of begun runs hold it.
    """
    forward = dict(tree["forward"])
    if forward.pop("kind") != ACOUSTIC:
        return tree
    return {**{k: v for k, v in tree.items() if k != "forward"}, "solver": forward}


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return settings with those of `over` in their place, section by section."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        if not both or key in WHOLE:
            merged[key] = value
            continue
        old = merged[key]
        if key == "prior" and value.get("kind", old["kind"]) != old["kind"]:
            old = PriorSettings.keys_of_kind(old, value["kind"])
        if key == "forward" and value.get("kind", old["kind"]) != old["kind"]:
            old = {}
        merged[key] = merge(old, value)
    return merged
