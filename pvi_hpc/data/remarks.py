"""Remarks on files of data: what was assumed about them, and what looks wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = ["Kind", "Remark", "as_attributes", "from_attributes"]

#: An open question that was answered by a guess, or a sign that something is wrong.
Kind = Literal["assumed", "doubtful"]
KINDS: Final[tuple[Kind, ...]] = ("assumed", "doubtful")


@dataclass(frozen=True)
class Remark:
    """A sentence about a file; `traces` is the number of traces it holds for, 0: the file."""

    kind: Kind
    text: str
    traces: int = 0


def as_attributes(found: Sequence[tuple[str, Remark]]) -> dict[str, str]:
    """Return remarks, each with its file, as attributes of a survey.

    A remark that holds for several files is one line with the number of traces and files.
    Only the names of files are kept, so that the same data in another folder give the same
    attributes.
    """
    attributes: dict[str, str] = {}
    for kind in KINDS:
        files: dict[str, dict[str, int]] = {}
        for path, remark in found:
            if remark.kind == kind:
                by_file = files.setdefault(remark.text, {})
                by_file[path] = by_file.get(path, 0) + remark.traces
        if files:
            attributes[kind] = "\n".join(_line(text, files[text]) for text in files)
    return attributes


def from_attributes(attributes: Mapping[str, str]) -> Iterator[tuple[Kind, str]]:
    """Yield kind and text of the remarks among the attributes of a survey."""
    for kind in KINDS:
        for line in attributes.get(kind, "").splitlines():
            yield kind, line


def _line(text: str, traces: Mapping[str, int]) -> str:
    names = [Path(path).name for path in traces]
    where = f"'{names[0]}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    number = sum(traces.values())
    counted = f" ({number} {'traces' if number > 1 else 'trace'})" if number else ""
    return f"{where}: {text}{counted}."
