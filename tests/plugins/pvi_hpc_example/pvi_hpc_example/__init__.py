"""Plug-ins for pvi_hpc that live in a package of their own."""
