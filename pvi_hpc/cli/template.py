"""The configuration that `pvi init` writes."""

from importlib.resources import files
from pathlib import Path

from pvi_hpc.errors import ConfigError

__all__ = ["write_template"]


def write_template(path: Path) -> None:
    """Write the commented template to a new file.

    Raises
    ------
    ConfigError
        If the file exists; it is never overwritten.
    """
    if path.exists():
        raise ConfigError(f"'{path}' exists; name a new file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(files("pvi_hpc.cli").joinpath("template.yaml").read_text())
