"""The prior of a configuration."""

from pvi_hpc.grid import Cells
from pvi_hpc.plugins import load_plugin
from pvi_hpc.priors.prior import Prior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["load_prior", "prior_bounds", "prior_class"]


def load_prior(settings: PriorSettings, cells: Cells) -> Prior:
    """Return the prior of the active cells.

    Raises
    ------
    ConfigError
        If the settings are impossible on these cells.
    """
    return prior_class(settings).from_options(settings, cells)


def prior_bounds(settings: PriorSettings, cells: Cells) -> tuple[float, float]:
    """Return the lowest and the highest velocity that the prior allows in any cell [m/s]."""
    return prior_class(settings).bounds(settings, cells)


def prior_class(settings: PriorSettings) -> type[Prior]:
    """Return the class of the prior that the settings are of."""
    found: type[Prior] = load_plugin(PriorSettings.group, settings.kind, "prior.kind")
    return found
