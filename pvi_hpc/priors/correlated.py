"""Settings of correlated priors: what each cell is by itself, and lengths along the axes."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from pvi_hpc.errors import Finding, ok, warning
from pvi_hpc.grid import Cells
from pvi_hpc.priors.by_depth import ByDepthPrior, Table, TableSettings
from pvi_hpc.priors.normal import Normal, NormalSettings
from pvi_hpc.priors.uniform import Uniform, UniformSettings

__all__ = ["CorrelatedSettings", "check_lengths", "marginal_kind", "marginal_of"]


class CorrelatedSettings(TableSettings):
    """Correlated cells: each by itself is uniform or normal, neighbours are alike."""

    lower_m_s: Table | None = Field(
        None,
        description="Lowest velocity at every node [m/s], or a file with that of every cell; "
        "null, with 'marginal: normal' only: no bound.",
    )
    upper_m_s: Table | None = Field(
        None, description="Highest velocity at every node [m/s], or a file; null: as above."
    )
    marginal: Literal["uniform", "normal"] = Field(
        "uniform", description="Distribution of each cell by itself."
    )
    mean_m_s: Table | None = Field(
        None, description="'marginal: normal' only: mean at every node before the cut [m/s]."
    )
    sd_m_s: Table | None = Field(
        None, description="'marginal: normal' only: sd at every node before the cut [m/s]."
    )

    @property
    def of_cells(self) -> UniformSettings | NormalSettings:
        """Settings of the cells by themselves."""
        kind = NormalSettings if self.marginal == "normal" else UniformSettings
        tree = self.model_dump(include=set(kind.model_fields), exclude_none=True)
        return kind.model_validate({**tree, "kind": self.marginal})

    @model_validator(mode="after")
    def _marginal(self) -> Self:
        given = [name for name in ("mean_m_s", "sd_m_s") if getattr(self, name) is not None]
        if self.marginal == "uniform" and given:
            raise ValueError(
                f"'marginal: uniform' must not have {' and '.join(given)}; remove them, or "
                "choose 'marginal: normal'"
            )
        if self.marginal == "normal" and len(given) < 2:
            raise ValueError(f"'marginal: normal' needs 'mean_m_s' and 'sd_m_s', got {given}")
        if self.marginal == "uniform" and None in (self.lower_m_s, self.upper_m_s):
            raise ValueError("'marginal: uniform' needs 'lower_m_s' and 'upper_m_s'")
        _ = self.of_cells  # its own checks
        return self


def marginal_kind(options: CorrelatedSettings) -> type[ByDepthPrior]:
    """Return the class of the cells by themselves."""
    return Normal if options.marginal == "normal" else Uniform


def marginal_of(options: CorrelatedSettings, cells: Cells) -> ByDepthPrior:
    """Return the prior of the cells by themselves."""
    return marginal_kind(options).from_options(options.of_cells, cells)


def check_lengths(lengths: tuple[float, float, float], cells: Cells) -> Iterator[Finding]:
    """Say how many cells lengths along z, y and x [m] are, and which fit the grid badly."""
    grid, box = cells.grid, cells.box
    counts = ", ".join(f"{n / h:.1f}" for n, h in zip(lengths, grid.spacing, strict=True))
    yield ok("prior.length_m", f"correlation lengths of {counts} cells along z, y, x.")
    for name, length, h, part in zip("zyx", lengths, grid.spacing, box or (), strict=False):
        size = (part.stop - part.start) * h
        if size > h and length < h:
            yield warning(
                "prior.length_m",
                f"is {length:g} m along {name}, less than a cell of {h:g} m: neighbours "
                "are all but independent. Choose a longer one, or a finer grid.",
            )
        elif size > h and length > size:
            yield warning(
                "prior.length_m",
                f"is {length:g} m along {name}, more than the {size:g} m of unknown cells: "
                "they are all but equal along it. Choose a shorter one if they are not.",
            )
