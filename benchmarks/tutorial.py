"""Run the Python of the tutorial, in a temporary folder, and draw its figure."""

import contextlib
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pvi_hpc.report.style import COLOURS, png

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / "guide" / f"{name}.md" for name in ("tutorial", "tutorial-check")]
PAIRS = {"origin time [s]": 2, "depth [km]": 1}


def code_of(page: Path) -> str:
    """Return all Python blocks of a page, one after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))


def run_tutorial() -> dict[str, Any]:
    """Return the names that the code of the tutorial's pages defines."""
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for page in PAGES:
            exec(compile(code_of(page), str(page), "exec"), names)
    return names


def draw(names: dict[str, Any]) -> Figure:
    """Return distance against the other unknowns, a column for each family."""
    draws = dict(names["draws"])
    reference = draws.pop("HMC")[::4]
    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    axes = figure.subplots(2, len(draws), sharex=True, sharey="row")
    for column, (name, found) in enumerate(draws.items()):
        for row, (label, unknown) in enumerate(PAIRS.items()):
            panel = axes[row, column]
            panel.plot(reference[:, 0], reference[:, unknown], ",", color="0.6")
            shown = found[:1500]
            panel.plot(shown[:, 0], shown[:, unknown], ",", color=COLOURS["start"])
            panel.plot(*names["truth"][0, [0, unknown]].numpy(), "k+", markersize=9)
            if column == 0:
                panel.set_ylabel(label)
        axes[0, column].set_title(name)
        axes[1, column].set_xlabel("distance [km]")
    return figure


def main() -> None:
    """Print what the pages print; write its figure to the folder given, or to docs/images."""
    names = run_tutorial()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    (folder / "tutorial-posteriors.png").write_bytes(png(lambda: draw(names)))


if __name__ == "__main__":
    main()
