"""A prepared project that chains copy, and the bits of its undisturbed run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from chain import HERE, MANY, Chain

__all__ = ["Template"]


class Template:
    """The tiny project with one run on gangs of `ranks`, which change the last bits of sums.

    A folder in which one was made before is taken as it is.
    """

    def __init__(self, folder: Path, ranks: int = 1) -> None:
        self.folder, self.ranks = folder, ranks
        self._expected: dict[int, str] = {}
        self.reference = Chain(self, folder / "reference", fault="none@0")
        if not (self.reference.results / "survey.json").exists():
            self.reference.make(prepare=True)

    def tree(self, execution: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a chain."""
        tree = yaml.safe_load((HERE.parent / "workflow" / "tiny.yaml").read_text())
        tree["name"] = "chain"
        tree["runs"] = [{"name": "run"}]
        tree["start"]["map_iterations"] = 0
        tree["inference"]["iterations"] = MANY
        tree["execution"] |= {"ranks": self.ranks, "timeout_s": 60, **execution}
        tree["segments"] = 1
        return dict(tree)

    def expected(self, iterations: int) -> dict[int, str]:
        """Return the digests of an undisturbed local run, at least so many."""
        if len(self._expected) < iterations:
            self._expected = dict(self.reference.record().digests)
        if len(self._expected) < iterations:
            self.reference.start(until=max(iterations + 50, 150))
            code = self.reference.wait_end(patience_s=1200)
            assert code == 0, self.reference.log
            self._expected = dict(self.reference.record().digests)
        return self._expected
