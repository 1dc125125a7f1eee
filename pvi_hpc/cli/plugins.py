"""The text of `pvi list`: plug-ins that are installed, and the options of one."""

import shutil
import textwrap
from collections.abc import Iterator

from pvi_hpc.config.reference import (
    GROUPS,
    OptionRow,
    describe_options,
    describe_plugin,
    describe_plugins,
)

__all__ = ["list_plugins"]


def list_plugins(group: str | None, name: str | None) -> Iterator[str]:
    """Yield the lines that describe all plug-ins, those of one kind, or a single one.

    Raises
    ------
    ConfigError
        If there is no such kind or plug-in.
    """
    if group is not None and name is not None:
        yield from _one(group, name)
        return
    for kind in GROUPS if group is None else (group,):
        rows = describe_plugins(kind)
        yield f"{kind} ({GROUPS[kind]})"
        width = max((len(row.name) for row in rows), default=0) + 2
        for row in rows:
            origin = f" (from {row.package})" if row.package else ""
            yield from _wrapped(f"{row.name:{width}}{row.line}{origin}", 2, 2 + width)
        if not rows:
            yield "  none is installed"
    yield "Options of one of them: pvi list " + (group or "families") + " NAME"


def _one(group: str, name: str) -> Iterator[str]:
    row = describe_plugin(group, name)
    yield from _wrapped(f"{name}: {row.line}", 0, 2)
    yield f"  chosen by: {GROUPS[group]}: {name}"
    if row.package:
        yield f"  package: {row.package}"
    options = describe_options(row.options) if row.options is not None else []
    if not options:
        yield "  options: none"
        return
    yield "  options:"
    for option in options:
        yield from _wrapped(_head(option), 4, 8)
        if option.meaning:
            yield from _wrapped(option.meaning, 8, 8)


def _head(option: OptionRow) -> str:
    unit = f" [{option.unit}]" if option.unit else ""
    default = option.default if option.default == "required" else f"default {option.default}"
    return f"{option.name}: {option.type}{unit}, {default}"


def _wrapped(text: str, first: int, other: int) -> list[str]:
    """Return the lines of a text, within the terminal, the first and others indented."""
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.wrap(text, width, initial_indent=" " * first, subsequent_indent=" " * other)
