"""The file of a fit: everything but its log density."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.history import History
from pvi_hpc.inference.log_prob_target import LogProb, LogProbTarget
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.library.densities import Bounds
from pvi_hpc.library.frame import Coordinates, Frame
from pvi_hpc.library.result import Fit
from pvi_hpc.library.verdict import Verdict
from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.checkpoint_file import Tree, read_checkpoint, write_checkpoint

__all__ = ["load_fit", "save_fit"]

FILE_KIND: Final = "pvi_hpc fit"


def save_fit(fit: Fit, path: str | Path) -> None:
    """Write everything but the target to an HDF5 file, atomically."""
    tree: dict[str, Any] = {
        "settings": fit.settings.model_dump_json(),
        "start": fit.start.model_dump_json(),
        "seed": fit.seed,
        "shape": np.array(fit.shape),
        "state": fit.state.to_tree(),
        "history": fit.history.to_tree(),
        "verdict": json.dumps(None if fit.verdict is None else asdict(fit.verdict)),
        "evaluations": fit.evaluations,
    }
    if fit.bounds is not None:
        tree |= {"lower": fit.bounds.lower.numpy(), "upper": fit.bounds.upper.numpy()}
    if fit.frame is not None:
        tree |= {"centre": fit.frame.centre.numpy(), "scale": fit.frame.scale.numpy()}
    with atomic_path(Path(path)) as temporary:
        write_checkpoint(temporary, tree, FILE_KIND, 0)


def load_fit(path: str | Path, log_prob: LogProb | None = None) -> Fit:
    """Return what `Fit.save` wrote; `log_prob` is needed only for `Fit.elbo`.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not that of a fit.
    """
    kind, tree = read_checkpoint(Path(path), 0)
    if kind != FILE_KIND:
        raise ConfigError(f"'{path}' must have been written by 'Fit.save', got a '{kind}'.")
    limits = frame = None
    if "lower" in tree:
        limits = Bounds(torch.from_numpy(tree["lower"]), torch.from_numpy(tree["upper"]))
    if "centre" in tree:
        frame = Frame(torch.from_numpy(tree["centre"]), torch.from_numpy(tree["scale"]))
    target = None
    if log_prob is not None:
        target = LogProbTarget(Coordinates(limits, frame).density(log_prob))
    return Fit(
        tuple(int(k) for k in tree["shape"]),
        InferenceSettings.model_validate_json(tree["settings"]),
        StartSettings.model_validate_json(tree["start"]),
        tree["seed"],
        State.from_tree(tree["state"]),
        History.from_tree(tree["history"]),
        target,
        _verdict(tree),
        limits,
        frame,
        tree.get("evaluations", 0),
    )


def _verdict(tree: Tree) -> Verdict | None:
    found = json.loads(tree.get("verdict", "null"))  # none in files of older versions
    return None if found is None else Verdict(**{**found, "reasons": tuple(found["reasons"])})
