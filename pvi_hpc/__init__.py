"""3D Bayesian full-waveform inversion: velocity models with error bars.

As a library, on any log density: `pvi_hpc.fit` and `pvi_hpc.load_fit`.
"""

from typing import Any

__all__ = ["__version__", "fit", "load_fit"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the library's functions when asked for: they need torch, which takes seconds."""
    if name in ("fit", "load_fit"):
        from importlib import import_module

        return getattr(import_module("pvi_hpc.fitting"), name)
    raise AttributeError(f"module 'pvi_hpc' has no attribute '{name}'")
