"""Settings of a forward problem: the keys of every kind."""

from typing import ClassVar

from pydantic import Field

from pvi_hpc.plugins import KindSettings

__all__ = ["ForwardSettings"]


class ForwardSettings(KindSettings):
    """The forward problem: the simulation of data from a model."""

    group: ClassVar[str] = "pvi_hpc.forward_problems"
    section: ClassVar[str] = "forward"
    default_kind: ClassVar[str] = "acoustic"

    #: Keys that change no result: a begun run may go on with other values of them. A dot
    #: leads into a section of the section.
    operational: ClassVar[frozenset[str]] = frozenset()

    kind: str = Field(
        "acoustic",
        description="acoustic, function, command, umbridge, linear, eikonal, dispersion, or an "
        "entry point.",
    )
