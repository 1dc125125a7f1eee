"""Input of a run of the native solver: arrays in its precision, and its C structures."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Component
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.forward.acoustic.hicks import point_weights
from pvi_hpc.forward.acoustic.library import Native
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings

__all__ = ["NativeArrays", "Run"]

Array = NDArray[Any]


class Run(NamedTuple):
    """A `pvi_shot`, the arrays it points to, and what is recorded."""

    c: Any
    arrays: tuple[Any, ...]
    component: Component
    nt: int
    n_rec: int


class NativeArrays(NamedTuple):
    """Makes the arguments of the library's functions for one grid and precision."""

    native: Native
    settings: SolverSettings

    def as_real(self, values: Array, shape: tuple[int, ...], name: str) -> Array:
        """Return `values` in the solver's precision.

        Raises
        ------
        ConfigError, NonFiniteError
            If they have another shape than `shape` or none, or are not finite.
        """
        array = np.ascontiguousarray(values, dtype=self.settings.dtype)
        if array.shape != shape or array.size == 0:
            raise ConfigError(f"'{name}' must have shape {shape}, got {array.shape}.")
        if not np.isfinite(array).all():
            raise NonFiniteError(f"'{name}' holds NaN or infinite values.")
        return array

    def pointer(self, array: Array) -> Any:
        """Return where an array of the solver's precision is; it must outlive the pointer."""
        return self.native.ffi.from_buffer("real[]", array)

    def run(self, source: Array, wavelet: Array, receivers: Array, component: Component) -> Run:
        """Return the run of a source `(3,)`, `wavelet` `(nt,)` and `receivers` `(n_rec, 3)`.

        Raises
        ------
        ConfigError, NonFiniteError
            If one of them has another shape, is outside the grid or not finite.
        """
        s = self.as_real(wavelet, (np.size(wavelet),), "wavelet")
        at = self._points(np.reshape(source, (1, -1)), "pressure")
        of = self._points(receivers, component)
        fields = {
            "nt": len(s),
            "source": at[0],
            "wavelet": self.pointer(s),
            "receivers": of[0],
        }
        c = self.native.ffi.new("pvi_shot *", fields)
        return Run(c, (s, at, of), component, len(s), int(of[0].n))

    def _points(self, positions: Array, component: Component) -> tuple[Any, Array, Array]:
        grid = self.settings
        start, weights = point_weights(
            positions,
            grid.shape,
            grid.spacing,
            free_surface=grid.free_surface,
            component=component,
        )
        ffi = self.native.ffi
        c = ffi.new("pvi_points *")
        c.n = len(start)
        c.start = ffi.cast("int32_t *", ffi.from_buffer(start))
        c.weight = ffi.cast("double *", ffi.from_buffer(weights))
        return c[0], start, weights
