"""The subcommand `import-geopvi`: travel times and priors of GeoPVI's users."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from pvi_hpc.errors import ConfigError

__all__ = ["convert", "import_geopvi"]

#: Units that the files may be in, in those of a configuration.
METRES: Final = {"m": 1.0, "km": 1000.0}


def import_geopvi(
    folder: Annotated[Path, typer.Argument(help="Folder of GeoPVI's text files.")],
    into: Annotated[Path, typer.Argument(help="Folder of the files to write.")],
    columns: Annotated[
        str | None, typer.Option(help="Axes of the columns of sources.txt, as x,y or x,z.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Unit of lengths: m or km; of velocities: it a second.")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="Meaning of prior.txt: uniform (bounds) or normal (sds).")
    ] = None,
    depths_m: Annotated[
        str | None, typer.Option("--depths-m", help="Depth of each row of prior.txt, as 0,50.")
    ] = None,
) -> None:
    """Bring travel times and priors of GeoPVI into files that a configuration names."""
    for line in convert(folder, into, columns, unit, prior, depths_m):
        typer.echo(line)


def convert(
    folder: Path,
    into: Path,
    columns: str | None,
    unit: str | None,
    prior: str | None,
    depths_m: str | None,
) -> list[str]:
    """Write `picks.csv` and `sections.yaml`; return what was done, assumed and left out.

    Raises
    ------
    ConfigError
        If an option is missing that the files need, or there is nothing to convert.
    SurveyError
        If a file cannot be read, or does not fit.
    """
    import yaml

    from pvi_hpc.data.geopvi import picks_table, read_times, refused
    from pvi_hpc.store.atomic import write_text

    if not folder.is_dir():
        raise ConfigError(f"'{folder}' must be a folder of GeoPVI's files; there is none.")
    if unit not in METRES:
        raise ConfigError(f"'--unit' must be m or km, which no file says, got {unit}; give it.")
    sections: dict[str, Any] = {}
    said = []
    if (folder / "traveltime.txt").exists():
        if columns is None:
            raise ConfigError("'--columns' must name the axes of sources.txt, as x,y; give it.")
        times = read_times(folder, columns, METRES[unit])
        write_text(into / "picks.csv", picks_table(times))
        sections["forward"] = {"kind": "eikonal", "picks": str(into / "picks.csv")}
        said.append(f"Wrote {into / 'picks.csv'}; 'forward.noise_sd_s' is yours to give.")
        said += [f"Assumed: {text}." for text in times.assumed]
    if (folder / "prior.txt").exists():
        sections["prior"] = _prior(folder / "prior.txt", prior, depths_m, METRES[unit])
        said.append("Assumed: between its depths the prior is linear, outside it is constant.")
    left_out = [f"Not read: {text}." for text in refused(folder)]
    if not sections:
        raise ConfigError(
            f"'{folder}' must hold 'traveltime.txt' or 'prior.txt'. " + " ".join(left_out)
        )
    path = into / "sections.yaml"
    write_text(path, yaml.safe_dump(sections, sort_keys=False))
    return [*said, f"Wrote {path}: sections of a configuration.", *left_out]


def _prior(path: Path, kind: str | None, depths: str | None, speed: float) -> dict[str, Any]:
    from pvi_hpc.data.geopvi import prior_section

    kinds: dict[str | None, Literal["uniform", "normal"]]
    kinds = {"uniform": "uniform", "normal": "normal"}
    if kind not in kinds or depths is None:
        raise ConfigError(
            "'prior.txt' needs '--prior', uniform for bounds or normal for means and standard "
            "deviations, and '--depths-m', the depth of each row with commas, got "
            f"{kind} and {depths}; no file says them."
        )
    try:
        nodes = [float(word) for word in depths.split(",")]
    except ValueError:
        raise ConfigError(
            f"'--depths-m' must be numbers with commas, as 0,50,100, got '{depths}'."
        ) from None
    return prior_section(path, kinds[kind], nodes, speed)
