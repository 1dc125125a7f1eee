"""Settings that came later are no part of the identity of a run that does not use them."""

from typing import ClassVar

from pydantic import Field

from pvi_hpc.plugins import Settings


class Inner(Settings):
    later: ClassVar[frozenset[str]] = frozenset({"mute_m", "names"})

    step: float = 0.1
    mute_m: float | None = None
    names: list[str] = Field(default_factory=list)


class Outer(Settings):
    inner: Inner = Inner()
    other: int = 1


def test_a_later_key_at_its_default_is_left_out():
    assert Outer().lasting() == {"inner": {"step": 0.1}, "other": 1}


def test_a_later_key_that_is_set_counts():
    given = Outer(inner=Inner(mute_m=150.0, names=["a"]))
    assert given.lasting()["inner"] == {"step": 0.1, "mute_m": 150.0, "names": ["a"]}
