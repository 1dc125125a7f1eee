"""Arguments and options that several subcommands share."""

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = ["LOCAL", "Config", "Profile", "ProjectName", "RunName", "RunOption"]

Config = Annotated[str, typer.Argument(help="A configuration file, or a project's name.")]
ProjectName = Annotated[str, typer.Argument(help="Name of a project under results/.")]
RunName = Annotated[str, typer.Argument(help="Name of a run of the project.")]
RunOption = Annotated[str | None, typer.Option("--run", help="Only this run.")]
Profile = Annotated[
    Path,
    typer.Option("--profile", "--workflow-profile", help="Snakemake profile of the site."),
]
LOCAL: Final = Path("cluster_profiles/local")
