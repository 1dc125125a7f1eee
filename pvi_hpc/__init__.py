"""3D Bayesian full-waveform inversion: velocity models with error bars."""

__all__ = ["__version__"]

__version__ = "0.1.0"
