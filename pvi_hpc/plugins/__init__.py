"""Plug-ins, found by name through entry points, and the settings that each of them reads."""

from pvi_hpc.plugins.choice import KindSettings, NoOptions, PluginSettings, load_choice
from pvi_hpc.plugins.faults import describe_fault, read_options
from pvi_hpc.plugins.load import load_plugin, options_of, plugin_names
from pvi_hpc.plugins.settings import (
    Axes,
    Counts,
    Depths,
    Name,
    PathName,
    Seed,
    Settings,
    Values,
)

__all__ = [
    "Axes",
    "Counts",
    "Depths",
    "KindSettings",
    "Name",
    "NoOptions",
    "PathName",
    "PluginSettings",
    "Seed",
    "Settings",
    "Values",
    "describe_fault",
    "load_choice",
    "load_plugin",
    "options_of",
    "plugin_names",
    "read_options",
]
