"""Starts: the MAP search and estimates of the curvature there."""
