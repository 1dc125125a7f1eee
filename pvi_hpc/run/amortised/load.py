"""The trained network of a run, from its file."""

from pathlib import Path
from typing import Final

from pvi_hpc.config import Run
from pvi_hpc.inference.amortised.networks.network import Network, load_network
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.rounds.support import Support
from pvi_hpc.inference.amortised.settings import NetworkSettings
from pvi_hpc.priors.load import load_prior
from pvi_hpc.store.checkpoint_file import read_checkpoint

__all__ = ["FILE", "load_learnt"]

#: File of the trained networks, in the folder of a run's network.
FILE: Final = "network.h5"


def load_learnt(run: Run, folder: Path) -> Amortised:
    """Return the trained network of a run, from its folder.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged.
    """
    _, tree = read_checkpoint(folder / FILE, 0)
    kind = NetworkSettings.model_validate_json(tree["kind"])
    unknowns = load_prior(run.prior, run.cells)

    def make(n: int, d: int) -> Network:
        return load_network(kind, n, d, 0)

    region = None
    if "region" in tree:
        region = Support.from_tree(tree["region"], len(tree["mean"]), make)
    return Amortised.from_tree(tree, make, unknowns, region)
