"""The state of a run that a result was made from, as every result file says it.

So that a report never shows the mean of one state beside the data of another.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from pvi_hpc.store.result_schema import ResultFileError

__all__ = ["StateId"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StateId:
    """Name of one state of one run.

    Parameters
    ----------
    settings
        Hash of what the run was begun with: settings, survey and starting model.
    iteration
        Iterations done.
    digest
        Hash of every number of the state. A run that is done again has the same one.
    """

    settings: str
    iteration: int
    digest: str

    @classmethod
    def of(cls, settings: str, tree: Mapping[str, Any]) -> "StateId":
        """Return the name of the state that `State.to_tree` made `tree` of."""
        digest = blake2b(digest_size=16)
        _update(digest, tree)
        return cls(settings, int(tree["iteration"]), digest.hexdigest())

    def attributes(self) -> dict[str, str]:
        """Return what a result file says of its state, as text by name."""
        return {
            "state_settings": self.settings,
            "state_iteration": str(self.iteration),
            "state_digest": self.digest,
        }

    def refuse_other(self, path: Path, attributes: Mapping[str, str]) -> None:
        """Raise `ResultFileError` if `attributes`, those of `path`, name another state.

        A file of a version that did not write any is accepted, with a warning.
        """
        mine = self.attributes()
        if not mine.keys() & attributes.keys():
            log.warning("'%s' does not say which state it is of (an older version's)", path)
            return
        other = {name: attributes.get(name) for name in mine}
        if other != mine:
            raise ResultFileError(
                f"'{path}' is of another state of the run (iteration "
                f"{other['state_iteration']}, digest {other['state_digest']}) than its newest "
                f"checkpoint (iteration {self.iteration}, digest {self.digest}). Remove the "
                f"file and run 'pvi resume {path.parent.parent.name}': it is made again."
            )


def _update(digest: Any, tree: Mapping[str, Any]) -> None:
    for name in sorted(tree):
        value = tree[name]
        digest.update(f"{name} ".encode())
        if isinstance(value, Mapping):
            _update(digest, value)
            continue
        array = np.ascontiguousarray(value)
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(array.data)
