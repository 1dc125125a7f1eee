"""Copy figures of the demo's report into docs/images, made small; run it after `make demo`."""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "results" / "demo" / "report" / "figures"
IMAGES = ROOT / "docs" / "images"
COLOURS = 256


def copy(source: Path, target: Path) -> None:
    """Write a picture of at most `COLOURS` colours, chosen so that rare ones are kept too."""
    picture = Image.open(source).convert("RGB")
    # A palette by frequency would lose the ends of the colour bars.
    method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    picture.quantize(COLOURS, method, kmeans=8, dither=dither).save(target, optimize=True)


def main() -> None:
    """Copy every figure of the run `psvi`, and the draws of the mean field beside them."""
    for figure in sorted((FIGURES / "psvi").glob("*.png")):
        copy(figure, IMAGES / f"report-{figure.name}")
    copy(FIGURES / "mean_field" / "draws.png", IMAGES / "mean-field-draws.png")


if __name__ == "__main__":
    main()
