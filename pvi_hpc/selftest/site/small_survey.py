"""The small run that the doctor puts through the workers of a site."""

from pathlib import Path
from typing import Any

from pvi_hpc.config import Run
from pvi_hpc.config.load import parse_project

__all__ = ["WORKERS", "doctor_run"]

#: Workers to try: one is killed while the other goes on.
WORKERS = 2
#: Fewest ranks of a gang: one alone exchanges nothing.
RANKS = 2

CASE: dict[str, Any] = {
    "name": "doctor",
    "grid": {"shape": [24, 32, 40], "spacing_m": 50},
    "survey": {
        "format": "synthetic",
        "wavelet": {"ricker": {"peak_hz": 4, "delay_s": 0.3}},
        "synthetic": {
            "model": {"velocity_top_m_s": 2000, "velocity_bottom_m_s": 3000},
            "sources": {
                "depth_m": 100,
                "y": {"first_m": 400, "last_m": 1100, "n": 2},
                "x": {"first_m": 500, "last_m": 1400, "n": 2},
            },
            "receivers": {
                "depth_m": 50,
                "y": {"first_m": 100, "last_m": 1400, "n": 4},
                "x": {"first_m": 100, "last_m": 1800, "n": 4},
            },
            "n_samples": 161,
            "dt_s": 0.005,
            "noise_level": 0.1,
        },
    },
    "forward": {"n_pml": 8},
    "prior": {
        "kind": "uniform",
        "depth_m": [0, 1150],
        "lower_m_s": [1600, 2200],
        "upper_m_s": [2800, 3900],
    },
    "inference": {"iterations": 1},
    "execution": {"shots_per_task": 1, "timeout_s": 120},
}


def doctor_run(site: Path | None) -> Run:
    """Return the small run as the site's file wants it done, with `WORKERS` workers.

    Raises
    ------
    ConfigError
        If the site's file cannot be read or says something impossible.
    """
    run = parse_project(CASE, site=site).shared_run
    # At most two workers: a doctor must not wait for a whole machine.
    execution = run.execution.model_copy(
        update={
            "workers": WORKERS,
            "min_workers": WORKERS,
            "ranks": max(run.execution.ranks, RANKS),
        }
    )
    return run.model_copy(update={"name": "doctor", "execution": execution})
