"""Data and reference draws of posteriordb, from a checkout or the `posteriordb` package.

A checkout is found by its path (`--database`, or POSTERIOR_DATABASE in the environment); the
package downloads from GitHub. Without either, data of the same size are made from a seed.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Checkout", "Package", "Source", "Synthetic", "source_of"]

Array = NDArray[np.float64]
SEED: Final = 20261130


class Source(Protocol):
    """Place where data come from."""

    name: str

    def data(self, posterior: str) -> dict[str, Any]:
        """Return the data of a posterior such as "garch-garch11"."""
        ...

    def draws(self, posterior: str) -> dict[str, Array] | None:
        """Return reference draws `(D,)` by unknown; None where there are none."""
        ...


class Checkout:
    """A checkout of github.com/stan-dev/posteriordb."""

    def __init__(self, path: Path) -> None:
        inner = path / "posterior_database"
        self.root = inner if inner.is_dir() else path
        self.name = f"posteriordb in {path.name}"

    def data(self, posterior: str) -> dict[str, Any]:
        """Return the data of a posterior."""
        found: dict[str, Any] = self._json(f"data/data/{posterior.split('-')[0]}.json.zip")
        return found

    def draws(self, posterior: str) -> dict[str, Array] | None:
        """Return its reference draws, all chains together."""
        place = f"reference_posteriors/draws/draws/{posterior}.json.zip"
        if not (self.root / place).is_file():
            return None
        return _joined(self._json(place))

    def _json(self, place: str) -> Any:
        with zipfile.ZipFile(self.root / place) as archive:
            return json.loads(archive.read(archive.namelist()[0]))


class Package:
    """The `posteriordb` package, which fetches what is asked for and keeps it."""

    name = "posteriordb package"

    def __init__(self) -> None:
        from posteriordb import PosteriorDatabaseGithub  # type: ignore[import-not-found, attr-defined, unused-ignore]

        self.database = PosteriorDatabaseGithub()

    def data(self, posterior: str) -> dict[str, Any]:
        """Return the data of a posterior."""
        found: dict[str, Any] = self.database.posterior(posterior).data.values()
        return found

    def draws(self, posterior: str) -> dict[str, Array] | None:
        """Return its reference draws, all chains together."""
        try:
            return _joined(self.database.posterior(posterior).reference_draws())
        except (FileNotFoundError, ValueError):
            return None


class Synthetic:
    """Data of the same size and kind, made from a seed; there are no reference draws."""

    name = "synthetic data"

    def data(self, posterior: str) -> dict[str, Any]:
        """Return the data of a posterior."""
        name = posterior.split("-")[0]
        make = getattr(self, name)
        found: dict[str, Any] = make(np.random.default_rng([SEED, len(name)]))
        return found

    def draws(self, posterior: str) -> None:
        """Return None."""

    def eight_schools(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return eight effects and their sds."""
        sigma = rng.uniform(9, 18, 8)
        return {"y": 8 + np.hypot(6, sigma) * rng.standard_normal(8), "sigma": sigma}

    def garch(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return a series with changing variance."""
        variance, y = 0.25, np.empty(200)
        for t in range(200):
            y[t] = 5 + np.sqrt(variance) * rng.standard_normal()
            variance = 1.5 + 0.5 * (y[t] - 5) ** 2 + 0.25 * variance
        return {"y": y, "sigma1": 0.5}

    def kidiq(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return scores of children by those of their mothers."""
        iq, hs = rng.normal(100, 15, 434), (rng.random(434) < 0.8).astype(float)
        score = 25 + 5 * hs + 0.6 * iq + rng.normal(0, 18, 434)
        return {"mom_iq": iq, "mom_hs": hs, "kid_score": score}

    def earnings(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return earnings by height and sex."""
        male = (rng.random(1192) < 0.4).astype(float)
        height = rng.normal(64 + 5.5 * male, 2.7)
        earn = np.exp(7.9 + 0.025 * height + 0.4 * male + rng.normal(0, 0.9, 1192))
        return {"male": male, "height": height, "earn": earn}

    def nes1980(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return answers of voters."""
        names = ("real_ideo", "race_adj", "educ1", "gender", "income")
        data = {name: rng.integers(1, 5, 701).astype(float) for name in names}
        data["age_discrete"] = rng.integers(1, 5, 701)
        data["partyid7"] = 1 + 0.5 * data["real_ideo"] + rng.normal(0, 1.9, 701)
        return data

    def sblrc(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return a regression on correlated columns."""
        design = rng.standard_normal((100, 5)) + rng.standard_normal((100, 1))
        return {"X": design, "y": design.sum(axis=1) + rng.standard_normal(100)}

    def low_dim_gauss_mix(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return draws of two normal distributions."""
        second = rng.random(1000) < 0.6
        return {"y": rng.normal(np.where(second, 2.75, -2.75), 1)}

    def arK(self, rng: np.random.Generator) -> dict[str, Any]:  # noqa: N802
        """Return an autoregressive series."""
        y = list(rng.standard_normal(5))
        while len(y) < 200:
            past = 0.5 * y[-1] - 0.3 * y[-2] + 0.1 * y[-5]
            y.append(past + 0.15 * rng.standard_normal())
        return {"K": 5, "y": y}

    def gp_pois_regr(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return counts along a line."""
        x = np.arange(-10.0, 11.0, 2.0)
        return {"x": x, "k": rng.poisson(np.exp(1 + 1.5 * np.sin(x / 4)))}

    def diamonds(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return log prices by 24 properties, some of them nearly the same."""
        design = rng.standard_normal((5000, 25))
        design[:, 0], design[:, 2] = 1, design[:, 1] + 0.05 * design[:, 2]
        y = 8 + design[:, 1] + rng.normal(0, 0.13, 5000)
        return {"X": design, "Y": y}


def _joined(chains: Any) -> dict[str, Array]:
    return {name: np.concatenate([np.asarray(c[name]) for c in chains]) for name in chains[0]}


def source_of(path: str | None) -> Source:
    """Return the checkout at `path` or of the environment, the package, or synthetic data."""
    place = path or os.environ.get("POSTERIOR_DATABASE")
    if place:
        return Checkout(Path(place))
    try:
        return Package()
    except ImportError:
        return Synthetic()
