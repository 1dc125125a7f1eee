"""A small travel-time problem: the same in C, for `command`, and in Python, for `function`."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from run_example import make_run

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
SHAPE = (8, 9, 10)
SPACING = 50.0
NOISE_S = 0.001

sys.path.insert(0, str(EXAMPLES))
from straight_rays import travel_times  # noqa: E402


def compiled(folder: Path) -> Path:
    """Return the program, compiled into a folder."""
    program, compiler = folder / "straight_rays", shutil.which("cc") or shutil.which("gcc")
    source = EXAMPLES / "straight_rays.c"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
    return program


def true_model() -> np.ndarray:
    """Return a model `(nz, ny, nx)` [m/s] with an anomaly."""
    model = np.broadcast_to(np.linspace(2000, 3000, SHAPE[0])[:, None, None], SHAPE).copy()
    model[3:6, 3:6, 4:7] += 300
    return model


def observed(folder: Path) -> Path:
    """Write the data of the true model with noise, and return their file."""
    times = travel_times(true_model(), SPACING)[0]
    noisy = times + NOISE_S * np.random.default_rng(4).standard_normal(times.shape)
    noisy[5] = np.nan
    np.save(folder / "observed.npy", noisy)
    return folder / "observed.npy"


def external_run(folder: Path, **forward):
    """Return a run of a forward problem without a survey."""
    tree = {"data": str(observed(folder)), "noise_sd": NOISE_S, **forward}
    if tree.get("returns", "data") != "data":
        del tree["data"], tree["noise_sd"]
    grid = {"shape": list(SHAPE), "spacing_m": SPACING}
    return make_run(survey=None, grid=grid, forward=tree)


def command(program: Path) -> dict:
    """Return the section `forward` of a program."""
    words = [str(program), "{folder}", "{identity}", "{want}", f"{SPACING:g}"]
    return {"kind": "command", "command": words}


def function(name: str = "straight_rays:travel_times", **settings) -> dict:
    """Return the section `forward` of a function of the examples."""
    tree = {"kind": "function", "function": name, "directory": str(EXAMPLES)}
    return {"arguments": {"spacing_m": SPACING}, **tree, **settings}
