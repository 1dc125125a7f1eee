"""The text of `pvi replace-prior`: a posterior under other priors, and how they rank."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvi_hpc.cli.ask import find_run, tree_of
from pvi_hpc.config.hypotheses import HypothesesFile
from pvi_hpc.config.load import parse_settings
from pvi_hpc.run.hypotheses import replace_priors, write_hypotheses

__all__ = ["replace_run_priors"]


def replace_run_priors(name: str, path: Path, json_file: Path | None) -> Iterator[str]:
    """Replace the prior of a run by each of a file, and yield the lines that tell of it.

    The file may be a configuration. Errors as `pvi_hpc.run.hypotheses.replace_priors`.
    """
    tree = tree_of(path, "hypotheses")
    wanted = parse_settings(HypothesesFile, tree, str(path)).hypotheses
    results = find_run(name)
    found = replace_priors(results.settings, results.project.survey, results.paths, wanted)
    ranked = found["ranking"]
    yield "log evidence less that of the run's own prior, probability, and the files:"
    for hypothesis in ranked["order"]:
        folder = results.paths.under(hypothesis).folder
        yield _line(hypothesis, found["hypotheses"], ranked["probability"][hypothesis], folder)
    for hypothesis, its in found["hypotheses"].items():
        if "refused" in its:
            yield f"  {hypothesis:16} refused: {its['refused']}"
    yield (
        f"probability that the first is first, by the errors: {ranked['first_is_first']:.3f}; "
        f"that the whole order is right: {ranked['order_is_right']:.3f}"
    )
    if json_file is not None:
        write_hypotheses(found, json_file)
        yield f"Wrote {json_file}"


def _line(name: str, found: dict[str, Any], probability: float, folder: Path) -> str:
    if name == "own":
        return f"  {name:16} {0:12.2f}            {probability:8.3g}"
    its = found[name]["evidence"]
    error = f"± {its['standard_error']:.2g} ({its['kind']})"
    return f"  {name:16} {its['log_ratio']:12.2f} {error}  {probability:8.3g}  {folder}"
