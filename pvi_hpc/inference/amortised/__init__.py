"""Posteriors that are learnt from simulated pairs once, and used for any data."""
