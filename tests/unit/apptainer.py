"""The container's definition, read as Apptainer reads it."""

from declared import ROOT

__all__ = ["copied_files", "header", "section"]

LINES = (ROOT / "distribution" / "apptainer.def").read_text().splitlines()


def header() -> dict[str, str]:
    """Return what stands above the first section."""
    first = next(i for i, line in enumerate(LINES) if line.startswith("%"))
    lines = [line for line in LINES[:first] if line and line[0] != "#"]
    return dict(line.split(": ", 1) for line in lines)


def section(name: str) -> list[str]:
    """Return the lines of a section, without their indentation."""
    start = LINES.index(f"%{name}") + 1
    end = next((i for i in range(start, len(LINES)) if LINES[i].startswith("%")), len(LINES))
    return [line.strip() for line in LINES[start:end] if line.strip()]


def copied_files() -> dict[str, str]:
    """Return what goes into the container, by its path in the source tree."""
    return dict(line.split() for line in section("files"))
