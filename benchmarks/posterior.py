"""Measure the posteriors that the package ends with; the last line is one JSON object.

    python benchmarks/posterior.py [--folder build/posterior] [--survey] [--posteriordb PATH]
        [--calibration INVERSIONS]

It runs the demo, with independent and with correlated cells, through the whole workflow; with
--survey the independent survey under $PVI_DATA too (about an hour); with --posteriordb the
small posteriors of a checkout; with --calibration that many inversions of
config/calibrate3d.yaml (half a minute of a core each); and the Whittle-Matern prior of a
million cells. What was not measured is null.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOT = Path(__file__).parents[1]
#: ELBO of the mean field that the first release published for the independent survey.
PUBLISHED = -1_294_102.0


def run(config: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run a project in a folder and return the summaries of its runs."""
    command = ["pvi", "run", str(ROOT / "config" / f"{config}.yaml")]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    results = folder / "results" / config
    found = {}
    for path in sorted(results.glob("*/summary.json")):
        summary = json.loads(path.read_text())
        found[path.parent.name] = {**summary, **scores(path.with_name("posterior.h5"))}
    return found


def scores(path: Path) -> dict[str, float]:
    """Return how a posterior compares with the true model: coverage, correlation, rms."""
    with h5py.File(path) as file:
        true, mean = file["true"][...], file["mean"][...]
        levels, quantile = file["quantile"][...], file["quantiles"][...]
    low, high = (quantile[int(abs(levels - p).argmin())] for p in (0.05, 0.95))
    inside = (true >= low) & (true <= high)
    return {
        "coverage_worst_depth_third": min(float(t.mean()) for t in np.array_split(inside, 3)),
        "correlation_with_truth": float(np.corrcoef(true.ravel(), mean.ravel())[0, 1]),
        "rms_m_s": float(np.sqrt(np.mean((true - mean) ** 2))),
    }


def calibrated(folder: Path, inversions: int) -> float:
    """Calibrate the small survey, or go on; return the share of SBC p-values above 0.01."""
    command = [
        "pvi",
        "calibrate",
        str(ROOT / "config" / "calibrate3d.yaml"),
        "--run",
        "stencil",
    ]
    command += ["--inversions", str(inversions)]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    place = folder / "results" / "calibration" / "calibrate3d" / "stencil"
    found = json.loads((place / "calibration.json").read_text())
    return float(found["sbc_share_above_0_01"])


def last_line(*command: str) -> dict[str, Any]:
    """Return the JSON object that a benchmark prints last."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    sys.stderr.write(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run what was asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "posterior")
    parser.add_argument("--survey", action="store_true")
    parser.add_argument("--posteriordb", type=Path)
    parser.add_argument("--calibration", type=int, metavar="INVERSIONS")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    demo = run("demo", given.folder)
    correlated = run("correlated", given.folder)["metric"]
    line: dict[str, Any] = {
        "demo_mean_field_elbo": demo["mean_field"]["elbo"],
        "demo_psvi_elbo": demo["psvi"]["elbo"],
        "psvi_elbo_minus_mean_field": demo["psvi"]["elbo"] - demo["mean_field"]["elbo"],
        **{name: demo["psvi"][name] for name in scores_of(demo["psvi"])},
        "correlated_elbo": correlated["elbo"],
        **{f"correlated_{name}": correlated[name] for name in scores_of(correlated)},
        "simulations_to_published_elbo": None,
        "sbc_share_above_0_01": None,
        "posteriordb_right": None,
        "posteriordb_silent_failures": None,
    }
    if given.survey:
        if "PVI_DATA" not in os.environ:
            parser.error("--survey needs PVI_DATA, the folder that holds overthrust3d.")
        survey = run("overthrust3d", given.folder)
        reached = survey["mean_field"]["elbo"] >= PUBLISHED
        count = survey["mean_field"]["simulations"]["for the posterior"]
        line["simulations_to_published_elbo"] = count if reached else None
        line.update({name: survey["psvi"][name] for name in scores_of(survey["psvi"])})
    if given.calibration:
        line["sbc_share_above_0_01"] = calibrated(given.folder, given.calibration)
    prior = last_line("benchmarks/priors.py")
    line["matern_setup_s"] = prior["matern_setup_s"]
    line["matern_draw_s"] = prior["matern_draw_s"]
    if given.posteriordb:
        small = last_line("benchmarks/posteriordb.py", "--database", str(given.posteriordb))
        for name in ("posteriordb_right", "posteriordb_silent_failures"):
            line[name] = small[name]
    print(json.dumps(line))


def scores_of(summary: dict[str, Any]) -> list[str]:
    """Return the names of the scores in a summary."""
    return [
        name
        for name in ("coverage_worst_depth_third", "correlation_with_truth", "rms_m_s")
        if name in summary
    ]


if __name__ == "__main__":
    main()
