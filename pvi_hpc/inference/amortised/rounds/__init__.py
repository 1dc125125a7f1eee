"""Rounds that narrow the prior to the region that a network gives the observed data."""
