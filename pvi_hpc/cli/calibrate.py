"""`pvi calibrate`: many small inversions on the workers of a site, and what they say."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, Final

import typer
from cloudpickle import register_pickle_by_value  # type: ignore[import-untyped]

from pvi_hpc.config.load import parse_settings
from pvi_hpc.config.site import site_of
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.diagnostics.calibration import Calibration, CalibrationProblem
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.report.figures.calibration import draw_calibration
from pvi_hpc.report.style import png
from pvi_hpc.run.calibrate import calibrate
from pvi_hpc.store.atomic import atomic_path, write_text

__all__ = ["calibrate_problem", "load_problem", "site_execution"]

#: Number of lines that tell the progress of a calibration.
LINES: Final = 20


def load_problem(place: str) -> CalibrationProblem:
    """Return the object that `file.py:name` names; workers get the module's code with it.

    Raises
    ------
    ConfigError
        If there is no such file, or nothing in it of that name with a method `invert`.
    """
    path, _, name = place.partition(":")
    file = Path(path)
    if not (file.suffix == ".py" and file.is_file() and name):
        raise ConfigError(
            "'problem' must name an object in a Python file, such as case.py:problem, got "
            f"'{place}'."
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None  # a file that ends in .py has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its classes look for it there
    spec.loader.exec_module(module)
    register_pickle_by_value(module)
    found: Any = getattr(module, name, None)
    if not callable(getattr(found, "invert", None)):
        raise ConfigError(
            f"'{name}' in '{path}' must be an object with a method 'invert(index)' that "
            f"returns a truth (n,) and draws (D, n), got {found!r}; see "
            "docs/theory/calibration.md."
        )
    problem: CalibrationProblem = found
    return problem


def site_execution(profile: Path, workers: int) -> ExecutionSettings:
    """Return where the workers come from: what a profile says, or this machine.

    Raises
    ------
    ConfigError
        With one line for each setting of the profile, or `workers`, that is impossible.
    """
    site, given = site_of(profile), f"--workers {workers}"
    if site is None:
        return parse_settings(ExecutionSettings, {"workers": workers}, given)
    tree = {**read_tree(site, "'executor'"), "workers": workers}
    return parse_settings(ExecutionSettings, tree, f"{site} with {given}")


def calibrate_problem(
    problem: CalibrationProblem, n: int, execution: ExecutionSettings, folder: Path
) -> Calibration:
    """Do `n` inversions; write `calibration.json` and `calibration.png` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)

    def tell(done: int) -> None:
        if done * LINES // n > (done - 1) * LINES // n:
            typer.echo(f"{done} of {n} inversions done")

    found = calibrate(problem, n, execution, folder, tell)
    figures = {
        "inversions": n,
        "unknowns": found.ranks.shape[1],
        "smallest SBC p-value": float(found.sbc_p_values.min()),
        "smallest VSBC p-value": float(found.vsbc_p_values.min()),
        "TARP p-value": found.tarp_p_value,
        "estimated over right sd": [float(x) for x in found.sd_ratio],
        "ranks": found.ranks.tolist(),
        "TARP": found.tarp.tolist(),
    }
    write_text(folder / "calibration.json", json.dumps(figures, indent=1) + "\n")
    with atomic_path(folder / "calibration.png") as path:
        path.write_bytes(png(lambda: draw_calibration(found)))
    return found
