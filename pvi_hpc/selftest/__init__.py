"""Tests that users run on their own machines and grids."""
