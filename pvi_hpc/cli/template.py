"""Files that `pvi init` writes: a configuration to start from, the profile of a site."""

import shutil
from importlib.resources import files
from pathlib import Path

from pvi_hpc.cli.shipped import shipped
from pvi_hpc.errors import ConfigError
from pvi_hpc.store.atomic import write_text

__all__ = ["copy_profile", "write_template"]


def write_template(path: Path) -> None:
    """Write the commented template to a new file.

    Raises
    ------
    ConfigError
        If the file exists; it is never overwritten.
    """
    if path.exists():
        raise ConfigError(f"'{path}' exists; name a new file.")
    write_text(path, files("pvi_hpc.cli").joinpath("template.yaml").read_text())


def copy_profile(name: str) -> Path:
    """Copy a cluster profile to `cluster_profiles/NAME`, where a site edits it.

    Raises
    ------
    ConfigError
        If no profile of that name comes with the package, or the folder exists or cannot be
        written whole; nothing of it is left then.
    """
    profiles = shipped("cluster_profiles")
    known = sorted(path.name for path in profiles.iterdir())
    if name not in known:
        raise ConfigError(f"'--profile' must be one of {', '.join(known)}, got '{name}'.")
    target = Path("cluster_profiles") / name
    if target.exists():
        raise ConfigError(
            f"'{target}' exists and is not overwritten; rename it, or edit it as it is."
        )
    try:
        shutil.copytree(profiles / name, target)
    except OSError as error:  # of some of the files, or of a folder
        shutil.rmtree(target, ignore_errors=True)
        raise ConfigError(
            f"'{target}' cannot be written ({error}); make room, or make the folder writable."
        ) from error
    return target
