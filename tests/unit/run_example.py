"""A small good run, and the same with settings changed."""

import copy
from typing import Any

from pvi_hpc.config import Run

GOOD: dict[str, Any] = {
    "name": "good",
    "grid": {"shape": [20, 28, 24], "spacing_m": 50, "origin_m": [0, 0, 0]},
    "survey": {
        "format": "synthetic",
        "wavelet": {"ricker": {"peak_hz": 3.5, "delay_s": 0.36}},
        "synthetic": {
            "model": {"velocity_top_m_s": 2100, "velocity_bottom_m_s": 3000},
            "sources": {
                "depth_m": 50,
                "y": {"first_m": 100, "last_m": 1200, "n": 3},
                "x": {"first_m": 100, "last_m": 1000, "n": 2},
            },
            "receivers": {
                "depth_m": 25,
                "y": {"first_m": 50, "last_m": 1250, "n": 4},
                "x": {"first_m": 50, "last_m": 1050, "n": 5},
            },
            "n_samples": 251,
            "dt_s": 0.005,
            "noise_level": 0.1,
        },
    },
    "prior": {
        "kind": "uniform",
        "depth_m": [0, 950],
        "lower_m_s": [1500, 2300],
        "upper_m_s": [2700, 4000],
    },
    "inference": {"iterations": 10, "samples": 2},
    "execution": {"workers": 1},
}


def make_run(**changes):
    """Return the good run with settings changed: ``prior__depth_m=...``."""
    tree = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            node.pop(last, None)
        else:
            node[last] = value
    return Run.model_validate(tree)
