"""`pvi calibrate`: many small inversions on the workers of a site, and what they say."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer
from cloudpickle import register_pickle_by_value  # type: ignore[import-untyped]

from pvi_hpc.config.load import load_project, parse_settings
from pvi_hpc.config.site import site_of
from pvi_hpc.config.yaml_file import read_tree
from pvi_hpc.diagnostics.calibration import Calibration, CalibrationProblem
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.report.figures.calibration import draw_calibration, draw_calibrations
from pvi_hpc.report.style import png
from pvi_hpc.run.calibration.kept import KeptInversions
from pvi_hpc.run.calibration.summary import summary_of, table_of
from pvi_hpc.run.calibration.survey import SurveyCase
from pvi_hpc.run.calibration.workers import calibrate
from pvi_hpc.store.atomic import atomic_path, write_text

__all__ = [
    "calibrate_config",
    "calibrate_problem",
    "is_config",
    "load_problem",
    "site_execution",
]

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


def is_config(place: str) -> bool:
    """Tell whether the argument of the command is a configuration."""
    return Path(place).suffix in (".yaml", ".yml")


def calibrate_problem(
    place: str, n: int, execution: ExecutionSettings, folder: Path
) -> Calibration:
    """Do `n` inversions of `file.py:name`; write figure and numbers into `folder`."""
    problem = load_problem(place)
    code = Path(place.partition(":")[0]).read_bytes()
    identity = hashlib.sha256(code + place.partition(":")[2].encode()).hexdigest()[:16]
    kept = KeptInversions(folder, identity)
    results = calibrate(problem, n, execution, kept, _told(n))
    found = Calibration.of([(one.truth, one.draws) for one in results])
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
    _write(folder, figures, lambda: draw_calibration(found))
    return found


def calibrate_config(
    path: str, only: str | None, n: int, execution: ExecutionSettings, folder: Path
) -> None:
    """Do `n` inversions of each run of a configuration, or of the run called `only`.

    The folder of a run, in `folder`, gets `calibration.json` and `calibration.png`; a table is
    printed.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or its survey cannot be calibrated.
    """
    project = load_project(path)
    runs = project.resolved if only is None else (project.run(only),)
    cases = [SurveyCase(run) for run in runs]
    for case in cases:
        case.check()
    for case in cases:
        place = folder / project.name / case.run.name
        typer.echo(f"{case.run.name}: {n} inversions into {place}")
        kept = KeptInversions(place, case.identity)
        results = calibrate(case, n, execution, kept, _told(n))
        found = case.quantities.calibrations(results)
        summary = {"run": case.run.name, **summary_of(found, results, case.run.cells.n)}
        _write(place, summary, partial(draw_calibrations, found))
        for line in table_of(summary):
            typer.echo(line)


def _told(n: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done * LINES // n > (done - 1) * LINES // n:
            typer.echo(f"{done} of {n} inversions done")

    return tell


def _write(folder: Path, figures: dict[str, Any], draw: Callable[[], Any]) -> None:
    write_text(folder / "calibration.json", json.dumps(figures, indent=1) + "\n")
    with atomic_path(folder / "calibration.png") as path:
        path.write_bytes(png(draw))
