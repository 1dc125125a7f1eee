"""The work of `pvi rays`: the files of a linear forward problem from a table of picks."""

from pathlib import Path

import numpy as np
from scipy.sparse import save_npz

from pvi_hpc.config import load_project
from pvi_hpc.data.picks import read_picks
from pvi_hpc.forward.linear.rays import ray_lengths
from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.numpy_file import write_array

__all__ = ["write_rays"]


def write_rays(picks: Path, config: Path, folder: Path, stations: Path | None) -> str:
    """Write `jacobian.npz`, `travel_times.npy` and, if given, `noise_sd.npy` to a folder.

    Returns
    -------
    str
        A sentence on the picks.

    Raises
    ------
    PviError
        If a file cannot be read, or a ray leaves the grid of the configuration.
    """
    grid = load_project(config).grid.grid
    table = read_picks(picks, stations)
    jacobian = ray_lengths(grid, table)
    with atomic_path(folder / "jacobian.npz") as temporary, temporary.open("wb") as file:
        save_npz(file, jacobian)
    write_array(folder / "travel_times.npy", table.times)
    if table.noise_sd is not None:
        write_array(folder / "noise_sd.npy", table.noise_sd)
    used = np.isfinite(table.times)
    lengths = np.asarray(jacobian.sum(axis=1))[used]
    mean = float(table.times[used].sum() / lengths.sum()) if lengths.sum() else np.nan
    unit = "km" if table.units == "degrees" else "m"
    noise = "" if table.noise_sd is None else ", 'noise_sd.npy'"
    return (
        f"Wrote 'jacobian.npz', 'travel_times.npy'{noise} to '{folder}': {int(used.sum())} of "
        f"{len(used)} picks are there, rays cross {len(np.unique(jacobian.indices))} of "
        f"{grid.size} cells, mean slowness {mean:.4g} s/{unit}."
    )
