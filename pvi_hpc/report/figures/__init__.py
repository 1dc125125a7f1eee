"""Figures of a report, one module a figure."""
