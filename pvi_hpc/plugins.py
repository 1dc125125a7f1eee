"""Priors, families and executors are found by name through entry points."""

from importlib.metadata import entry_points
from typing import Any

from pvi_hpc.errors import ConfigError

__all__ = ["load_plugin"]


def load_plugin(group: str, name: str, setting: str) -> Any:
    """Return what the entry point `name` of `group` points to.

    Parameters
    ----------
    group
        Group of entry points, such as `pvi_hpc.priors`.
    name
        Name that the user wrote.
    setting
        Setting in which the user wrote it, for the message.

    Raises
    ------
    ConfigError
        If there is no such entry point, or it cannot be imported.
    """
    found = entry_points(group=group)
    if name not in found.names:
        known = ", ".join(sorted(found.names)) or "none: install the package, 'make setup'"
        raise ConfigError(
            f"'{setting}' must be one of those installed ({known}), got '{name}'."
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"'{setting}: {name}' points to '{found[name].value}', which cannot be imported: "
            f"{error}. Reinstall the package that provides it."
        ) from error
