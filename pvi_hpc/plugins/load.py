"""Plug-ins, found by name through entry points, and the model of their options."""

from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins.settings import Settings

__all__ = ["load_plugin", "options_of", "plugin_names"]


def plugin_names(group: str) -> list[str]:
    """Return the names of the entry points of `group` that are installed, sorted."""
    return sorted(entry_points(group=group).names)


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
        near = get_close_matches(name, found.names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        raise ConfigError(
            f"'{setting}' must be one of those installed ({known}), got '{name}'{hint}"
        )
    try:
        return found[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"'{setting}: {name}' points to '{found[name].value}', which cannot be imported: "
            f"{error}. Reinstall the package that provides it."
        ) from error


def options_of(plugin: Any, choice: str) -> type[Settings]:
    """Return the model of the options that a plug-in reads.

    Raises
    ------
    ConfigError
        If the plug-in has none; `choice` is what the user wrote to get it.
    """
    model = getattr(plugin, "Options", None)
    if not (isinstance(model, type) and issubclass(model, Settings)):
        raise ConfigError(
            f"'{choice}' is a plug-in that must have a class attribute 'Options', a subclass "
            f"of 'pvi_hpc.plugins.Settings', got {model!r}; its author can write "
            "'Options = NoOptions' if there are none."
        )
    return model
