"""Calibration of whole inversions: truths from the prior, their data, and fits of these."""
