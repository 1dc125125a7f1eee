"""3D Bayesian full-waveform inversion: velocity models with error bars.

As a library, on any log density: `pvi_hpc.fit` and `pvi_hpc.load_fit`.
"""

import os
from typing import Any

__all__ = [
    "ConvergenceWarning",
    "__version__",
    "fit",
    "load_fit",
    "make_family",
    "make_prior",
    "numpy_log_prob",
    "open_project",
]

__version__ = "0.1.0"

# Torch asks for huge pages only if told so before its first array. Fields of 1e7 cells are made
# and dropped in every iteration: with pages of 4 KiB half the CPU time goes to the kernel.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


#: Modules of the names that are loaded on demand: they need torch, which takes seconds.
_MODULES = {
    "ConvergenceWarning": "library.verdict",
    "fit": "library.fit",
    "load_fit": "library.fit_file",
    "make_family": "library.make",
    "make_prior": "library.make",
    "numpy_log_prob": "library.densities",
    "open_project": "run.results",
}


def __getattr__(name: str) -> Any:
    """Load a name of the library."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"pvi_hpc.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'pvi_hpc' has no attribute '{name}'")
