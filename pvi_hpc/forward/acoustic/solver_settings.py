"""Settings for the life of a wave solver, and its division into blocks."""

from dataclasses import dataclass
from typing import Any

from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.forward.acoustic.library import ORDERS, Native, load

__all__ = ["SolverSettings", "decomposition", "native_config"]


@dataclass(frozen=True)
class SolverSettings:
    """Settings that stay the same for the life of a solver.

    Parameters
    ----------
    shape, spacing
        Physical cells and their distances [m], as z, y, x. With one cell along y waves are
        those of line sources in two dimensions.
    dt
        Time step [s].
    pml_velocity, pml_frequency
        Fixed reference speed [m/s] and frequency [Hz] of the absorbing layer; they do not
        follow the model, so the gradient is exact.
    n_pml
        Cells of the absorbing layer, outside the physical box.
    order
        Order of accuracy in space: 4, 8 or 12.
    free_surface
        True if p = 0 at z = 0, with no layer above it.
    dtype
        'float32' or 'float64'.
    threads
        OpenMP threads of each rank.
    density
        Density of the medium [kg/m^3], the same everywhere: the scale of particle velocities.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    dt: float
    pml_velocity: float
    pml_frequency: float
    n_pml: int = 10
    order: int = 8
    free_surface: bool = False
    dtype: str = "float32"
    threads: int = 1
    density: float = 1000.0

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "float64"):
            raise ConfigError(f"'dtype' must be 'float32' or 'float64', got '{self.dtype}'.")
        if self.order not in ORDERS:
            raise ConfigError(f"'order' must be one of {ORDERS}, got {self.order}.")
        if not self.density > 0:
            raise ConfigError(f"'density' must be positive, got {self.density} kg/m^3.")

    @property
    def native(self) -> Native:
        """The compiled library for these settings; SolverError if it cannot be loaded."""
        return load(self.dtype, self.order)


def decomposition(settings: SolverSettings, n_ranks: int) -> tuple[int, int, int]:
    """Return the blocks along z, y, x that `n_ranks` ranks would use.

    Raises
    ------
    SolverError
        If the grid cannot be cut that way; the message names the most ranks that can.
    """
    lib = settings.native.lib
    config, dims = native_config(settings), settings.native.ffi.new("int32_t[3]")
    for n in range(n_ranks, 0, -1):
        if lib.pvi_decompose(config, n, dims) == lib.PVI_OK:
            if n == n_ranks:
                return int(dims[0]), int(dims[1]), int(dims[2])
            raise SolverError(
                f"a grid of {settings.shape} cells with a layer of {settings.n_pml} cannot be "
                f"cut into {n_ranks} blocks; use at most {n} ranks."
            )
    raise SolverError(f"'n_ranks' must be at least 1, got {n_ranks}.")


def native_config(settings: SolverSettings) -> Any:
    """Return the settings as a `pvi_config`."""
    fields = {
        "shape": settings.shape,
        "n_pml": settings.n_pml,
        "order": settings.order,
        "free_surface": int(settings.free_surface),
        "n_threads": settings.threads,
        "spacing": settings.spacing,
        "dt": settings.dt,
        "pml_velocity": settings.pml_velocity,
        "pml_frequency": settings.pml_frequency,
    }
    return settings.native.ffi.new("pvi_config *", fields)
