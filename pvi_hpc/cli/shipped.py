"""The files that come with the package: Snakefile, rules, cluster profiles, the demo."""

from pathlib import Path

import pvi_hpc
from pvi_hpc.errors import ConfigError

__all__ = ["shipped"]


def shipped(name: str) -> Path:
    """Return the path of a file or folder that comes with the package.

    Parameters
    ----------
    name
        Path within the source tree, such as `config/demo.yaml`. A wheel carries a copy of these
        files in `pvi_hpc/_workflow`; an editable install reads the source tree itself.

    Raises
    ------
    ConfigError
        If the installation lacks it.
    """
    package = Path(pvi_hpc.__file__).parent
    copies = package / "_workflow"
    path = (copies if copies.is_dir() else package.parent) / name
    if not path.exists():
        raise ConfigError(
            f"The installation of pvi_hpc lacks '{name}' ('{path}' must exist): install the "
            "package again."
        )
    return path
