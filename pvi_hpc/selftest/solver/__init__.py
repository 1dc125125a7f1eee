"""Tests that a user runs on their own grid: is the solver right, here, with these settings?"""
